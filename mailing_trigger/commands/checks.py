"""`doctor`."""

from __future__ import annotations

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("doctor")(doctor)


def doctor(
    ctx: typer.Context,
    config: options.Config = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    schema_registry_url: options.SchemaRegistryUrl = None,
    credentials: options.Credentials = None,
    data_dir: options.DataDir = None,
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
