"""The fold of one partition: an event and the state so far give the next state and effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.errors import UnknownFraming, WireError
from schemas.records import ACKNOWLEDGEMENT, RECIPIENT_SEND, Outcome
from schemas.topics import MAX_ACK_ENTRIES
from schemas.varint import encode_long
from streams.core.changelog import dedup_keys, poison_state, seal
from streams.core.control import ControlFold
from streams.core.drain import drain
from streams.core.effects import DeadLetter, Effects
from streams.core.errors import StateError
from streams.core.events import Control, EventReader, Trigger
from streams.core.trigger import acknowledge, apply_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from schemas.framing import Framing
    from streams.core.effects import Replies
    from streams.core.partition import PartitionState

LogRecord = tuple[int, bytes | None, bytes | None, int]
"""(offset, key, value, log time in ms)"""


class Fold:
    """The fold of one partition's log over its state.

    `begin`, any number of `apply` and `drain`, `seal`: that is a transaction's worth of effects.
    `commit` keeps the oldest one, `rollback` undoes all that were not kept.
    """

    def __init__(self, state: PartitionState, framing: Framing) -> None:
        self.state = state
        self._reader = EventReader(framing)
        self._framing = framing
        self._control = ControlFold(state, Codec(framing))

    def learn_framing(self) -> None:
        """Look at the framing again, after it learnt a schema."""
        self._reader.learn()

    def begin(self) -> None:
        """Start a transaction."""
        self.state.begin()

    def apply(
        self, records: Iterable[LogRecord], effects: Effects, poison: Mapping[int, str]
    ) -> None:
        """Fold records in the order of the log; one below `applied` was folded before.

        *poison* names offsets that are dead letters for a reason the fold cannot see. A registry's
        schema id that is not known yet raises UnknownFraming; what came before it is folded.
        """
        state = self.state
        for offset, key, value, log_time_ms in records:
            if offset <= state.applied:
                continue
            event = None
            try:
                event = self._reader.read(value)
                _refuse_poison(offset, poison)
                if isinstance(event, Trigger):
                    apply_trigger(state, event, offset, key, effects)
                else:
                    self._control.apply(event.name, event.fields, (offset, log_time_ms), effects)
            except UnknownFraming as exc:
                if exc.schema_id is not None and offset not in poison:
                    raise
                self._bury(DeadLetter(offset, exc.reason, exc.detail, key, value), event, effects)
            except WireError as exc:
                self._bury(DeadLetter(offset, exc.reason, exc.detail, key, value), event, effects)
            except (MemoryError, OSError, StateError):
                # The machine's fault, not the event's: another try decides otherwise.
                raise
            except Exception as exc:  # noqa: BLE001 - one event must not stop those after it
                detail = f"the fold raised {type(exc).__name__}"
                self._bury(DeadLetter(offset, "FOLD_RAISED", detail, key, value), event, effects)
            state.applied = offset

    def drain(self, limit: int, effects: Effects) -> int:
        """Send at most *limit* messages of what was invoked; return how many."""
        return drain(self.state, limit, self._framing.prefixes[RECIPIENT_SEND], effects)

    def seal(self, effects: Effects) -> None:
        """End the transaction's effects with what it changed as a whole."""
        seal(self.state, effects)

    def commit(self) -> None:
        """Keep the oldest sealed transaction."""
        self.state.commit()

    def rollback(self) -> None:
        """Undo every transaction that was not kept."""
        self.state.rollback(dedup_keys)

    def _bury(self, letter: DeadLetter, event: Trigger | Control | None, effects: Effects) -> None:
        """Lay an event aside; whoever waits for it, as far as it could be read, is told."""
        effects.dead_letters.append(letter)
        effects.state.append(poison_state(letter.offset, letter.reason, letter.detail))
        if isinstance(event, Trigger):
            acknowledge(effects, event, Outcome.FAILED)
        elif event is not None:
            self._control.fail(event.fields, effects)


def _refuse_poison(offset: int, poison: Mapping[int, str]) -> None:
    if offset in poison:
        raise PoisonedEvent(poison[offset])


class PoisonedEvent(WireError):
    """An event that the world around the fold found impossible."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "the event's effects could not be produced")


def encode_acks(replies: Replies, framing: Framing) -> Iterator[tuple[int, bytes]]:
    """Return (reply partition, Acknowledgement) of the calls met, split by size."""
    frame = framing.prefixes[ACKNOWLEDGEMENT]
    for reply_partition, calls in replies.acks.items():
        parts: list[bytes] = []
        room = MAX_ACK_ENTRIES
        for request, entries in calls.items():
            if len(entries) == 1:
                parts.append(b"%b\x02%b\x00" % (request, entries[0]))
                room -= 1
            else:
                while len(entries) > room:
                    parts.append(_call_ack(request, entries[:room]))
                    yield reply_partition, _acknowledgement(frame, parts)
                    entries, parts, room = entries[room:], [], MAX_ACK_ENTRIES  # noqa: PLW2901
                parts.append(_call_ack(request, entries))
                room -= len(entries)
            if not room:
                yield reply_partition, _acknowledgement(frame, parts)
                parts, room = [], MAX_ACK_ENTRIES
        if parts:
            yield reply_partition, _acknowledgement(frame, parts)


def _acknowledgement(frame: bytes, calls: list[bytes]) -> bytes:
    return b"%b%b%b\x00" % (frame, encode_long(len(calls)), b"".join(calls))


def _call_ack(request: bytes, entries: list[bytes]) -> bytes:
    return b"%b%b%b\x00" % (request, encode_long(len(entries)), b"".join(entries))
