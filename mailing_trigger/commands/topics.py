"""`topics create` and `topics check`."""

from __future__ import annotations

import typer

from mailing_trigger.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    topics = typer.Typer(rich_markup_mode=None)
    topics.command("create")(create)
    topics.command("check")(check)
    app.add_typer(topics, name="topics", help="Create and check the topics.")


def create(
    ctx: typer.Context,
    config: options.Config = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    data_dir: options.DataDir = None,
    partitions: options.Partitions = None,
    replication: options.Replication = None,
) -> None:
    """Create the topics that are missing, with the settings they need.

    What is there already stays as it is. The number of partitions cannot be changed later: an
    address would move to another partition and get a second ID.

    \b
    Example: mailing-trigger topics create --bootstrap-servers kafka:9092 --partitions 12
    """
    from mailing_trigger.adapters import broker_of  # noqa: PLC0415
    from mailing_trigger.output import say  # noqa: PLC0415
    from streams.worker.admin import create_topics  # noqa: PLC0415

    settings = options.settings_of(ctx)
    created = create_topics(
        broker_of(settings),
        prefix=settings.topic_prefix,
        partitions=settings.partitions,
        replication=settings.replication,
        security=settings.kafka,
    )
    for name in created:
        say(f"created {name}")
    if not created:
        say("every topic was there already, and keeps its partitions")


def check(
    ctx: typer.Context,
    config: options.Config = None,
    bootstrap_servers: options.BootstrapServers = None,
    topic_prefix: options.TopicPrefix = None,
    data_dir: options.DataDir = None,
) -> None:
    """Compare the topics with what they must be; exit 1 when something is wrong.

    \b
    Example: mailing-trigger topics check --bootstrap-servers kafka:9092
    """
    from mailing_trigger.adapters import broker_of  # noqa: PLC0415
    from mailing_trigger.output import say  # noqa: PLC0415
    from streams.worker.admin import check_topics  # noqa: PLC0415

    settings = options.settings_of(ctx)
    problems = check_topics(
        broker_of(settings), prefix=settings.topic_prefix, security=settings.kafka
    )
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(1)
    say("the topics are as they must be")
