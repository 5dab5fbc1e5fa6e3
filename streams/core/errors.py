"""What can be wrong with a partition's state.

StateError
└── NewerState  a newer release wrote it
"""

from __future__ import annotations


class StateError(Exception):
    """The state of a partition cannot be used; the message names the cause and the cure."""


class NewerState(StateError):
    """A newer release, with other rules, wrote this state."""

    def __init__(self, partition: int, version: int, ours: int) -> None:
        super().__init__(
            f"partition {partition} was written by fold version {version}, this worker knows "
            f"{ours}: run a release at least as new on every worker"
        )
