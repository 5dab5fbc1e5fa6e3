"""The fold of one partition: an event and the state so far give the next state and effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.errors import UnknownFraming, WireError
from schemas.records import (
    ACKNOWLEDGEMENT,
    CALL_BEGUN,
    DRY_RUN_QUERIED,
    RECIPIENT_SEND,
    Outcome,
)
from streams.core.calls import CallFold
from streams.core.changelog import dedup_keys, poison_state, seal
from streams.core.control import ControlFold
from streams.core.drain import drain
from streams.core.dry_run import DryRunFold
from streams.core.effects import DeadLetter, Effects
from streams.core.errors import StateError
from streams.core.events import Control, EventReader, Once, Trigger
from streams.core.recipient_change import RecipientFold
from streams.core.runs import fold_run
from streams.core.statistic_rows import report
from streams.core.trigger import acknowledge, apply_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.framing import Framing
    from streams.core.effects import Replies
    from streams.core.partition import MailingId, PartitionState

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
        self._codec = Codec(framing)
        self._control = ControlFold(state, self._codec)
        self._recipients = RecipientFold(state, self._codec)
        self._calls = CallFold(state, self._codec)
        self._dry_runs = DryRunFold(state, self._codec)

    def learn_framing(self) -> None:
        """Look at the framing again, after it learnt a schema."""
        self._reader.learn()

    def begin(self) -> None:
        """Start a transaction."""
        self.state.begin()

    def apply(self, records: list[LogRecord], effects: Effects, poison: Mapping[int, str]) -> None:
        """Fold records in the order of the log; one below `applied` was folded before.

        *poison* names offsets that are dead letters for a reason the fold cannot see. A registry's
        schema id that is not known yet raises UnknownFraming; what came before it is folded.
        """
        state = self.state
        index = 0
        while index < len(records):
            offset, key, value, log_time_ms = records[index]
            if offset <= state.applied:
                index += 1
                continue
            if not poison and (frame := self._reader.frame_of_trigger(value)):
                after = fold_run(state, frame, records, index, effects)
                if after > index:
                    index = after
                    continue
            index += 1
            event = None
            try:
                event = self._reader.read(value)
                _refuse_poison(offset, poison)
                if isinstance(event, Trigger):
                    judged = apply_trigger(state, event, (offset, log_time_ms), key, effects)
                    acknowledge(effects, event, *judged)
                elif isinstance(event, Once):
                    self._calls.apply_once(event, key, (offset, log_time_ms), effects)
                elif event.of_a_recipient:
                    self._recipients.apply(event.name, event.fields, key, log_time_ms, effects)
                elif event.name == CALL_BEGUN:
                    self._calls.begin(event.fields, key, (offset, log_time_ms), effects)
                elif event.name == DRY_RUN_QUERIED:
                    self._dry_runs.apply(event.fields, log_time_ms, effects)
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
        if records and records[-1][0] == state.applied:
            state.applied_at = records[-1][3]

    def drain(self, limit: int, effects: Effects) -> int:
        """Send at most *limit* messages of what was invoked; return how many."""
        return drain(self.state, limit, self._framing.prefixes[RECIPIENT_SEND], effects)

    def report(self, idents: Iterable[MailingId], effects: Effects) -> None:
        """Add the statistics of these mailings as they are after this transaction."""
        report(self.state, self._codec, idents, effects)

    def seal(self, effects: Effects) -> None:
        """End the transaction's effects with what it changed as a whole."""
        seal(self.state, effects)

    def commit(self) -> None:
        """Keep the oldest sealed transaction."""
        self.state.commit()

    def rollback(self) -> None:
        """Undo every transaction that was not kept."""
        self.state.rollback(dedup_keys)

    def _bury(
        self, letter: DeadLetter, event: Trigger | Once | Control | None, effects: Effects
    ) -> None:
        """Lay an event aside; whoever waits for it, as far as it could be read, is told."""
        effects.dead_letters.append(letter)
        effects.state.append(poison_state(letter.offset, letter.reason, letter.detail))
        if isinstance(event, Trigger):
            acknowledge(effects, event, Outcome.FAILED)
        elif isinstance(event, Once):
            acknowledge(effects, event.trigger, Outcome.FAILED)
        elif event is not None and event.name == CALL_BEGUN:
            self._calls.fail(event.fields, effects)
        elif event is not None and event.name == DRY_RUN_QUERIED:
            self._dry_runs.fail(event.fields, effects)
        elif event is not None:
            fold = self._recipients if event.of_a_recipient else self._control
            fold.fail(event.fields, effects)


def _refuse_poison(offset: int, poison: Mapping[int, str]) -> None:
    if offset in poison:
        raise PoisonedEvent(poison[offset])


class PoisonedEvent(WireError):
    """An event that the world around the fold found impossible."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "the event's effects could not be produced")


def encode_acks(replies: Replies, framing: Framing) -> list[tuple[int, bytes]]:
    """Return (reply partition, Acknowledgement) of all that were given."""
    frame = framing.prefixes[ACKNOWLEDGEMENT]
    return [
        (partition, frame + body)
        for partition, acks in replies.acks.items()
        for body in acks.bodies()
    ]
