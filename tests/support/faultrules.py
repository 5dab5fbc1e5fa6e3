"""What a proxy may do to connections, and to single requests by their kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto


class Api(IntEnum):
    """Kafka's numbers of the requests that tests spoil."""

    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    INIT_PRODUCER_ID = 22
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Do(Enum):
    """What becomes of a request that a rule is about."""

    # The broker does it, and the connection ends before the client hears so.
    LOSE_ANSWER = auto()
    DELAY_ANSWER = auto()
    # The broker does it, and its answer says that another one coordinates the group.
    WRONG_COORDINATOR = auto()
    # The broker does it, and its answer names no broker at all.
    NO_BROKERS = auto()
    # It never reaches the broker; the connection stays.
    DROP = auto()
    # The connection ends at once, and the broker gets the request when `deliver_strays` says so.
    STRAY = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """*do* it to each *every*-th request of *api*, at most *times* of them."""

    api: Api
    do: Do
    every: int = 1
    times: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """What the line between clients and broker is like; the default does no harm.

    A direction that is held passes nothing and loses nothing, as a network that will heal.
    *cut_after* is in bytes to the client, of each connection, from when it was asked for.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    hold_up: bool = False
    hold_down: bool = False
    slice_bytes: int = 0
    cut_after: int | None = None
    refuse: bool = False
