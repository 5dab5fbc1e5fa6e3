"""What the command says when it cannot do what was asked.

CommandError        one readable line: cause and cure; exit status 1
├── SettingsError   a setting that is unknown, missing or malformed; exit status 2
└── NoBroker        a worker was started and no broker answers; exit status 69
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class CommandError(Exception):
    """The command cannot go on; the text is one line with cause and cure.

    *evidence* is shown above that line, such as the end of a log.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, line: str, *, evidence: Iterable[str] = ()) -> None:
        super().__init__(line)
        self.evidence = tuple(evidence)


class SettingsError(CommandError):
    """A setting is wrong; the text names it and where it came from."""

    exit_code: ClassVar[int] = 2


class NoBroker(CommandError):
    """A worker was started and no broker answers: a later start may find one."""

    exit_code: ClassVar[int] = 69  # EX_UNAVAILABLE of sysexits.h
