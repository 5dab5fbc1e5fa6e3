"""`dead-letters list|show|redrive|drop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailing_trigger.commands import options

# typer reads its members when the command runs.
from mailing_trigger.dead_letters.letter_state import LetterState  # noqa: TC001

if TYPE_CHECKING:
    from mailing_trigger.dead_letters.choosing import Choice


Places = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PLACE]...", help="PARTITION:OFFSET of the event, as the list has it."),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="REASON", help="Only with this reason; may be repeated."),
]
Partition = Annotated[
    int | None,
    typer.Option("--partition", metavar="N", min=0, help="Only of this partition of the log."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only laid aside since 30m, 2h, 7d, 2026-01-31."),
]
All = Annotated[bool, typer.Option("--all", help="Every letter that fits, without naming any.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    letters = typer.Typer(rich_markup_mode=None)
    letters.command("list")(list_)
    letters.command("show")(show)
    letters.command("redrive")(redrive)
    letters.command("drop")(drop)
    app.add_typer(
        letters,
        name="dead-letters",
        help="Look at events that could not be processed, and redrive.",
    )


@options.with_log
def list_(
    ctx: typer.Context,
    reason: Reasons = None,
    partition: Partition = None,
    since: Since = None,
    state: Annotated[
        LetterState | None,
        typer.Option("--state", help="Only what is still to be done, or was done."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON array instead of lines.")
    ] = False,
) -> None:
    """List events that could not be processed, without personal data.

    \b
    Example: mailing-trigger dead-letters list --state open --since 7d
             mailing-trigger dead-letters list --reason FOLD_RAISED --json | jq length
    """
    from mailing_trigger.dead_letters.running import show_list  # noqa: PLC0415

    choice = _choice(reason, partition, since, state=state)
    show_list(options.settings_of(ctx), choice, as_json=as_json)


@options.with_log
def show(
    ctx: typer.Context,
    places: Annotated[
        list[str], typer.Argument(metavar="PLACE...", help="PARTITION:OFFSET, as the list has it.")
    ],
) -> None:
    """Show all there is of a dead letter, personal data included.

    \b
    Example: mailing-trigger dead-letters show 2:20481
    """
    from mailing_trigger.dead_letters.running import show_whole  # noqa: PLC0415

    show_whole(options.settings_of(ctx), _choice(places=places))


@options.with_log
def redrive(
    ctx: typer.Context,
    places: Places = None,
    reason: Reasons = None,
    partition: Partition = None,
    since: Since = None,
    every: All = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was redriven or dropped before.")
    ] = False,
) -> None:
    """Put events into the log again, with the key and value they had.

    For events that would be processed now: a worker has been mended, a topic takes larger records.
    Each becomes a new event, and its letter is marked in the same transaction: giving the command
    again does nothing more. One that still cannot be processed becomes a new dead letter.

    \b
    Example: mailing-trigger dead-letters redrive 2:20481
             mailing-trigger dead-letters redrive --reason FOLD_RAISED --since 2h
    """
    from mailing_trigger.dead_letters import running  # noqa: PLC0415

    choice = _some(places, reason, partition, since, every=every)
    running.redrive(options.settings_of(ctx), choice, again=again)


@options.with_log
def drop(
    ctx: typer.Context,
    places: Places = None,
    reason: Reasons = None,
    partition: Partition = None,
    since: Since = None,
    every: All = False,
) -> None:
    """Mark dead letters that nobody wants, so that they are no longer open.

    They can still be shown, and redriven with --again, until the topic's retention takes them.

    \b
    Example: mailing-trigger dead-letters drop --reason WRONG_MAGIC
    """
    from mailing_trigger.dead_letters import running  # noqa: PLC0415

    choice = _some(places, reason, partition, since, every=every)
    running.drop(options.settings_of(ctx), choice)


def _some(
    places: list[str] | None,
    reasons: list[str] | None,
    partition: int | None,
    since: str | None,
    *,
    every: bool,
) -> Choice:
    """Return the letters meant; which ones has to be said."""
    from mailing_trigger.errors import SettingsError  # noqa: PLC0415

    filters = bool(reasons or since or partition is not None)
    if bool(places) + (filters or every) != 1:
        raise SettingsError("say which: places such as 2:20481, or --reason, --since …, or --all")
    return _choice(reasons, partition, since, places=places)


def _choice(
    reasons: list[str] | None = None,
    partition: int | None = None,
    since: str | None = None,
    *,
    places: list[str] | None = None,
    state: LetterState | None = None,
) -> Choice:
    from datetime import UTC, datetime  # noqa: PLC0415

    from mailing_trigger.dead_letters.choosing import Choice, places_of, since_ms  # noqa: PLC0415

    return Choice(
        places=places_of(places or ()),
        reasons=frozenset(reasons or ()),
        partition=partition,
        since_ms=since_ms(since, datetime.now(UTC)) if since else 0,
        state=state,
    )
