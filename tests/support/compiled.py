"""Modules that are compiled: an old one beside a new source would be the one that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def outdated(root: Path) -> Iterator[Path]:
    """Yield the sources in *root* that are newer than what they were compiled to."""
    for package in ("schemas", "streams", "producers"):
        for built in (root / package).rglob("*.so"):
            source = built.with_name(built.name.partition(".")[0] + ".py")
            if source.exists() and source.stat().st_mtime > built.stat().st_mtime:
                yield source.relative_to(root)
