"""A small file system that can be full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = bytes(64 * 1024)


class SmallDisk:
    """A file system of a few megabytes at *path*."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(CHUNK)

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a file system in memory at *path* until the block ends; skip where that cannot be."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small disk is mounted, which only root may, on Linux")
    path.mkdir(parents=True)
    options = ("-o", f"size={megabytes}m,mode=700")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that was killed may not have let go of its files yet.
        subprocess.run(["umount", "-l", path], check=True)
