"""`up`, `demo`, `worker` and `bridge`."""

from __future__ import annotations

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (demo, up, worker, bridge):
        app.command()(command)


def demo(
    ctx: typer.Context,
    jars: options.Jars = None,
    log_level: options.LogLevel = None,
) -> None:
    """Show the main job, from a call to a send.

    Starts a broker, a worker and a bridge on a temporary folder, sends the call over HTTP, sends it
    again, invokes the mailing, shows the one send and stops everything. Nothing is left behind.

    \b
    Example: mailing-trigger demo
    """
    from mailing_trigger.demo import run  # noqa: PLC0415

    raise typer.Exit(run(options.settings_of(ctx)))


def up(
    ctx: typer.Context,
    config: options.Config = None,
    port: options.Port = None,
    host: options.Host = None,
    data_dir: options.DataDir = None,
    processes: options.Processes = None,
    partitions: options.Partitions = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    credentials: options.Credentials = None,
    insecure: options.Insecure = None,
    schema_registry_url: options.SchemaRegistryUrl = None,
    ack_timeout_s: options.AckTimeout = None,
    store: options.Store = None,
    jars: options.Jars = None,
    log_level: options.LogLevel = None,
) -> None:
    """Run everything here until Ctrl-C.

    Starts Apache Kafka (unless --bootstrap-servers names one), creates the topics that are
    missing, starts worker and bridge, and defines mailing 1 of organisation 2 to try it with.
    What was stored is there again the next time.

    \b
    Example: mailing-trigger up --port 8081 --data-dir ./data
    """
    from mailing_trigger.up import run  # noqa: PLC0415

    raise typer.Exit(run(options.settings_of(ctx)))


def worker(
    ctx: typer.Context,
    config: options.Config = None,
    processes: options.Processes = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    schema_registry_url: options.SchemaRegistryUrl = None,
    store: options.Store = None,
    data_dir: options.DataDir = None,
    log_level: options.LogLevel = None,
) -> None:
    """Process the log until Ctrl-C or SIGTERM.

    Processes on any number of machines share the partitions. One that dies is started again;
    after five deaths in two minutes all are stopped, with exit status 1. Brokers that go away
    are waited for.

    \b
    Example: mailing-trigger worker --bootstrap-servers kafka:9092 --processes 4
    """
    from mailing_trigger.worker import run  # noqa: PLC0415

    raise typer.Exit(run(options.settings_of(ctx)))


def bridge(
    ctx: typer.Context,
    config: options.Config = None,
    port: options.Port = None,
    host: options.Host = None,
    credentials: options.Credentials = None,
    insecure: options.Insecure = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    schema_registry_url: options.SchemaRegistryUrl = None,
    ack_timeout_s: options.AckTimeout = None,
    log_level: options.LogLevel = None,
) -> None:
    """Answer HTTP calls until Ctrl-C or SIGTERM.

    Without --credentials it answers on a loopback address only, unless --insecure is given.

    \b
    Example: mailing-trigger bridge --host 0.0.0.0 --credentials credentials.toml
    """
    from mailing_trigger.adapters import bridge_settings  # noqa: PLC0415
    from mailing_trigger.logs import configure  # noqa: PLC0415
    from producers.bridge.server import serve  # noqa: PLC0415

    settings = options.settings_of(ctx)
    configure(settings.log_level)
    serve(bridge_settings(settings))
