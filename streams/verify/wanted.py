"""What callers have to be told, as the log says it, in the form in which it is looked for.

Compiled where there is a C compiler: every event and every answer passes here.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.verify.consequences import Ack, Answer, Dead, PersonAnswer
from streams.verify.mailing import SHOWN
from streams.verify.people import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.verify.records import Record

OUTCOMES: Final = (
    "FAILED",
    "CREATED",
    "KNOWN",
    "DUPLICATE",
    "SUPPRESSED",
    "UNKNOWN_RECIPIENT",
    "EMAIL_MISMATCH",
    "UNKNOWN_MAILING",
    "MAILING_CLOSED",
    "NOT_TRIGGERED",
    "an answer to a control event",
    "an answer about a recipient",
)
PLACES: Final = {outcome: place for place, outcome in enumerate(OUTCOMES)}
FAILED: Final = 0
CONTROL: Final = len(OUTCOMES) - 2
PERSON: Final = len(OUTCOMES) - 1
_CALL_BYTES: Final = 12


class Repeat(NamedTuple):
    """Stands for a control event that may be a repeat of one that was deleted."""


Doubt = Ack | Answer | PersonAnswer | Dead | Repeat
Wanted = tuple[bytes, int, int, int, int, int, bool, Doubt | None]
"""(the entry's name, partition and offset of its event, reply partition, outcome's place among the
outcomes, rid or digest, whether an answer is required, what it may be where that is not sure)

A plain tuple: one an event goes from process to process.
"""


class Names:
    """Names of entries and control events: a digest of the call, and the place in it."""

    def __init__(self) -> None:
        self._reply, self._request_id, self._call = -1, "", b""

    def of(self, reply: int, request_id: str, index: int) -> bytes:
        """Return the name of an entry of a call; its neighbour's is known, so it costs less."""
        if request_id != self._request_id or reply != self._reply:
            name = b"%d:%b" % (reply, request_id.encode())
            self._call = blake2b(name, digest_size=_CALL_BYTES).digest()
            self._reply, self._request_id = reply, request_id
        return self._call + b"%d" % index

    def of_control(self, reply: int, request_id: str, partition: int) -> bytes:
        """Return the name of a control event of *partition*."""
        return self.of(reply, request_id, -1 - partition)


class Asks:
    """Says what has to be there for the events of *partition*, and hands it on."""

    def __init__(self, partition: int, hand_on: Callable[[Wanted], None]) -> None:
        self._partition, self._hand_on = partition, hand_on
        self._names = Names()

    def expect(
        self, offset: int, out: Ack | Answer | PersonAnswer | Dead, *, required: bool
    ) -> None:
        """Ask for the answer of the event at *offset*."""
        reply, request_id = out.reply_partition, out.request_id
        if isinstance(out, Ack):
            name = self._names.of(reply, request_id, out.entry)
            place = PLACES[out.outcome or "KNOWN"]
            doubt = out if out.outcome is None else None
            self._ask(name, offset, reply, place, out.rid, required, doubt)
        elif isinstance(out, PersonAnswer):
            name = self._names.of(reply, request_id, out.entry)
            number = digest_of_person(out.outcome, out.shows)
            self._ask(name, offset, reply, PERSON, number, required, None if out.sure else out)
        elif isinstance(out, Answer):
            name = self._names.of_control(reply, request_id, self._partition)
            number = digest_of_told(out.outcome, out.revision, out.messages, out.shown)
            self._ask(name, offset, reply, CONTROL, number, required, None if out.sure else out)
        else:
            # Who waits may be told, and need not be.
            name = self._names.of(reply, request_id, out.entry)
            self._ask(name, offset, reply, FAILED, 0, False, out)
            name = self._names.of_control(reply, request_id, self._partition)
            self._ask(name, offset, reply, FAILED, 0, False, out)

    def expect_perhaps(self, offset: int, event: Record) -> None:
        """Ask for the answer of a control event that may be a repeat of one that was deleted."""
        reply = event["reply_partition"]
        name = self._names.of_control(reply, event["request_id"], self._partition)
        self._ask(name, offset, reply, CONTROL, 0, False, Repeat())

    def _ask(
        self,
        name: bytes,
        offset: int,
        reply: int,
        place: int,
        number: int,
        required: bool,
        doubt: Doubt | None,
    ) -> None:
        self._hand_on((name, self._partition, offset, reply, place, number, required, doubt))


def digest_of_answer(name: str, record: Record) -> int:
    """Return what tells the answer to a control or query event from any other."""
    if name == "CallAnswer":
        return digest_of_told(record["outcome"], record["call"], record["begun_at"], ())
    if name == "DryRunAnswer":
        entries = tuple((each["index"], each["rid"], each["outcome"]) for each in record["entries"])
        return digest_of_told(record["outcome"], 0, 0, entries)
    if name == "PendingAnswer":
        waits = tuple((message["offset"], message["rid"]) for message in record["messages"])
        return digest_of_told(record["outcome"], 0, 0, waits)
    shown = tuple(tuple(mailing[each] for each in SHOWN) for mailing in record["mailings"])
    return digest_of_told(record["outcome"], record["revision"], record["messages"], shown)


def digest_of_told(outcome: str, revision: int, messages: int, shown: object) -> int:
    """Return the same of what an answer has to say."""
    return _digest({"outcome": outcome, "numbers": (revision, messages), "shown": shown})


def digest_of_person(outcome: str, shows: Record) -> int:
    """Return what tells an answer about a recipient from any other."""
    return _digest({"outcome": outcome, "shows": shows})


def _digest(told: Record) -> int:
    return int.from_bytes(blake2b(packed(told), digest_size=7).digest(), "big")
