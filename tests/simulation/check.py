"""What has to hold at the end of every run, by another reading of what lies in the topics."""

from __future__ import annotations

from collections import Counter
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.topics import ACKS, DEAD_LETTERS, LOG, SENDS, STATE
from streams.verify.consequences import Ack, Answer, Dead, PersonAnswer, Send
from streams.verify.mailing import COUNTERS
from streams.verify.model import Model
from streams.verify.records import Records
from streams.worker.stamp import Stamp
from tests.simulation.consumer import LOG_TIME_MS
from tests.simulation.workload import AGAIN, PARTITIONS, TOO_LARGE

if TYPE_CHECKING:
    from streams.verify.consequences import Out
    from tests.simulation.broker import Record
    from tests.simulation.world import World

_RECORDS = Records()
_LIFE = ("revision", "state", "invocation")
_CALL = ("call", "begun_at", "digest", "count")


@cache
def _read(value: bytes) -> tuple[str, dict[str, Any]]:
    return _RECORDS.read(value)


class _Meaning(NamedTuple):
    """A model that has met a log, and what followed from it."""

    model: Model
    met: tuple[tuple[int, Out], ...]

    def dead(self) -> set[int]:
        return {offset for offset, out in self.met if isinstance(out, Dead)}


@cache
def _meaning(
    partition: int, log: tuple[tuple[int, bytes, bytes], ...], poison: frozenset[int]
) -> _Meaning:
    """Return the meaning of a log; the same few logs come from most schedules."""
    model = Model(partition, PARTITIONS, _RECORDS, fingerprint=tuple)
    return _Meaning(
        model,
        tuple(
            (offset, out)
            for offset, key, value in log
            for out in model.meet(offset, key, value, LOG_TIME_MS, aside=offset in poison)
        ),
    )


def check(world: World) -> None:
    """Fail unless every promise was kept."""
    assert world.failures == [], f"a worker ended itself: {world.failures}"
    broker = world.broker
    meanings = []
    for partition in range(PARTITIONS):
        log = broker.logs[LOG, partition]
        letters = [
            _read(r.value or b"")[1] for r in broker.logs[DEAD_LETTERS, partition].committed()
        ]
        poison = frozenset(letter["offset"] for letter in letters)
        for letter in letters:
            assert letter["reason"] == "TOO_LARGE_TO_PRODUCE"
            assert TOO_LARGE in letter["value"]
        assert len(letters) == len(poison), "a dead letter twice"
        found = tuple((r.offset, r.key or b"", r.value or b"") for r in log.records)
        meaning = _meaning(partition, found, poison)
        meanings.append(meaning)
        _check_place(world, partition, log.end)
        _check_state(broker.logs[STATE, partition].committed(), meaning.model, log.end - 1)
        _check_sends(broker.logs[SENDS, partition].committed(), partition, meaning)
        assert meaning.dead() == poison
    poisoned = any(broker.logs[DEAD_LETTERS, p].records for p in range(PARTITIONS))
    _check_replies(world, meanings, poisoned=poisoned)
    _check_open(world)


def _check_open(world: World) -> None:
    open_in = [place for place, log in world.broker.logs.items() if log.open]
    assert open_in == [], "a transaction was left open"


def _check_place(world: World, partition: int, end: int) -> None:
    """The group's offset reached the end, and neither it nor its state ever went back."""
    broker = world.broker
    history = broker.offset_history[partition]
    offsets = [committed.offset for committed in history]
    stamps = [Stamp.decode(committed.note) for committed in history]
    seqs = [stamp.seq for stamp in stamps if stamp is not None]
    assert len(seqs) == len(history), "an offset without its note"
    assert offsets == sorted(offsets), f"partition {partition}: the committed offset went back"
    assert seqs == sorted(seqs), f"partition {partition}: the committed seq went back"
    assert not broker.pending[partition]
    reached = offsets[-1] if offsets else 0
    assert reached == end, (
        f"partition {partition}: {end - reached} events of {end} were never folded"
    )
    late = next((c.at for c in history if c.offset == end), 0.0) - world.due
    assert late <= 0, f"partition {partition}: its events were folded {late:.0f} s late"


def _check_state(records: list[Record], model: Model, last: int) -> None:
    """The changelog alone, read to its end, says what the model knows."""
    metas = [_read(r.value or b"")[1] for r in records if r.key == b"meta"]
    assert [meta["seq"] for meta in metas] == list(range(1, len(metas) + 1)), (
        "transactions of state"
    )
    applied = [meta["applied"] for meta in metas]
    assert applied == sorted(applied)
    assert max(applied, default=-1) == last
    table = {r.key: r.value for r in records}
    people, written, mailings, pending = {}, {}, {}, 0
    calls: dict[bytes, tuple[Any, ...]] = {}
    once: dict[tuple[int, int], tuple[int, str]] = {}
    for key, value in table.items():
        if value is None:
            continue
        kind, _, name = (key or b"").decode().partition(":")
        found = _read(value)[1]
        if kind == "b":
            for kept in found["recipients"]:
                people[kept["key"]] = model.of_state(_read(kept["recipient"])[1])
        elif kind == "r":
            written[name.encode()] = model.of_state(found)
        elif kind == "m":
            mailings[name] = tuple(found[each] for each in (*COUNTERS, *_LIFE))
        elif kind == "p":
            pending += len(found["messages"])
        elif kind == "k":
            calls[name.encode()] = tuple(found[each] for each in _CALL)
        elif kind == "o":
            once |= {(e["call"], e["index"]): (e["rid"], e["outcome"]) for e in found["entries"]}
    assert people | written == model.people, "recipients"
    assert mailings == {
        f"{org}:{mid}": (
            *(each.counts[name] for name in COUNTERS),
            *(getattr(each, name) for name in _LIFE),
        )
        for (org, mid), each in model.mailings.items()
    }, "mailings"
    assert pending == sum(len(mailing.queue) for mailing in model.mailings.values()), "pending"
    assert calls == {
        key: tuple(getattr(call, each) for each in _CALL) for key, call in model.calls.known.items()
    }, "calls under a key"
    assert once == {entry: (told.rid, told.outcome) for entry, told in model.once.items()}, (
        "what entries under a key were answered"
    )


def _check_sends(records: list[Record], partition: int, meaning: _Meaning) -> None:
    sent = [dict(_read(record.value or b"")[1]) for record in records]
    names = ("send_id", "invocation", "channel")
    found = [(*(send.pop(name) for name in names), meaning.model.said(send)) for send in sent]
    ids = [send_id for send_id, *_ in found]
    assert len(ids) == len(set(ids)), "sent twice"
    wanted = [
        (out.send_id(partition), out.invocation, out.channel, out.says)
        for _, out in meaning.met
        if isinstance(out, Send)
    ]
    assert sorted(found, key=itemgetter(0)) == sorted(wanted, key=itemgetter(0)), "sends"


def _check_replies(world: World, meanings: list[_Meaning], *, poisoned: bool) -> None:
    """Each event has its answer, the same each time, and none before it was in the log."""
    logged: dict[tuple[str, int], int] = {}
    for partition in range(PARTITIONS):
        for record in world.broker.logs[LOG, partition].records:
            event = _read(record.value or b"")[1]
            logged.setdefault((event["request_id"], event["index"]), record.number)
    acks: Counter[tuple[int, str, int, int, str]] = Counter()
    answers: Counter[tuple[int, int, str, str, int, int]] = Counter()
    shown: Counter[tuple[int, str, str, str]] = Counter()
    for (topic, partition), log in world.broker.logs.items():
        for record in log.records if topic == ACKS else ():
            name, reply = _read(record.value or b"")
            if name == "Acknowledgement":
                for call in reply["calls"]:
                    for e in call["entries"]:
                        acks[partition, call["request_id"], e["index"], e["rid"], e["outcome"]] += 1
                        assert logged[call["request_id"], e["index"]] < record.number
            elif name == "RecipientAnswer":
                recipient = _read(reply["recipient"])[1] if reply["recipient"] else {}
                told = reply["request_id"], reply["outcome"]
                shown[partition, *told, repr(sorted(recipient.items()))] += 1
            else:
                names = (
                    ("request_id", "outcome", "call", "begun_at")
                    if name == "CallAnswer"
                    else ("request_id", "outcome", "revision", "messages")
                )
                answer = tuple(reply[name] for name in names)
                answers[reply["index"], partition, *answer] += 1
    outs = [(m.model.partition, out) for m in meanings for _, out in m.met]
    compared = (
        (acks.keys(), {out[:5] for _, out in outs if isinstance(out, Ack)}),
        (answers.keys(), {(p, *out[:5]) for p, out in outs if isinstance(out, Answer)}),
        (shown.keys(), {_shown(out) for _, out in outs if isinstance(out, PersonAnswer)}),
    )
    for found, wanted in compared:
        # Before an event is known to be poison, those behind it are answered as if it were not.
        assert found >= wanted if poisoned else found == wanted, "replies"
    if max([*acks.values(), *answers.values(), *shown.values()], default=0) > 1:
        world.broker.saw["event folded again"] += 1
    _notice(world, outs, acks)


def _shown(out: PersonAnswer) -> tuple[int, str, str, str]:
    return out.reply_partition, out.request_id, out.outcome, repr(sorted(out.shows.items()))


def _notice(world: World, outs: list[tuple[int, Out]], acks: Counter[Any]) -> None:
    """Say which of the events about mailings, recipients and keys did what they are there for."""
    saw = world.broker.saw
    for _, out in outs:
        if isinstance(out, Answer) and out.outcome == "WRONG_STATE":
            saw["a state forbade a step"] += 1
        elif isinstance(out, Ack) and out.outcome in {"SUPPRESSED", "MAILING_CLOSED"}:
            saw[f"a trigger was told {out.outcome}"] += 1
        elif isinstance(out, Send) and out.channel == "SMS":
            saw["an SMS was sent"] += 1
    entries = [times for (_, request_id, *_), times in acks.items() if request_id in AGAIN]
    if max(entries, default=0) > 1:
        saw["an entry under a key folded again"] += 1
