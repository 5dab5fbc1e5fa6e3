"""The address of the broker that `up` runs, for commands typed beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "bootstrap-servers"


def remember(data_dir: Path, bootstrap_servers: str) -> None:
    """Note that a broker runs on *data_dir*."""
    (data_dir / FILE).write_text(f"{bootstrap_servers}\n", encoding="utf-8")


def forget(data_dir: Path) -> None:
    """Note that it has been stopped."""
    (data_dir / FILE).unlink(missing_ok=True)


def address(data_dir: Path) -> str | None:
    """Return the address noted; after a crash nobody may be there."""
    try:
        return (data_dir / FILE).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
