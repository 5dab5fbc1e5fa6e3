"""Our commands run in this process: there are many, and each would take a second to load."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

from mailing_trigger.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

Done = subprocess.CompletedProcess[str]


class Commands:
    """Runs commands with *env* above the environment."""

    def __init__(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        env: Mapping[str, str],
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    def run(self, *args: str, stdin: str = "") -> Done:
        """Run a command; return its exit status and what it said."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        status = main(args)
        said = self._capsys.readouterr()
        return Done(args, status, said.out, said.err)
