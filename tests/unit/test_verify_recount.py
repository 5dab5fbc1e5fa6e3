"""The recount finds nothing in what the fold wrote, and everything that is done to it after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from schemas.ids import rid_of
from streams.verify.reading import ACKS, DEAD_LETTERS, LOG, SENDS, STATE
from streams.verify.report import Kind
from tests.support.contents import RECORDS, World, edit, find, kinds
from tests.support.events import CODEC, defined, invoked, queried, triggered
from tests.support.folding import HOME, PARTITIONS, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.contents import Contents

ANNA, BERTA, CARLA = at_home("anna@example.org", "berta@example.org", "carla@example.org")
AWAY = "guest@example.org"
# Offsets in the home partition: the define is 0.
ANNAS, BERTAS, GARBAGE, INVOKED, CARLAS = 1, 2, 3, 4, 5
RIDS = {name: rid_of(offset, HOME) for name, offset in ((ANNA, ANNAS), (BERTA, BERTAS))}


def call(email: str, index: int, *, request_id: str = "call", **more: Any) -> Any:
    return triggered(email=email, index=index, request_id=request_id, context=b'"x"', **more)


def world() -> World:
    """One mailing: Anna and Berta were sent to, Carla waits; and a record that is no event."""
    made = World().log(defined(interval_s=0)).work()
    made.log(call(ANNA, 0), call(BERTA, 1, firstName="Berta", profileData={"a": "1"})).work()
    made.log((call(ANNA, 9)[0], b"hello"), partition=HOME).work()
    made.log(invoked()).work()
    return made.log(call(CARLA, 2), call(AWAY, 3, request_id="away"), queried(mid=1)).work()


@pytest.fixture
def contents() -> Contents:
    return world().contents


def ack_of(contents: Contents, index: int) -> tuple[int, dict[str, Any]]:
    """Return where Anna's call's entry *index* was answered, and the entry."""
    for at, raw in enumerate(contents.records[ACKS, 0]):
        name, record = RECORDS.read(raw.value)
        for said in record["calls"] if name == "Acknowledgement" else ():
            if said["request_id"] == "call":
                for entry in said["entries"]:
                    if entry["index"] == index:
                        return at, record
    raise AssertionError(index)


def tell(contents: Contents, index: int, rid: int, *, request_id: str = "call") -> None:
    """Answer an entry once more."""
    entry = {"index": index, "rid": rid, "outcome": "CREATED"}
    record = {"calls": [{"request_id": request_id, "entries": [entry]}]}
    contents.add(ACKS, 0, None, CODEC.encode("Acknowledgement", record))


def retell(contents: Contents, rids: dict[int, int]) -> None:
    """Put other rids into the answers to entries."""
    for index, rid in rids.items():
        at, record = ack_of(contents, index)
        for said in record["calls"]:
            for entry in said["entries"]:
                if entry["index"] == index:
                    entry["rid"] = rid
        raw = contents.records[ACKS, 0][at]
        contents.records[ACKS, 0][at] = raw._replace(value=CODEC.encode("Acknowledgement", record))


def test_what_the_fold_wrote_has_no_breach(contents: Contents) -> None:
    report = contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert report.limits == []
    assert report.counts == {
        # Four partitions: the define and the invocation are copied to three of them.
        "events": 7 + 3 * 2 + 2 - 1,
        "recipients": 4,
        "acks": 4,
        "answers": 2 * PARTITIONS + 1,
        "sends": 2,
        "pending": 2,
        "dead_letters": 1,
    }


def drop_send(contents: Contents) -> None:
    del contents.records[SENDS, HOME][0]


def repeat_send(contents: Contents) -> None:
    first = contents.records[SENDS, HOME][0]
    contents.add(SENDS, HOME, first.key, first.value)


def repeat_send_otherwise(contents: Contents) -> None:
    repeat_send(contents)
    edit(contents, SENDS, HOME, -1, lambda send: send.update(context=b'"y"'))


def change_send(contents: Contents) -> None:
    edit(contents, SENDS, HOME, 0, lambda send: send.update(context=b'"y"'))


def invent_send(contents: Contents) -> None:
    repeat_send(contents)
    edit(contents, SENDS, HOME, -1, lambda send: send.update(send_id=f"{send['rid']}:{HOME}:77"))


def drop_ack(contents: Contents) -> None:
    at, _ = ack_of(contents, 2)
    del contents.records[ACKS, 0][at]


def drop_recipients(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"b:%d" % RIDS[ANNA])
    del contents.records[STATE, HOME][at]


def unsubscribe(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"b:%d" % RIDS[ANNA])

    def change(batch: dict[str, Any]) -> None:
        kept = batch["recipients"][0]
        name, person = RECORDS.read(kept["recipient"])
        kept["recipient"] = CODEC.encode(name, person | {"status": 0})

    edit(contents, STATE, HOME, at, change)


def swap_kept(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"b:%d" % RIDS[ANNA])

    def change(batch: dict[str, Any]) -> None:
        one, two = batch["recipients"]
        one["key"], two["key"] = two["key"], one["key"]

    edit(contents, STATE, HOME, at, change)


def count_otherwise(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"m:2:1")
    edit(contents, STATE, HOME, at, lambda mailing: mailing.update(suppressed=1, known=1))


def rename(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"m:2:1")
    edit(contents, STATE, HOME, at, lambda mailing: mailing.update(name="Another"))


def drop_waiting(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"p:2:1:2:")
    del contents.records[STATE, HOME][at]


def revive_sent(contents: Contents) -> None:
    at = find(contents, STATE, HOME, b"p:2:1:1:")
    del contents.records[STATE, HOME][at]


def drop_letter(contents: Contents) -> None:
    del contents.records[DEAD_LETTERS, HOME][0]


def repeat_letter(contents: Contents) -> None:
    first = contents.records[DEAD_LETTERS, HOME][0]
    contents.add(DEAD_LETTERS, HOME, first.key, first.value, first.headers)


def change_letter(contents: Contents) -> None:
    edit(contents, DEAD_LETTERS, HOME, 0, lambda letter: letter.update(value=b"goodbye"))


def forget_reason(contents: Contents) -> None:
    del contents.records[STATE, HOME][find(contents, STATE, HOME, b"x:")]


def go_back(contents: Contents) -> None:
    records = contents.records[STATE, HOME]
    first = next(raw for raw in records if raw.key == b"meta")
    # Last but one: the state stays what it is.
    records.insert(-1, first._replace(offset=records[-2].offset))


def recreate(contents: Contents) -> None:
    contents.log_id = "another"


def lose_tail(contents: Contents) -> None:
    del contents.records[LOG, HOME][-1]


@pytest.mark.parametrize(
    ("tamper", "found", "place"),
    [
        pytest.param(drop_send, {"lost": 1}, (LOG, ANNAS, RIDS[ANNA]), id="a send is missing"),
        pytest.param(repeat_send, {"doubled": 1}, (SENDS, 2, RIDS[ANNA]), id="a send twice"),
        pytest.param(
            repeat_send_otherwise,
            {"unequal-repeat": 1},
            (SENDS, 2, RIDS[ANNA]),
            id="a send twice, unequal",
        ),
        pytest.param(change_send, {"changed": 1}, (SENDS, 0, RIDS[ANNA]), id="another context"),
        pytest.param(invent_send, {"unexpected": 1}, (SENDS, 2, 0), id="a send of no event"),
        pytest.param(
            drop_ack, {"lost": 1}, (LOG, CARLAS, rid_of(CARLAS, HOME)), id="an answer is missing"
        ),
        pytest.param(
            lambda contents: tell(contents, 0, RIDS[BERTA]),
            {"unequal-repeat": 1},
            None,
            id="answered again with another rid",
        ),
        pytest.param(
            lambda contents: retell(contents, {0: RIDS[BERTA], 1: RIDS[ANNA]}),
            {"colliding": 2},
            None,
            id="two rids swapped in the answers",
        ),
        pytest.param(
            lambda contents: retell(contents, {0: rid_of(999, HOME)}),
            {"changed": 1},
            None,
            id="answered with nobody's rid",
        ),
        pytest.param(
            lambda contents: tell(contents, 0, RIDS[ANNA], request_id="forged"),
            {"unexpected": 1},
            None,
            id="an answer to no call",
        ),
        pytest.param(
            lambda contents: contents.add(ACKS, 3, None, b"hello"),
            {"unexpected": 1},
            (ACKS, 0, 0),
            id="no answer at all",
        ),
        pytest.param(
            drop_recipients,
            {"lost": 2},
            (LOG, ANNAS, RIDS[ANNA]),
            id="a key of the changelog is missing",
        ),
        pytest.param(unsubscribe, {"changed": 1}, (STATE, -1, RIDS[ANNA]), id="another status"),
        pytest.param(swap_kept, {"colliding": 2}, None, id="two rids swapped in the changelog"),
        # Suppressed and known are wrong; their sum is not.
        pytest.param(count_otherwise, {"counter-mismatch": 3}, None, id="two counters changed"),
        pytest.param(rename, {"changed": 1}, (STATE, -1, 0), id="another name"),
        # And those who wait no longer add up.
        pytest.param(
            drop_waiting,
            {"lost": 1, "counter-mismatch": 1},
            (LOG, CARLAS, rid_of(CARLAS, HOME)),
            id="a waiting message is missing",
        ),
        pytest.param(
            revive_sent,
            {"doubled": 2, "counter-mismatch": 2, "changed": 0},
            None,
            id="what was sent waits again",
        ),
        pytest.param(drop_letter, {"lost": 1}, (LOG, GARBAGE, 0), id="a dead letter is missing"),
        pytest.param(repeat_letter, {"doubled": 1}, (DEAD_LETTERS, 1, 0), id="one twice"),
        pytest.param(change_letter, {"changed": 1}, (DEAD_LETTERS, 0, 0), id="another value"),
        pytest.param(forget_reason, {"lost": 1}, (LOG, GARBAGE, 0), id="no reason is kept"),
        pytest.param(go_back, {"changed": 1}, None, id="the state goes back"),
        pytest.param(recreate, {"changed": 4}, None, id="another log of that name"),
        pytest.param(lose_tail, {"changed": 1}, None, id="the log lost its end"),
    ],
)
def test_what_is_tampered_with_is_named(
    contents: Contents,
    tamper: Callable[[Contents], None],
    found: dict[str, int],
    place: tuple[str, int, int] | None,
) -> None:
    tamper(contents)
    report = contents.recount()
    lines = [breach.line() for breach in report.breaches]
    assert kinds(report) == {kind: times for kind, times in found.items() if times}, lines
    if place is not None:
        assert place in {(b.topic, b.offset, b.rid) for b in report.breaches}, lines
    said = json.dumps(report.as_dict()) + "".join(lines)
    assert not [name for name in (ANNA, BERTA, CARLA, AWAY, "Berta") if name in said]


def test_an_answer_that_is_repeated_alike_is_counted_and_no_breach(contents: Contents) -> None:
    tell(contents, 0, RIDS[ANNA])
    report = contents.recount()
    assert kinds(report) == {}
    assert report.counts["acks_repeated"] == 1


def test_a_worker_that_is_ahead_of_its_changelog_has_lost_nothing() -> None:
    made = world()
    state = {p: len(made.contents.records[STATE, p]) for p in range(PARTITIONS)}
    made.log(call(BERTA, 4), call(CARLA, 5), invoked(request_id="again")).work()
    for partition, size in state.items():
        del made.contents.records[STATE, partition][size:]
    made.contents.at_rest = set()
    report = made.contents.recount()
    assert kinds(report) == {}
    assert report.counts["events_not_yet"] == 3 + 3


def test_events_that_nobody_processed_yet_are_not_lost(contents: Contents) -> None:
    made = world()
    made.log(call(BERTA, 4), invoked(request_id="again"))
    report = made.contents.recount()
    assert kinds(report) == {}
    assert report.counts["events_not_yet"] == 2


def test_messages_that_are_being_sent_are_not_lost() -> None:
    made = World().log(defined(interval_s=0)).work()
    made.log(*(call(email, at) for at, email in enumerate((ANNA, BERTA, CARLA)))).work(chunk=1)
    records = [
        (raw.offset, raw.key, raw.value, 0)
        for raw in made.log(invoked()).contents.records[LOG, HOME]
    ]
    made.fold(HOME, records, drain=1)
    report = made.contents.recount()
    assert kinds(report) == {}
    assert report.counts["sends_not_yet"] == 2
    assert report.counts["sends"] == 1


def test_what_retention_took_is_not_lost_and_what_came_after_it_is(contents: Contents) -> None:
    at, _ = ack_of(contents, 0)
    contents.begins[ACKS, 0] = contents.records[ACKS, 0][at].offset + 1
    contents.begins[SENDS, HOME] = 1
    report = contents.recount()
    assert kinds(report) == {}
    assert report.counts["sends_gone"] == 1
    assert report.counts["answers_gone"] > 0
    assert len(report.limits) == 2

    made = world()
    made.log(invoked(request_id="again")).work()
    assert len(made.contents.records[SENDS, HOME]) == 3
    made.contents.begins[SENDS, HOME] = 1
    del made.contents.records[SENDS, HOME][2]
    report = made.contents.recount()
    assert [(b.kind, b.offset) for b in report.breaches] == [(Kind.LOST, CARLAS)]
