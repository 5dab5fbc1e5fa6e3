"""Every topic, its settings and every size limit, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = "mailing.recipients"
ACKS = "mailing.acks"
SENDS = "mailing.sends"
STATE = "mailing.state"
DEAD_LETTERS = "mailing.dead-letters"
UNDELIVERED = "mailing.undelivered"
STATISTICS = "mailing.statistics"

# Part of the wire: the fold rejects a `reply_partition` outside it, so it can never be a setting.
ACK_PARTITIONS: Final = 8
DEFAULT_PARTITIONS = 4
# rid = (offset + 1) * 1024 + partition
MAX_PARTITIONS: Final = 1024

KIB = 1024
MIB = 1024 * KIB
MAX_EVENT_BYTES = 512 * KIB
MAX_CONTEXT_BYTES = 256 * KIB
MAX_ENTRIES = 100_000
MAX_BODY_BYTES = 32 * MIB
MAX_REQUEST_ID_CHARS = 64
MAX_PAGE = 1000
# Of one event: folded in some milliseconds, and of any content below MAX_EVENT_BYTES.
MAX_DRY_RUN_ENTRIES: Final = 500

# Above MAX_EVENT_BYTES, so that an oversized event of a foreign producer becomes a dead letter
# rather than that producer's riddle.
LOG_MESSAGE_BYTES = 1 * MIB
# A state record holds an event and a stored profile, a dead letter a whole event and its place.
EFFECT_MESSAGE_BYTES = 4 * LOG_MESSAGE_BYTES
# One acknowledgement record stays well below its topic's limit (an entry takes at most 16 bytes).
MAX_ACK_ENTRIES: Final = 5_000

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as `topics create` makes it; *partitions* None means: as many as the log."""

    name: str
    partitions: int | None
    config: Mapping[str, str] = field(default_factory=dict)


# Times are the broker's: rules that need one take the record's own, and the clock of whoever writes
# decides nothing. With Kafka's default a record from a clock that is ahead is refused, and one from
# a clock that is behind may be deleted before it is read.
_TIMES = {"message.timestamp.type": "LogAppendTime"}


def _deleted(days: int, max_bytes: int) -> dict[str, str]:
    return _TIMES | {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "max.message.bytes": str(max_bytes),
    }


TOPICS: tuple[Topic, ...] = (
    Topic(LOG, None, _deleted(30, LOG_MESSAGE_BYTES)),
    Topic(ACKS, ACK_PARTITIONS, _deleted(2, EFFECT_MESSAGE_BYTES)),
    Topic(SENDS, None, _deleted(7, EFFECT_MESSAGE_BYTES)),
    Topic(
        STATE,
        None,
        _TIMES
        | {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(14 * DAY_MS),
            # Without it, what an erasing wrote over would stay until a broker finds enough to do.
            "max.compaction.lag.ms": str(7 * DAY_MS),
            "max.message.bytes": str(EFFECT_MESSAGE_BYTES),
        },
    ),
    Topic(DEAD_LETTERS, None, _deleted(30, EFFECT_MESSAGE_BYTES)),
    Topic(UNDELIVERED, None, _deleted(30, EFFECT_MESSAGE_BYTES)),
    Topic(STATISTICS, None, _TIMES | {"cleanup.policy": "compact"}),
)
