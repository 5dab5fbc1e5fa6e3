"""What may have become of a letter; apart, for a command's help must not wait for more."""

from __future__ import annotations

from enum import StrEnum


class LetterState(StrEnum):
    """What became of a letter, as it is typed on a command line, too."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DROPPED = "dropped"
