"""Bugs in what is done with mailings, recipients, calls under a key, and drains in slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.records import MAILING_SWITCHED, ControlOutcome, MailingPhase, Status
from streams.core import control, messages, recipient_change, trigger
from streams.core.call_table import CallTable
from streams.core.control import ControlFold
from streams.core.partition import PartitionState
from streams.core.recipient_change import RecipientFold
from streams.core.recipients import head_of
from streams.core.restore import Restore
from tests.history.mutant import known_to

if TYPE_CHECKING:
    from tests.history.mutant import Mutant

MUTANTS: dict[str, Mutant] = {}
_mutant = known_to(MUTANTS)
_TAKES = frozenset({MailingPhase.ACTIVE, MailingPhase.SUSPENDED})


@_mutant("a suspended mailing is invoked, by request and by its timer")
def _mails_what_is_suspended() -> None:
    def may_invoke(mailing: Any) -> ControlOutcome:
        if mailing is None:
            return ControlOutcome.UNKNOWN_MAILING
        return ControlOutcome.DONE if mailing.state in _TAKES else ControlOutcome.WRONG_STATE

    def waiting(self: Any) -> list[Any]:
        return [
            mailing
            for orgid, mid, invocation in self.queues
            if (mailing := self.mailings[orgid, mid]).invocation + 1 == invocation
            and mailing.interval_s
            and mailing.state in _TAKES
        ]

    control._may_invoke = may_invoke
    PartitionState.waiting = waiting  # type: ignore[method-assign]


@_mutant("a closed mailing takes triggers")
def _triggers_what_is_closed() -> None:
    trigger.TAKES_TRIGGERS = frozenset(MailingPhase)  # type: ignore[misc]


@_mutant("a switch does not reach the last partition")
def _switches_all_but_one() -> None:
    copy = ControlFold._copy

    def copying(self: Any, name: str, event: Any, revision: int, effects: Any) -> None:
        copy(self, name, event, revision, effects)
        if name == MAILING_SWITCHED and effects.replies.copies:
            effects.replies.copies.pop()

    ControlFold._copy = copying  # type: ignore[method-assign]


@_mutant("any step is legal, also out of a closed mailing")
def _opens_what_was_closed() -> None:
    control.may_step = lambda *_: True


@_mutant("an unsubscription does not take back what waits")
def _leaves_what_waits() -> None:
    recipient_change.suppress = lambda *_: None


@_mutant("an opt-out of SMS does not reach messages that wait")
def _texts_what_waits() -> None:
    recipient_change.take_sms_out = lambda *_: None


@_mutant("an SMS goes to whoever has a number")
def _texts_everybody() -> None:
    messages._takes_sms = lambda stored: _profile_of(stored)["smsContact"] is not None


def _profile_of(stored: bytes) -> dict[str, Any]:
    length, at = messages.decode_long(stored, 0)
    return messages.fields_of_profile(stored[at + length :])


@_mutant("a trigger that says so subscribes again who unsubscribed")
def _subscribes_by_trigger() -> None:
    add = trigger._add

    def adding(state: Any, mailing: Any, event: Any, offset: int, found: bytes) -> Any:
        subscribes = event.head.status == Status.SUBSCRIBED
        trigger.head_of = _always_subscribed if subscribes else head_of
        return add(state, mailing, event, offset, found)

    trigger._add = adding


def _always_subscribed(found: bytes) -> tuple[int, int]:
    return head_of(found)[0], int(Status.SUBSCRIBED)


@_mutant("the first read after a change shows what was stored before it")
def _reads_what_was() -> None:
    change, answer = RecipientFold._change, RecipientFold._answer
    before: dict[int, bytes] = {}

    def changing(self: Any, event: Any, key: bytes, found: bytes, *more: Any) -> None:
        before[head_of(found)[0]] = found
        change(self, event, key, found, *more)

    def answering(self: Any, event: Any, outcome: Any, recipient: bytes = b"") -> None:
        is_read = "status" not in event
        if recipient and is_read:
            recipient = before.pop(head_of(recipient)[0], recipient)
        answer(self, event, outcome, recipient)

    RecipientFold._change = changing  # type: ignore[method-assign]
    RecipientFold._answer = answering  # type: ignore[method-assign]


@_mutant("what a key was used for is forgotten when its partition moves", "kill worker")
def _forgets_keys() -> None:
    CallTable.load = lambda *_: None  # type: ignore[method-assign]


@_mutant("an entry that is made again under its key is judged again")
def _judges_again() -> None:
    CallTable.remember = lambda *_: None  # type: ignore[method-assign]


@_mutant(
    "after a takeover a drain begins again at its beginning",
    "kill between two slices of an invocation",
)
def _drains_from_the_beginning() -> None:
    keep = Restore._keep

    def keeping(self: Any, records: Any) -> None:
        keep(
            self, [(key, value) for key, value in records if value is not None or key[:2] != b"p:"]
        )

    Restore._keep = keeping  # type: ignore[method-assign]
