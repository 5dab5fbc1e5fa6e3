"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's; *cure* says what to do unless all is well."""

    level: Level
    what: str
    found: str
    cure: str = ""

    def line(self) -> str:
        """Return the finding as it is printed."""
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.level:<5} {self.what:<10} {self.found}{cure}"


def ok(what: str, found: str) -> Finding:
    return Finding(Level.OK, what, found)


def warn(what: str, found: str, cure: str) -> Finding:
    return Finding(Level.WARN, what, found, cure)


def fail(what: str, found: str, cure: str) -> Finding:
    return Finding(Level.FAIL, what, found, cure)


def cause_and_cure(sentence: str) -> tuple[str, str]:
    """Return the two halves of one of our one-line errors."""
    cause, _, cure = sentence.partition(": ")
    return cause, cure or "the cause says it"
