"""The recount of recipients that change and are erased, and what is done to them after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from schemas.ids import rid_of
from streams.verify.reading import ACKS, LOG, STATE, Raw
from streams.verify.report import Kind
from tests.support.contents import RECORDS, World, edit, find, kinds
from tests.support.events import CODEC, asked, changed, defined, erased, invoked, triggered
from tests.support.folding import HOME, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.contents import Contents

ANNA, BERTA, CARLA = at_home("anna@example.org", "berta@example.org", "carla@example.org")
# Offsets in the home partition: the define is 0.
ANNAS, BERTAS = 1, 2
RIDS = {name: rid_of(offset, HOME) for name, offset in ((ANNA, ANNAS), (BERTA, BERTAS))}


def call(email: str, index: int, **more: Any) -> Any:
    return triggered(email=email, index=index, request_id="call", context=b'"x"', **more)


def changed_world(*, gone: bool) -> World:
    """Anna is unsubscribed while a message of hers waits, and changed again after an invocation.

    When her event is *gone*, the log begins behind it.
    """
    made = World().log(defined(interval_s=0), call(ANNA, 0), call(BERTA, 1)).work()
    made.log(changed(email=ANNA, status=0), invoked()).work()
    back, quiet = {"status": 1, "city": "Ribe"}, {"smsSubscribed": False}
    for events in (
        (call(ANNA, 2), call(BERTA, 3), asked(rid=RIDS[ANNA], index=1)),
        (changed(rid=RIDS[ANNA], index=2, **back), call(ANNA, 4)),
        (changed(rid=RIDS[ANNA], index=3, **quiet), asked(email=ANNA, index=2)),
    ):
        made.log(*events, partition=HOME).work()
    if gone:
        made.contents.begins[LOG, HOME] = BERTAS
    return made


@pytest.mark.parametrize("gone", [False, True])
def test_recipients_that_change_have_no_breach_wherever_the_log_begins(*, gone: bool) -> None:
    report = changed_world(gone=gone).contents.recount()
    assert [breach.line() for breach in report.breaches] == []


def show_other(contents: Contents) -> None:
    """Answer the last question about Anna with another city."""
    for at, raw in enumerate(contents.records[ACKS, 0]):
        name, record = RECORDS.read(raw.value)
        if name == "RecipientAnswer":
            person = RECORDS.read(record["recipient"])[1] | {"city": "Elsewhere"}
            record["recipient"] = CODEC.encode("RecipientState", person)
            last = at, raw._replace(value=CODEC.encode(name, record))
    contents.records[ACKS, 0][last[0]] = last[1]


def keep_other(contents: Contents, **fields: object) -> None:
    """Put other fields into what the changelog keeps of Anna."""
    at = find(contents, STATE, HOME, b"r:")
    edit(contents, STATE, HOME, at, lambda person: person.update(fields))


def send_sms(contents: Contents) -> None:
    """Let the last message that waits say that SMS are welcome."""
    at = find(contents, STATE, HOME, b"p:2:1:2")
    name, batch = RECORDS.read(contents.records[STATE, HOME][at].value)
    kept = batch["messages"][-1]
    person = RECORDS.read(kept["recipient"])[1] | {"smsSubscribed": True}
    kept["recipient"] = CODEC.encode("RecipientState", person)
    raw = contents.records[STATE, HOME][at]
    contents.records[STATE, HOME][at] = raw._replace(value=CODEC.encode(name, batch))


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        pytest.param(show_other, {Kind.CHANGED: 1}, id="an answer"),
        pytest.param(lambda made: keep_other(made, city="X"), {Kind.CHANGED: 1}, id="a field"),
        pytest.param(lambda made: keep_other(made, status=0), {Kind.CHANGED: 1}, id="a status"),
        pytest.param(lambda made: keep_other(made, created=1), {Kind.CHANGED: 1}, id="a date"),
        pytest.param(send_sms, {Kind.CHANGED: 1}, id="an opt-out"),
    ],
)
def test_what_is_done_to_a_recipient_that_changed_is_named(
    tamper: Callable[[Contents], None], found: dict[str, int]
) -> None:
    contents = changed_world(gone=False).contents
    tamper(contents)
    assert kinds(contents.recount()) == found


def erased_world(begins: int = 0) -> World:
    """Anna is erased and comes back, Berta is erased; the log *begins* at that offset."""
    made = World().log(defined(interval_s=0), call(ANNA, 0), call(BERTA, 1)).work()
    made.log(
        erased(email=ANNA, index=1),
        erased(rid=RIDS[BERTA], index=2),
        call(ANNA, 2, smsContact="+4512345678"),
        triggered(rid=RIDS[ANNA], request_id="by rid"),
        triggered(rid=RIDS[BERTA], request_id="by rid", index=1),
        asked(email=BERTA, index=3),
        erased(email=BERTA, index=4),
        partition=HOME,
    )
    made.work().log(invoked(), call(CARLA, 5)).work()
    made.contents.begins[LOG, HOME] = begins
    return made


# Anna was there, or had been erased already; so had Berta at last.
@pytest.mark.parametrize("begins", [0, 2, 3, 4, 5])
def test_recipients_that_are_erased_have_no_breach_wherever_the_log_begins(begins: int) -> None:
    report = erased_world(begins).contents.recount()
    assert [breach.line() for breach in report.breaches] == []


def lose_stub(contents: Contents) -> None:
    """Take what is left of Berta out of the changelog."""
    records = contents.records[STATE, HOME]
    records[:] = [raw for raw in records if not _is_stub(raw)]


def keep_other_stub(contents: Contents, **fields: object) -> None:
    """Put other fields into what is left of Berta."""
    records = contents.records[STATE, HOME]
    (at,) = (at for at, raw in enumerate(records) if _is_stub(raw) and raw.value is not None)
    edit(contents, STATE, HOME, at, lambda stub: stub.update(fields))


def _is_stub(raw: Raw) -> bool:
    return (raw.key or b"").startswith(b"e:") and raw.key != b"e:key"


def keep_erased(contents: Contents) -> None:
    """Let the changelog have Berta as she was created."""
    records = contents.records[STATE, HOME]
    batch = next(raw for raw in records if (raw.key or b"").startswith(b"b:"))
    contents.add(STATE, HOME, batch.key, batch.value)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        pytest.param(lose_stub, {Kind.LOST: 1}, id="a stub lost"),
        pytest.param(lambda made: keep_other_stub(made, status=0), {Kind.CHANGED: 1}, id="status"),
        pytest.param(lambda made: keep_other_stub(made, rid=1024), {Kind.CHANGED: 1}, id="a rid"),
        pytest.param(keep_erased, {Kind.UNEXPECTED: 1}, id="kept after all"),
    ],
)
def test_what_is_done_to_who_was_erased_is_named(
    tamper: Callable[[Contents], None], found: dict[str, int]
) -> None:
    contents = erased_world().contents
    tamper(contents)
    assert kinds(contents.recount()) == found
