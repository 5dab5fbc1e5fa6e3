"""`recipients show|unsubscribe|resubscribe|erase`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailing_trigger.commands import options

if TYPE_CHECKING:
    from producers.recipients import RecipientView

Rid = Annotated[
    int | None,
    typer.Option("--rid", metavar="N", min=1, max=2**53 - 1, help="The recipient by its ID."),
]
Email = Annotated[
    str | None, typer.Option("--email", metavar="ADDRESS", help="The recipient by its address.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    recipients = typer.Typer(rich_markup_mode=None)
    recipients.command("show")(show)
    recipients.command("unsubscribe")(unsubscribe)
    recipients.command("resubscribe")(resubscribe)
    recipients.command("erase")(erase)
    app.add_typer(
        recipients, name="recipients", help="Look at recipients, unsubscribe and erase them."
    )


@options.with_log
def show(
    ctx: typer.Context,
    orgid: options.Orgid,
    rid: Rid = None,
    email: Email = None,
) -> None:
    """Show what is stored of one recipient.

    \b
    Example: mailing-trigger recipients show --orgid 2 --rid 3073
             mailing-trigger recipients show --orgid 2 --email user@domain.com
    """
    _print(_recipient(ctx, orgid, rid, email, {}))


@options.with_log
def unsubscribe(
    ctx: typer.Context,
    orgid: options.Orgid,
    rid: Rid = None,
    email: Email = None,
) -> None:
    """Send nothing more to one recipient, nor the messages that wait for an invocation.

    \b
    Example: mailing-trigger recipients unsubscribe --orgid 2 --rid 3073
    """
    from schemas.records import Status  # noqa: PLC0415

    _print_status(_recipient(ctx, orgid, rid, email, {"status": int(Status.UNSUBSCRIBED)}))


@options.with_log
def resubscribe(
    ctx: typer.Context,
    orgid: options.Orgid,
    rid: Rid = None,
    email: Email = None,
) -> None:
    """Let one recipient have the messages of triggers to come.

    \b
    Example: mailing-trigger recipients resubscribe --orgid 2 --rid 3073
    """
    from schemas.records import Status  # noqa: PLC0415

    _print_status(_recipient(ctx, orgid, rid, email, {"status": int(Status.SUBSCRIBED)}))


@options.with_log
def erase(
    ctx: typer.Context,
    orgid: options.Orgid,
    rid: Rid = None,
    email: Email = None,
) -> None:
    """Forget everything about one recipient but its ID, and say what still holds something.

    Messages that wait for an invocation are taken back. Nothing brings it back.

    \b
    Example: mailing-trigger recipients erase --orgid 2 --rid 3073
    """
    from mailing_trigger.output import say  # noqa: PLC0415

    _require_one(rid, email)
    with options.client_of(ctx) as client:
        erasure = client.erase_recipient(orgid, rid=rid, email=email)
    say(f"recipient {erasure.rid} was erased at {erasure.erased:%Y-%m-%d %H:%M:%S} UTC")
    for each in erasure.remains:
        until = "no date is set" if each.until is None else f"{each.until:%Y-%m-%d %H:%M} UTC"
        say(f"{each.topic} may hold records from before until: {until}")


def _recipient(
    ctx: typer.Context,
    orgid: int,
    rid: int | None,
    email: str | None,
    fields: dict[str, object],
) -> RecipientView:
    _require_one(rid, email)
    with options.client_of(ctx) as client:
        if fields:
            return client.change_recipient(orgid, fields, rid=rid, email=email)
        return client.recipient(orgid, rid=rid, email=email)


def _require_one(rid: int | None, email: str | None) -> None:
    if (rid is None) == (email is None):
        raise typer.BadParameter("name the recipient by --rid or by --email")


def _print_status(view: RecipientView) -> None:
    from mailing_trigger.output import say  # noqa: PLC0415

    say(f"recipient {view.rid} is {view.status.name.lower()}")


def _print(view: RecipientView) -> None:
    from mailing_trigger.output import say  # noqa: PLC0415

    shown: dict[str, object] = {
        "rid": view.rid,
        "status": view.status.name.lower(),
        "email": view.email,
        **view.profile,
        "createdDate": view.created,
        "modifiedDate": view.modified or view.created,
    }
    for name, value in shown.items():
        say(f"{name:<13} {'' if value is None else value}")
