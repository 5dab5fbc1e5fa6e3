"""`mailings define|list|show|pending` and `invoke`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailing_trigger.commands import options, states

if TYPE_CHECKING:
    from producers.control import MailingView, Place
    from producers.sync import SyncTriggerClient

# As in schemas/caps.py, which is not to be loaded before `guard` has seen that it is ours.
_MAX_HOURLY_CAP = 1_000
# As in producers/bridge/definition.py.
_MAX_INTERVAL_S = 86_400
# What a call of `define` says; what it does not say gets its default again.
_DEFINITION = (
    "name",
    "type",
    "dedup",
    "interval_s",
    "channels",
    "unknown_recipients",
    "hourly_cap",
)

PAGE = 500
COLUMNS = ("mid", "name", "state", "pending", "sent", "triggered", "duplicates", "rejected")


class Channel(StrEnum):
    """A way to the recipient, as typed on a command line."""

    EMAIL = "email"
    SMS = "sms"


class UnknownRecipients(StrEnum):
    """What becomes of an address that nobody has, as typed on a command line."""

    CREATE = "create"
    REJECT = "reject"


class FirstState(StrEnum):
    """A state that a definition gives, as typed on a command line."""

    CREATED = "created"
    ACTIVE = "active"


class Dedup(StrEnum):
    """What makes two waiting messages one, as typed on a command line."""

    RECIPIENT_CONTEXT = "recipient+context"
    RECIPIENT = "recipient"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    mailings = typer.Typer(rich_markup_mode=None)
    mailings.command("define")(define)
    mailings.command("list")(list_)
    mailings.command("show")(show)
    mailings.command("pending")(pending)
    states.register(mailings)
    app.add_typer(mailings, name="mailings", help="Define mailings and look at them.")
    app.command("invoke")(invoke)


@options.with_log
def define(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
    name: Annotated[
        str | None, typer.Option("--name", help="What people call it; a new one needs a name.")
    ] = None,
    interval_s: Annotated[
        int | None,
        typer.Option(
            "--interval",
            min=0,
            max=_MAX_INTERVAL_S,
            help="Seconds between invocations by itself; 0: none. [15]",
        ),
    ] = None,
    dedup: Annotated[
        Dedup | None,
        typer.Option("--dedup", help="Which two waiting messages are one. [recipient+context]"),
    ] = None,
    channels: Annotated[
        list[Channel] | None,
        typer.Option("--channel", help="By which ways it goes; may be given twice. [email]"),
    ] = None,
    unknown_recipients: Annotated[
        UnknownRecipients | None,
        typer.Option("--unknown", help="What becomes of an address that nobody has. [create]"),
    ] = None,
    hourly_cap: Annotated[
        int | None,
        typer.Option(
            "--hourly-cap",
            min=0,
            max=_MAX_HOURLY_CAP,
            help="Messages to one recipient within an hour, at most; 0: any number. [0]",
        ),
    ] = None,
    state: Annotated[
        FirstState | None,
        typer.Option("--state", help="A created one takes no recipients yet. [active]"),
    ] = None,
) -> None:
    """Create a mailing, or change what is given of one that is there.

    \b
    Example: mailing-trigger mailings define --orgid 2 --mid 1 --name Welcome --interval 15
             mailing-trigger mailings define --orgid 2 --mid 1 --hourly-cap 3
    """
    # The wire has the names of the choices, the command line their spelling.
    given: dict[str, object] = {
        "name": name,
        "interval_s": interval_s,
        "dedup": dedup and dedup.name,
        "channels": [channel.name for channel in channels] if channels else None,
        "unknown_recipients": unknown_recipients and unknown_recipients.name,
        "hourly_cap": hourly_cap,
        "state": state and state.name,
    }
    with options.client_of(ctx) as client:
        definition = _definition(client, orgid, mid)
        definition |= {word: value for word, value in given.items() if value is not None}
        if "name" not in definition:
            raise typer.BadParameter(f"organisation {orgid} has no mailing {mid}: give --name")
        view = client.define(orgid, mid, **definition)
    _print(view)


def _definition(client: SyncTriggerClient, orgid: int, mid: int) -> dict[str, Any]:
    """Return how a mailing is defined; nothing of one that is not there."""
    from producers.errors import UnknownMailing  # noqa: PLC0415

    try:
        view = client.mailing(orgid, mid)
    except UnknownMailing:
        return {}
    return {name: getattr(view, name) for name in _DEFINITION}


@options.with_log
def list_(
    ctx: typer.Context,
    orgid: options.Orgid,
) -> None:
    """List the mailings of an organisation with their counters.

    \b
    Example: mailing-trigger mailings list --orgid 2
    """
    from rich.table import Table  # noqa: PLC0415

    from mailing_trigger.output import console, say  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"name", "state"} else "right")
    with options.client_of(ctx) as client:
        after = 0
        while page := client.mailings(orgid, after_mid=after, limit=PAGE):
            for view in page:
                table.add_row(*(str(getattr(view, column)) for column in COLUMNS))
            after = page[-1].mid
    if table.row_count:
        console.print(table)
    else:
        say(f"organisation {orgid} has no mailings: `mailing-trigger mailings define` makes one")


@options.with_log
def show(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Show one mailing: its definition, its state, its counters.

    \b
    Example: mailing-trigger mailings show --orgid 2 --mid 1
    """

    with options.client_of(ctx) as client:
        _print(client.mailing(orgid, mid))


@options.with_log
def pending(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Print the ID of everybody who waits for the next invocation, one a message.

    \b
    Example: mailing-trigger mailings pending --orgid 2 --mid 1
    """
    from mailing_trigger.output import say  # noqa: PLC0415
    from producers.contract.mailing_calls import FIRST  # noqa: PLC0415

    with options.client_of(ctx) as client:
        after: Place | None = FIRST
        while after is not None:
            page = client.pending(orgid, mid, after=after)
            for rid in page.rids:
                say(str(rid))
            after = page.next


@options.with_log
def invoke(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Mail everybody who is waiting, now.

    \b
    Example: mailing-trigger invoke --orgid 2 --mid 1
    """
    from mailing_trigger.output import say  # noqa: PLC0415

    with options.client_of(ctx) as client:
        invocation = client.invoke(orgid, mid)
    say(f"mailing {mid} is invoked: {invocation.messages} messages")


def _print(view: MailingView) -> None:
    from dataclasses import fields  # noqa: PLC0415

    from mailing_trigger.output import say  # noqa: PLC0415

    for name in (*(field.name for field in fields(view)), "pending", "emails"):
        value = getattr(view, name)
        say(f"{name:<18} {', '.join(value) if isinstance(value, tuple) else value}")
