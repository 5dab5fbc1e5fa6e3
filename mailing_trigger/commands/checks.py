"""`doctor` and `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("doctor")(doctor)
    app.command("verify")(verify)


@options.with_log
def doctor(
    ctx: typer.Context,
    credentials: options.Credentials = None,
    host: options.Host = None,
    port: options.Port = None,
    jars: options.Jars = None,
) -> None:
    """Look for what is wrong, and say what helps.

    Looks at this machine, the broker, the topics, the registry and the workers; exit 1 when
    something is wrong. Each line says ok, warn or fail, what was found, and what helps.

    \b
    Example: mailing-trigger doctor --bootstrap-servers kafka:9092
    """
    from mailing_trigger.doctor import findings, passed  # noqa: PLC0415
    from mailing_trigger.output import say  # noqa: PLC0415

    found = []
    for finding in findings(options.settings_of(ctx)):
        say(finding.line())
        found.append(finding)
    if not passed(found):
        raise typer.Exit(1)


@options.with_log
def verify(
    ctx: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of lines.")
    ] = False,
    processes: options.Processes = None,
) -> None:
    """Find what is lost, doubled or changed.

    Folds the log once more, by rules written apart from the worker's, and compares recipients,
    counters, waiting messages, answers and sends with it. Writes nothing, and may run beside
    workers. Exit 0: nothing is wrong; 1: something is, a line each; 2: it could not be read.

    \b
    Example: mailing-trigger verify --bootstrap-servers kafka:9092
             mailing-trigger verify --json | jq .found
    """
    from mailing_trigger.verify import run  # noqa: PLC0415

    raise typer.Exit(run(options.settings_of(ctx), as_json=as_json))
