"""`mailings suspend|resume|cancel|finish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002 - it reads these annotations when it runs

from mailing_trigger.commands import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.control import MailingView
    from producers.sync import SyncTriggerClient


def register(mailings: typer.Typer) -> None:
    """Add the commands of this file."""
    mailings.command("suspend")(suspend)
    mailings.command("resume")(resume)
    mailings.command("cancel")(cancel)
    mailings.command("finish")(finish)


@options.with_log
def suspend(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Hold back what waits and what comes; recipients are still taken.

    \b
    Example: mailing-trigger mailings suspend --orgid 2 --mid 1
    """
    _step(ctx, lambda client: client.suspend(orgid, mid))


@options.with_log
def resume(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Let a suspended mailing mail again, or a created one begin.

    \b
    Example: mailing-trigger mailings resume --orgid 2 --mid 1
    """
    _step(ctx, lambda client: client.resume(orgid, mid))


@options.with_log
def cancel(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Close a mailing for good: what waits is never mailed, and stays visible.

    \b
    Example: mailing-trigger mailings cancel --orgid 2 --mid 1
    """
    _step(ctx, lambda client: client.cancel(orgid, mid))


@options.with_log
def finish(
    ctx: typer.Context,
    orgid: options.Orgid,
    mid: options.Mid,
) -> None:
    """Close a mailing that has done its work; invoke it before, for what waits stays unsent.

    \b
    Example: mailing-trigger mailings finish --orgid 2 --mid 1
    """
    _step(ctx, lambda client: client.finish(orgid, mid))


def _step(ctx: typer.Context, step: Callable[[SyncTriggerClient], MailingView]) -> None:
    from mailing_trigger.output import say  # noqa: PLC0415

    with options.client_of(ctx) as client:
        view = step(client)
    say(f"mailing {view.mid} is {view.state.lower()}: {view.pending} waiting, {view.sent} sent")
