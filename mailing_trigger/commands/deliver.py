"""`deliver`."""

from __future__ import annotations

from typing import Annotated

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("deliver")(deliver)


@options.with_log
def deliver(
    ctx: typer.Context,
    outlet: options.Outlet = None,
    sms_outlet: options.SmsOutlet = None,
    sender: options.Sender = None,
    templates: options.Templates = None,
    unsubscribe_bounces: options.UnsubscribeBounces = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Deliver what was laid aside, once, and end."),
    ] = False,
    log_level: options.LogLevel = None,
) -> None:
    """Render what was sent and hand it over, until Ctrl-C.

    Mails go to a mail server (smtp:// with STARTTLS, smtps://), to a URL as JSON, or as files into
    a folder; text messages to a URL or a folder. Deliverers on any number of machines share the
    work. A message is handed over once, or again where one dies between that and its commit; its
    Message-ID is the same. What is refused is kept in mailing.undelivered, and with
    --unsubscribe-bounces a recipient whose address is none is unsubscribed.

    \b
    Example: mailing-trigger deliver --outlet ./mails
             mailing-trigger deliver --outlet smtp://mail.example.com --templates ./templates \\
                 --sender 'Shop <shop@example.com>' --sms-outlet https://sms.example.com/send
    """
    from mailing_trigger.deliver import run  # noqa: PLC0415

    raise typer.Exit(run(options.settings_of(ctx), again=again))
