"""How to reach a secured Kafka: librdkafka's own property names, from TOML and environment.

Only what concerns security and the connection: the rest is ours, because exactly-once needs it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing_trigger.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALLOWED = ("security.protocol", "sasl.", "ssl.", "enable.ssl.", "client.dns.lookup")


def merged(table: object, env: Mapping[str, str], *, prefix: str, source: str) -> dict[str, str]:
    """Return the properties of *table*, overruled by variables such as PREFIX + SASL_PASSWORD."""
    if not isinstance(table, dict):
        raise SettingsError(f"kafka in {source} is a table: write [kafka]")
    unknown = sorted(name for name in table if not _allowed(name))
    if unknown:
        raise SettingsError(
            f"the table [kafka] in {source} has unknown settings: {', '.join(unknown)}; "
            'it takes librdkafka\'s names in quotes: "security.protocol", "sasl.…", "ssl.…"'
        )
    wrong = sorted(name for name, value in table.items() if not isinstance(value, str | int | bool))
    if wrong:
        raise SettingsError(
            f"the table [kafka] in {source}: {', '.join(wrong)} must be text; "
            'put the name in quotes, as in "sasl.username" = "…"'
        )
    from_file = {name: _text(value) for name, value in table.items()}
    from_env = {_property(name, prefix): env[name] for name in variables(env, prefix=prefix)}
    return from_file | {name: value for name, value in from_env.items() if value}


def variables(env: Mapping[str, str], *, prefix: str) -> set[str]:
    """Return the variables of *env* that are properties of the connection."""
    return {name for name in env if name.startswith(prefix) and _allowed(_property(name, prefix))}


def _property(variable: str, prefix: str) -> str:
    return variable.removeprefix(prefix).lower().replace("_", ".")


def _allowed(name: str) -> bool:
    return name.startswith(ALLOWED)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
