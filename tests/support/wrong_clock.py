"""Processes whose wall clock is wrong, and changes while they run."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
WIDTH = 8


class WrongClock:
    """A wall clock that `shift` sets; processes started with `environment` have it."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or compiler is None:
            pytest.skip("the clock is shifted by a library for glibc, which needs a C compiler")
        self._library = directory / "wrong_clock.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE, "-ldl"], check=True
        )
        self._file = directory / "shift"
        self.shift(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_SHIFT_FILE": str(self._file)}

    def shift(self, seconds: int) -> None:
        """Let the clock be *seconds* ahead from now on; in place, for the file is mapped."""
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:
            file.write(seconds.to_bytes(WIDTH, sys.byteorder, signed=True))
