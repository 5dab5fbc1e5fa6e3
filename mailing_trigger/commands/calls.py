"""`send`: a file of recipients."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from mailing_trigger.commands import options

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings
    from producers.files import ImportReport

_NICENESS = 10


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("send")(send)


@options.with_log
def send(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="CSV, JSON Lines or Avro file; - is stdin.")
    ],
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Add the recipients of a file to a mailing.

    The file ends in .csv (with a header of field names), .jsonl (a recipient a line) or .avro;
    standard input is JSON Lines. After Ctrl-C the same command goes on where it ended. Rejected
    rows go to FILE.rejected.jsonl, and the exit status is 1 when there are any.

    \b
    Example: mailing-trigger send people.csv --orgid 2 --mid 1
             echo '{"email": "a@example.com"}' | mailing-trigger send - --orgid 2 --mid 1
    """
    from mailing_trigger.errors import CommandError  # noqa: PLC0415
    from mailing_trigger.output import say  # noqa: PLC0415

    _give_way()
    report = asyncio.run(_import(options.settings_of(ctx), file, orgid, mid))
    counts = report.counts
    say(
        f"{report.rows:,} rows: {counts.created:,} created, {counts.known:,} known, "
        f"{counts.duplicates:,} duplicates, {counts.suppressed:,} suppressed, "
        f"{counts.rejected:,} rejected"
    )
    if not report.complete:
        raise CommandError(
            "no worker answered in time: start one, then give the same command to go on"
        )
    if counts.rejected:
        where = report.rejected_file or "give a file instead of - to have them listed"
        raise CommandError(f"{counts.rejected:,} rows were rejected: {where}")


def _give_way() -> None:
    """Take the CPU that bridge, workers and broker leave: on one machine calls come first."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


async def _import(settings: Settings, file: str, orgid: int, mid: int) -> ImportReport:
    from mailing_trigger.adapters import client_settings  # noqa: PLC0415
    from mailing_trigger.output import progress_console  # noqa: PLC0415
    from producers import TriggerClient  # noqa: PLC0415
    from producers.files import import_file  # noqa: PLC0415

    async with TriggerClient(client_settings(settings)) as client:
        return await import_file(client, file, orgid=orgid, mid=mid, console=progress_console)
