"""One partition folded in memory: what went in, what came out, what is left."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.caps import COUNTS_MS
from schemas.framing import Framing
from schemas.ids import mailing_key, recipient_key
from schemas.partition import partition_for
from schemas.records import ACKNOWLEDGEMENT, RECIPIENT_ANSWER, Channel, Outcome
from streams.core.effects import Effects
from streams.core.messages import sends_of
from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.core.transition import Fold, encode_acks
from streams.store.memory import MemoryRecipients
from tests.support.events import CODEC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from streams.core.effects import DeadLetter, Replies
    from streams.core.queues import Queue
    from streams.core.transition import LogRecord

PARTITIONS = 4
# The partition under test is the home of mailing 1 of organisation 2.
HOME = partition_for(mailing_key(2, 1), PARTITIONS)
TOPIC_ID = "topic-uuid"
FRAMING = Framing()

ChangelogRecord = tuple[bytes, bytes | None]


def lives_here(email: str, orgid: int = 2) -> bool:
    """Whether an address is at home in the partition under test."""
    return partition_for(recipient_key(orgid, email), PARTITIONS) == HOME


def at_home(*emails: str, orgids: Collection[int] = (2,)) -> list[str]:
    """The addresses, all with the first tag that brings them home in each of *orgids*."""
    for tag in count():
        tagged = [email.replace("@", f"+{tag}@") for email in emails]
        if all(lives_here(email, orgid) for email in tagged for orgid in orgids):
            break
    return tagged


class Ack(NamedTuple):
    """One entry of an acknowledgement record."""

    reply_partition: int
    request_id: str
    entry: int
    rid: int
    outcome: Outcome


@dataclass
class Output:
    """Everything a fold asked for, each kind in its order; *shown* are answers about recipients."""

    acks: list[Ack] = field(default_factory=list)
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    shown: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    copies: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    sends: list[tuple[bytes, bytes]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    changelog: list[ChangelogRecord] = field(default_factory=list)

    def take(self, effects: Effects) -> None:
        """Add what one transaction asked for."""
        replies = effects.take_replies()
        self.acks += acks_of(replies)
        for to, value in replies.answers:
            name, answer = CODEC.decode(value)
            if name != RECIPIENT_ANSWER:
                self.answers.append((to, answer))
                continue
            if answer["recipient"]:
                answer["recipient"] = CODEC.decode(answer["recipient"])[1]
            self.shown.append((to, answer))
        self.copies += replies.copies
        self.sends += effects.sends
        self.dead_letters += effects.dead_letters
        self.changelog += effects.state

    def calls(self) -> dict[tuple[int, str], list[Ack]]:
        """Each call's entries in order: calls may be interleaved in any way."""
        calls: dict[tuple[int, str], list[Ack]] = {}
        for ack in self.acks:
            calls.setdefault((ack.reply_partition, ack.request_id), []).append(ack)
        return calls


class Partition:
    """A state, its fold, and all that came out of it."""

    def __init__(self, state: PartitionState | None = None, *, framing: Framing = FRAMING) -> None:
        self.state = state or PartitionState(
            HOME, PARTITIONS, MemoryRecipients(), topic_id=TOPIC_ID
        )
        self.fold = Fold(self.state, framing)
        self.output = Output()

    def step(
        self,
        records: Iterable[LogRecord] = (),
        *,
        drain: int = 0,
        poison: Mapping[int, str] | None = None,
    ) -> Effects:
        """Fold one transaction, seal it and leave it open; its effects are not in `output`."""
        effects = Effects()
        self.fold.begin()
        self.fold.apply(records, effects, poison or {})
        self.fold.drain(drain, effects)
        self.fold.seal(effects)
        return effects

    def run(
        self,
        records: Iterable[LogRecord] = (),
        *,
        drain: int = 0,
        poison: Mapping[int, str] | None = None,
    ) -> Partition:
        """Fold one transaction and keep it."""
        effects = self.step(records, drain=drain, poison=poison)
        self.fold.commit()
        self.output.take(effects)
        return self

    def drain_all(self, *, slice_size: int = 1000) -> Partition:
        """Send all that was invoked."""
        while self.state.drains:
            self.run(drain=slice_size)
        return self

    def sends(self) -> list[dict[str, Any]]:
        """The sends so far, decoded."""
        return [CODEC.decode(value)[1] for _, value in self.output.sends]

    def shown(self) -> list[tuple[str, dict[str, Any]]]:
        """(outcome, recipient) of each answer about one so far."""
        return [(answer["outcome"], answer["recipient"]) for _, answer in self.output.shown]

    def outcomes(self) -> list[tuple[int, Outcome]]:
        """(rid, outcome) of each acknowledged entry so far."""
        return [(ack.rid, ack.outcome) for ack in self.output.acks]


def none_is_ordinary(
    _state: PartitionState, _frame: int, _records: Sequence[LogRecord], start: int, _: Effects
) -> int:
    """In the place of `fold_run`: leaves everything to the plain fold."""
    return start


def acks_of(replies: Replies) -> list[Ack]:
    """The acknowledgements as their readers see them."""
    return [
        Ack(to, call["request_id"], entry["index"], entry["rid"], Outcome[entry["outcome"]])
        for to, value in encode_acks(replies, FRAMING)
        for name, record in [CODEC.decode(value)]
        if name == ACKNOWLEDGEMENT
        for call in record["calls"]
        for entry in call["entries"]
    ]


def rebuilt(changelog: Iterable[ChangelogRecord]) -> Partition:
    """A partition restored from its changelog."""
    state = PartitionState(HOME, PARTITIONS, MemoryRecipients(), topic_id=TOPIC_ID)
    restore = Restore(state)
    records = list(changelog)
    for start in range(0, len(records), 5):
        restore.take(records[start : start + 5])
    restore.finish(0)
    return Partition(state)


def dump(state: PartitionState, *, with_seq: bool = True) -> dict[str, object]:
    """All that a state knows, to compare.

    How many transactions it took is `seq`, and shows in how much of what counts towards no cap any
    more is forgotten already; without it there is only what counts.
    """
    since = 0 if with_seq else state.applied_at - COUNTS_MS
    caps = {
        whose: [time_ms for time_ms in times if time_ms > since]
        for whose, times in state.caps.times.items()
    }
    recipients = state.recipients
    assert isinstance(recipients, MemoryRecipients)
    return {
        "seq": state.seq if with_seq else None,
        "applied": (state.applied, state.applied_at),
        "place": (state.topic_id, state.partition, state.partitions),
        "mailings": {ident: asdict(mailing) for ident, mailing in state.mailings.items()},
        "queues": {
            ident: (_messages(queue), set(queue.seen)) for ident, queue in state.queues.items()
        },
        "drains": list(state.drains),
        "calls": (list(state.calls.calls.items()), state.calls.size, dict(state.calls.answers)),
        "stubs": (state.stubs.secret, dict(state.stubs.stubs), dict(state.stubs._digests)),
        "caps": {whose: times for whose, times in caps.items() if times},
        "recipients": dict(recipients._by_key),
        "rids": {
            rid: key for rid, key in zip(recipients._rids, recipients._keys, strict=True) if key
        }
        | recipients._back,
    }


def _messages(queue: Queue) -> list[list[tuple[bytes, bytes]]]:
    """The sends they become, which do not tell the batches they are kept in."""
    return [sends_of(b"", (0, 0, 0), HOME, message, tuple(Channel)) for message in queue]
