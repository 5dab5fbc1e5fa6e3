"""Every setting: flag, then environment, then one TOML file, then the default.

Our variables are read here alone, but for those of `faust -A streams.worker.app`, which takes none
of our flags.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from mailing_trigger import kafka_settings, values
from mailing_trigger.errors import SettingsError
from mailing_trigger.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


PREFIX = "MAILING_TRIGGER_"
CONFIG_FILE = "mailing-trigger.toml"
CONFIG_VARIABLE = PREFIX + "CONFIG"
KAFKA_PREFIX = PREFIX + "KAFKA_"
KAFKA_TABLE = "kafka"
STORES = ("memory", "rocksdb")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class About:
    """What a setting is for, how its value is read, and its default in words where it has one."""

    read: Callable[[object], Any]
    text: str
    shown: str = ""


def _data_home() -> Path:
    """Return where data lies unless told otherwise: XDG_DATA_HOME/mailing-trigger."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "mailing-trigger"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """What a command works with; built once, passed inward."""

    bootstrap_servers: Annotated[
        str, About(values.text, "Kafka to use, `HOST:PORT,…`", "the one that `up` runs on data_dir")
    ] = ""
    topic_prefix: Annotated[str, About(values.text, "put in front of every topic's name")] = ""
    partitions: Annotated[
        int, About(values.whole(1, 1024), "partitions of the log, fixed once the topics exist")
    ] = 4
    replication: Annotated[int, About(values.whole(1, 9), "replicas of each new topic")] = 1
    data_dir: Annotated[
        Path,
        About(
            values.path,
            "data and logs of `up`, databases of `worker`",
            "`~/.local/share/mailing-trigger`",
        ),
    ] = field(default_factory=_data_home)
    jars: Annotated[
        Path | None,
        About(values.path, "folder of Kafka's jars, to need no network", "none: fetched once"),
    ] = None
    host: Annotated[str, About(values.text, "address the bridge listens on")] = "127.0.0.1"
    port: Annotated[int, About(values.whole(1, 65535), "port the bridge listens on")] = 8080
    processes: Annotated[
        int | None,
        About(
            values.whole(1, 1024),
            "processes: workers, or what compares a partition each",
            "cores for `worker` and `verify`, 1 for `up`",
        ),
    ] = None
    credentials: Annotated[
        Path | None, About(values.path, "file of users, see `mailing-trigger credentials`")
    ] = None
    insecure: Annotated[
        bool, About(values.yes_or_no, "answer anybody on any address, without credentials")
    ] = False
    schema_registry_url: Annotated[
        str | None, About(values.text, "schema registry; switches to Confluent framing")
    ] = None
    ack_timeout_s: Annotated[
        float, About(values.seconds(0.1, 300), "seconds until a call without an answer is a 504")
    ] = 5.0
    group: Annotated[
        str,
        About(values.text, "consumer group of the workers; empty: topic_prefix + mailing-trigger"),
    ] = ""
    session_timeout_s: Annotated[
        float, About(values.seconds(1, 300), "seconds until a dead worker's partitions move")
    ] = 6.0
    store: Annotated[
        str,
        About(
            values.one_of(*STORES), "what keeps the recipients: `memory`, or `rocksdb` in data_dir"
        ),
    ] = STORES[0]
    outlet: Annotated[
        str, About(values.text, "where mails leave: `smtp://HOST:PORT`, a URL of http(s), a folder")
    ] = ""
    sms_outlet: Annotated[
        str, About(values.text, "where text messages leave: a URL of http(s), a folder")
    ] = ""
    sender: Annotated[str, About(values.text, "whom mails are from: `Shop <shop@example.com>`")] = (
        ""
    )
    templates: Annotated[
        Path | None,
        About(values.path, "folder of templates, `ORGID/MID/subject.txt` and so on", "built in"),
    ] = None
    smtp_user: Annotated[str, About(values.text, "login at the mail server")] = ""
    smtp_password: Annotated[str, About(values.text, "its password; there is no flag for it")] = ""
    webhook_token: Annotated[
        str, About(values.text, "bearer token for outlets of http(s); there is no flag for it")
    ] = ""
    deliver_group: Annotated[
        str,
        About(
            values.text,
            "consumer group of `deliver`; empty: topic_prefix + mailing-trigger-deliver",
        ),
    ] = ""
    unsubscribe_bounces: Annotated[
        bool,
        About(values.yes_or_no, "unsubscribe whose address the mail server refuses for good"),
    ] = False
    log_level: Annotated[
        str, About(values.one_of(*LEVELS), "`DEBUG` (tracebacks too), `INFO`, `WARNING`, `ERROR`")
    ] = "INFO"
    kafka: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Show every value but secrets, which are `***`."""
        shown = (f"{f.name}={masked(f.name, getattr(self, f.name))!r}" for f in fields(self))
        return f"Settings({', '.join(shown)})"


ABOUT: Mapping[str, About] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Settings, include_extras=True).items()
    if name != KAFKA_TABLE
}


def variable(name: str) -> str:
    """Return the environment variable of the setting *name*."""
    return PREFIX + name.upper()


def load(
    flags: Mapping[str, object],
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of this run; a flag that is None was not given.

    *environ* is the process's own unless a test hands in another.
    """
    env = os.environ if environ is None else environ
    table, source = _read_config(config, env)
    chosen: dict[str, Any] = {}
    for name, about in ABOUT.items():
        for value, origin in (
            (flags.get(name), f"--{name.replace('_', '-')}"),
            (env.get(variable(name)), variable(name)),
            (table.get(name), f"{name} in {source}"),
        ):
            if value is not None and value != "":
                chosen[name] = _read(about.read, value, origin)
                break
    chosen[KAFKA_TABLE] = kafka_settings.merged(
        table.get(KAFKA_TABLE, {}), env, prefix=KAFKA_PREFIX, source=source
    )
    return Settings(**chosen)


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a child of ours has exactly these *settings*."""
    env = {name: value for name, value in os.environ.items() if name not in _variables(os.environ)}
    env[CONFIG_VARIABLE] = os.devnull  # or the child would read a file that was overruled
    for name in ABOUT:
        value = getattr(settings, name)
        if value is not None and value != "":
            env[variable(name)] = values.written(value)
    for name, value in settings.kafka.items():
        env[KAFKA_PREFIX + name.upper().replace(".", "_")] = value
    return env


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables that look like settings and are none, such as a misspelt one."""
    env = os.environ if environ is None else environ
    ours = {name for name in env if name.startswith(PREFIX)}
    return sorted(ours - _variables(env) - {CONFIG_VARIABLE})


def debug_wanted() -> bool:
    """Return whether tracebacks are to be shown; asked when settings may not have been read."""
    return os.environ.get(variable("log_level"), "").upper() == "DEBUG"


def _variables(env: Mapping[str, str]) -> set[str]:
    return {variable(name) for name in ABOUT} | kafka_settings.variables(env, prefix=KAFKA_PREFIX)


def _read_config(config: Path | None, env: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    named = config or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    path = named or Path(CONFIG_FILE)
    if named is None and not path.is_file():
        return {}, ""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(f"settings file {path}: {exc.strerror}") from None
    except ValueError as exc:
        raise SettingsError(f"settings file {path} is not TOML: {exc}") from None
    unknown = sorted(set(table) - {*ABOUT, KAFKA_TABLE})
    if unknown:
        raise SettingsError(
            f"settings file {path} has unknown settings: {', '.join(unknown)}; "
            f"known are {', '.join(ABOUT)} and the table [{KAFKA_TABLE}]"
        )
    return table, str(path)


def _read(read: Callable[[object], Any], value: object, origin: str) -> Any:
    try:
        return read(value)
    except ValueError as exc:
        raise SettingsError(f"{origin}: {exc}") from None
