"""`explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("explain")(explain)


@options.with_log
def explain(
    ctx: typer.Context,
    rid: Annotated[int, typer.Argument(metavar="RID", min=1, max=2**53 - 1)],
    personal: Annotated[
        bool, typer.Option("--show-personal", help="Show address, profile and contexts, too.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of lines.")
    ] = False,
) -> None:
    """Tell a recipient's life from the log.

    Which event created it, each trigger and what became of it, each invocation that took a message
    of it along, each send, and what still waits; with place and time of each. Reads the recipient's
    partition alone, and writes nothing.

    \b
    Example: mailing-trigger explain 7170
             mailing-trigger explain 7170 --json | jq '.happenings[] | select(.what == "sent")'
    """
    from mailing_trigger.explain import run  # noqa: PLC0415

    run(options.settings_of(ctx), rid, personal=personal, as_json=as_json)
