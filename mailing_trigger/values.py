"""Readers of single values, from text (flag, environment) or from TOML's own types alike.

Each raises ValueError with what it wants; the value itself is not repeated unless it is harmless.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def text(value: object) -> str:
    """Return *value* when it is text."""
    if isinstance(value, str):
        return value
    raise ValueError(f"text is wanted, not {type(value).__name__}")


def path(value: object) -> Path:
    """Return the absolute path, with `~` resolved."""
    return Path(value if isinstance(value, Path) else text(value)).expanduser().absolute()


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers from *low* to *high*."""

    def read(value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{_short(value)} is not a whole number from {low} to {high}")
        return value

    return read


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Return a reader of durations in seconds from *low* to *high*."""

    def read(value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) else float("nan")
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"{_short(value)} is not a number of seconds from {low} to {high}")
        return number

    return read


def yes_or_no(value: object) -> bool:
    """Return the truth of `true`, `yes`, `on`, `1` and their opposites."""
    word = str(value).lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError(f"{_short(value)} is neither true nor false")


def one_of(*words: str) -> Callable[[object], str]:
    """Return a reader of one of *words*, in any case."""

    def read(value: object) -> str:
        for word in words:
            if word.upper() == str(value).upper():
                return word
        raise ValueError(f"{_short(value)} is none of {', '.join(words)}")

    return read


def written(value: object) -> str:
    """Return *value* as an environment variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
