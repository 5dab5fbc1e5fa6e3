"""Flags that several commands share; their help comes from the settings themselves."""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailing_trigger.settings import ABOUT, CONFIG_FILE, Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.sync import SyncTriggerClient


def _flag(name: str, metavar: str | None) -> Any:
    about = ABOUT[name]
    default = next(f.default for f in fields(Settings) if f.name == name)
    shown = about.shown or ("" if default in {None, False, ""} else str(default))
    text = about.text + (f"  [default: {shown}]" if shown else "")
    return typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=metavar,
        help=text.replace("`", ""),
        show_default=False,
    )


Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help=f"TOML file of settings  [default: ./{CONFIG_FILE}]"
    ),
]
BootstrapServers = Annotated[str | None, _flag("bootstrap_servers", "HOST:PORT")]
TopicPrefix = Annotated[str | None, _flag("topic_prefix", "TEXT")]
Partitions = Annotated[str | None, _flag("partitions", "N")]
Replication = Annotated[str | None, _flag("replication", "N")]
DataDir = Annotated[str | None, _flag("data_dir", "DIR")]
Jars = Annotated[str | None, _flag("jars", "DIR")]
Host = Annotated[str | None, _flag("host", "ADDRESS")]
Port = Annotated[str | None, _flag("port", "N")]
Processes = Annotated[str | None, _flag("processes", "N")]
Credentials = Annotated[str | None, _flag("credentials", "FILE")]
Insecure = Annotated[bool | None, _flag("insecure", None)]
SchemaRegistryUrl = Annotated[str | None, _flag("schema_registry_url", "URL")]
AckTimeout = Annotated[str | None, _flag("ack_timeout_s", "SECONDS")]
Store = Annotated[str | None, _flag("store", "memory|rocksdb")]
Outlet = Annotated[str | None, _flag("outlet", "URL|DIR")]
SmsOutlet = Annotated[str | None, _flag("sms_outlet", "URL|DIR")]
Sender = Annotated[str | None, _flag("sender", "ADDRESS")]
Templates = Annotated[str | None, _flag("templates", "DIR")]
UnsubscribeBounces = Annotated[bool | None, _flag("unsubscribe_bounces", None)]
LogLevel = Annotated[str | None, _flag("log_level", "LEVEL")]

Orgid = Annotated[
    int, typer.Option("--orgid", metavar="N", min=1, max=2**53 - 1, help="The organisation.")
]
Mid = Annotated[int, typer.Option("--mid", metavar="N", min=1, max=2**53 - 1, help="The mailing.")]

# What leads to the log and lets its records be read: flags of every command that asks it something.
_TO_THE_LOG = {
    "config": Config,
    "bootstrap_servers": BootstrapServers,
    "topic_prefix": TopicPrefix,
    "schema_registry_url": SchemaRegistryUrl,
    "data_dir": DataDir,
}


def with_log(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the flags that lead to the log; `settings_of` reads them from its context."""

    @wraps(command)
    def without_flags(**given: Any) -> None:
        command(**{name: value for name, value in given.items() if name not in _TO_THE_LOG})

    own = inspect.signature(command, eval_str=True)
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=flag)
        for name, flag in _TO_THE_LOG.items()
    ]
    without_flags.__annotations__ = command.__annotations__ | _TO_THE_LOG
    without_flags.__signature__ = own.replace(parameters=[*own.parameters.values(), *flags])  # type: ignore[attr-defined]
    return without_flags


def settings_of(ctx: typer.Context) -> Settings:
    """Return the settings of this run: the command's flags come first."""
    return load(ctx.params, config=ctx.params.get("config"))


def client_of(ctx: typer.Context) -> SyncTriggerClient:
    """Return a client of the log for this run, which connects when it is entered."""
    from mailing_trigger.adapters import client_settings  # noqa: PLC0415 - help must not wait for it
    from producers.sync import SyncTriggerClient  # noqa: PLC0415 - as above

    return SyncTriggerClient(client_settings(settings_of(ctx)))
