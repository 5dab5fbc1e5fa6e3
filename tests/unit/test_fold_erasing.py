"""A recipient is erased: what goes, what a stub keeps, and what becomes of those beside it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from schemas.ids import recipient_key, rid_of
from schemas.records import Outcome
from streams.core.recipient_batches import SPAN
from tests.support.events import (
    CODEC,
    SECRET,
    START_MS,
    Event,
    asked,
    changed,
    defined,
    erased,
    invoked,
    log_of,
    triggered,
)
from tests.support.folding import HOME, Partition, at_home, dump, lives_here, rebuilt

if TYPE_CHECKING:
    from tests.support.folding import ChangelogRecord

ANNA, ANNA_SHOUTED, BOB, EVE = at_home("anna@b.org", "ANNA@B.ORG.", "bob@b.org", "eve@b.org")
RID, BOBS = rid_of(1, HOME), rid_of(2, HOME)
CREATED = triggered(email=ANNA, firstName="Anna", city="Århus", context=b"1")
STUB = {"orgid": 2, "rid": RID, "status": 1, "sms_opted_out": False}


def folded(*events: Event) -> Partition:
    """A partition that knows Anna, of offset 1, and Bob, and has folded *events* from offset 3."""
    return Partition().run(log_of([defined(), CREATED, triggered(email=BOB), *events]))


def counters(partition: Partition) -> tuple[int, int, int]:
    mailing = partition.state.mailings[2, 1]
    assert mailing.created + mailing.known == sum(
        (mailing.pending, mailing.sent, mailing.suppressed)
    )
    return mailing.pending, mailing.sent, mailing.suppressed


def left_by_compaction(changelog: list[ChangelogRecord]) -> list[ChangelogRecord]:
    """The topic once Kafka has compacted all of it, deletions too."""
    last = {key: at for at, (key, _) in enumerate(changelog)}
    return [
        (key, value)
        for at, (key, value) in enumerate(changelog)
        if last[key] == at and value is not None
    ]


@pytest.mark.parametrize("who", [{"rid": RID}, {"email": ANNA}, {"email": ANNA_SHOUTED}])
def test_nobody_finds_who_was_erased_and_the_answer_is_the_stub(who: dict[str, object]) -> None:
    partition = folded(
        erased(**who),  # type: ignore[arg-type]
        asked(rid=RID),
        asked(email=ANNA),
        changed(rid=RID, city="Ribe"),
        triggered(rid=RID),
    )
    nobody = ("UNKNOWN_RECIPIENT", b"")
    stub = STUB | {"erased": START_MS + 3000}
    assert partition.shown() == [("DONE", stub), nobody, nobody, nobody]
    assert partition.outcomes()[-1] == (0, Outcome.UNKNOWN_RECIPIENT)


def test_who_is_erased_again_is_answered_as_before() -> None:
    other = bytes(32)
    partition = folded(
        erased(rid=RID), erased(rid=RID, secret=other), erased(email=ANNA), erased(email=BOB)
    )
    first, second, third, bob = partition.shown()
    assert first == second == third
    assert bob[1]["rid"] == BOBS
    # All stubs have the first secret, or an address that comes back would not find its own.
    assert partition.state.stubs.secret == SECRET


@pytest.mark.parametrize(
    ("who", "outcome"),
    [
        ({"email": EVE}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID + 1024 * 50}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID, "orgid": 3}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID, "email": BOB}, "EMAIL_MISMATCH"),
    ],
)
@pytest.mark.parametrize("before", [(), (erased(rid=RID),)])
def test_who_is_not_there_is_not_erased(
    before: tuple[Event, ...], who: dict[str, object], outcome: str
) -> None:
    partition = folded(*before, erased(**who))  # type: ignore[arg-type]
    assert partition.shown()[-1] == (outcome, b"")
    assert len(partition.state.stubs.stubs) == len(before)


def test_a_secret_that_is_none_is_a_dead_letter() -> None:
    partition = folded(erased(rid=RID, secret=b"short"))
    assert [letter.reason for letter in partition.output.dead_letters] == ["BAD_FIELD"]
    assert partition.state.stubs.stubs == {}


def test_messages_that_wait_are_taken_back_and_what_was_cut_is_sent() -> None:
    partition = folded(
        invoked(), triggered(rid=RID, context=b"2"), triggered(email=BOB), erased(rid=RID)
    )
    assert counters(partition) == (3, 0, 1)
    partition.run(log_of([invoked()], start=7)).drain_all()
    assert [send["email"] for send in partition.sends()] == [ANNA, BOB, BOB]
    assert counters(partition) == (0, 3, 1)


def test_the_same_address_comes_back_under_its_rid_and_with_nothing_of_before() -> None:
    partition = folded(
        erased(rid=RID),
        triggered(email=ANNA_SHOUTED, phone1="1", context=b"1"),
        triggered(rid=RID, context=b"1"),
        asked(rid=RID),
        triggered(email=EVE),
        invoked(),
    ).drain_all()
    eve = rid_of(7, HOME)
    assert partition.outcomes()[2:] == [
        (RID, Outcome.CREATED),
        (RID, Outcome.DUPLICATE),
        (eve, Outcome.CREATED),
    ]
    shown = {name: value for name, value in partition.shown()[-1][1].items() if value is not None}
    assert shown == {
        "rid": RID,
        "status": 1,
        "email": ANNA_SHOUTED,
        "phone1": "1",
        "created": START_MS + 4000,
        "modified": 0,
    }
    assert [send["email"] for send in partition.sends()] == [BOB, ANNA_SHOUTED, EVE]
    assert partition.state.stubs.stubs == {}


def test_who_had_unsubscribed_has_done_so_when_the_address_comes_back() -> None:
    partition = folded(
        changed(rid=RID, status=0),
        erased(rid=RID),
        triggered(email=ANNA, status=1),
        changed(rid=RID, status=1),
        triggered(rid=RID),
    )
    assert [outcome for _, outcome in partition.outcomes()][2:] == [
        Outcome.SUPPRESSED,
        Outcome.KNOWN,
    ]
    assert counters(partition) == (2, 0, 2)


def test_who_had_opted_out_of_sms_has_done_so_when_the_address_comes_back() -> None:
    sms = {"smsContact": "+4512345678", "smsSubscribed": True}
    partition = folded(
        changed(rid=RID, smsSubscribed=False), erased(rid=RID), triggered(email=ANNA, **sms)
    )
    partition.run(log_of([invoked()], start=6)).drain_all()
    assert [send["smsSubscribed"] for send in partition.sends()] == [None, False]


def test_a_mailing_that_makes_no_recipients_makes_none_of_who_was_erased() -> None:
    partition = folded(
        erased(rid=RID),
        defined(unknown_recipients="REJECT"),
        triggered(email=ANNA),  # type: ignore[arg-type]
    )
    assert partition.outcomes()[-1] == (0, Outcome.UNKNOWN_RECIPIENT)
    assert len(partition.state.stubs.stubs) == 1


def neighbours(count: int) -> list[str]:
    return list(islice(filter(lives_here, (f"n{n}@b.org" for n in range(9 * count))), count))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_compacted_changelog_has_nothing_of_who_was_erased_and_all_of_the_others(
    chunk: int,
) -> None:
    people = neighbours(600)
    events = [defined(), *(triggered(email=email, city="Ribe" * 50) for email in people)]
    gone = people[::97]
    # Changed before and after, in records of their own: none must become what it was.
    events += [changed(email=people[n], city="Odense") for n in (1, 97, 300)]
    events += [erased(email=email) for email in gone]
    events += [changed(email=people[n], city="Aarhus") for n in (2, 301)]
    log = log_of(events)
    partition = Partition()
    for start in range(0, len(log), chunk):
        partition.run(log[start : start + chunk])
    changelog = left_by_compaction(partition.output.changelog)
    for email in gone:
        assert not any(email.encode() in key + (value or b"") for key, value in changelog)
    batches = [CODEC.decode(value or b"")[1] for key, value in changelog if key[:2] == b"b:"]
    kept = [each["key"] for batch in batches for each in batch["recipients"]]
    assert sorted(kept) == sorted(recipient_key(2, email) for email in {*people} - {*gone})
    for left in (changelog, partition.output.changelog):
        assert dump(rebuilt(left).state) == dump(partition.state)


def test_who_is_in_a_long_batch_of_an_earlier_build_is_taken_out_of_it() -> None:
    people = neighbours(600)
    written = Partition().run(log_of([defined(), *(triggered(email=email) for email in people)]))
    earlier: list[ChangelogRecord] = []
    together: list[dict[str, bytes]] = []
    for key, value in written.output.changelog:
        if key.startswith(b"b:"):
            together += CODEC.decode(value or b"")[1]["recipients"]
        else:
            earlier.append((key, value))
    batch = CODEC.encode("RecipientBatch", {"recipients": together})
    earlier = [(b"b:%d" % rid_of(1, HOME), batch), *earlier]
    partition = rebuilt(earlier)
    events = [erased(email=people[400]), changed(email=people[3], city="Ribe")]
    partition.run(log_of([*events, erased(email=people[0])], start=601))
    changelog = left_by_compaction([*earlier, *partition.output.changelog])
    for email in (people[0], people[400]):
        assert not any(email.encode() in key + (value or b"") for key, value in changelog)
    assert dump(rebuilt(changelog).state) == dump(partition.state)
    assert len(dump(partition.state)["recipients"]) == 598  # type: ignore[arg-type]


def test_no_batch_of_recipients_reaches_beyond_what_an_erasing_writes_again() -> None:
    log = log_of([defined(), *(triggered(email=email) for email in neighbours(600))])
    partition = Partition().run(log)
    spans = set()
    for key, value in partition.output.changelog:
        if key.startswith(b"b:"):
            kept = CODEC.decode(value or b"")[1]["recipients"]
            rids = [CODEC.decode(each["recipient"])[1]["rid"] // SPAN for each in kept]
            assert len(set(rids)) == 1
            spans.add(rids[0])
    assert spans == {0, 1, 2}


def test_who_is_created_and_erased_in_one_transaction_never_reaches_the_changelog() -> None:
    partition = folded(erased(email=ANNA), triggered(email=EVE))
    written = [key + (value or b"") for key, value in partition.output.changelog]
    assert [text[:2] for text in written if ANNA.encode() in text] == [b"r:"]
    assert dump(rebuilt(partition.output.changelog).state) == dump(partition.state)


def test_who_comes_back_may_be_erased_again() -> None:
    partition = folded(erased(rid=RID), triggered(email=ANNA), erased(rid=RID))
    assert [stub["rid"] for _, stub in partition.shown()] == [RID, RID]
    changelog = left_by_compaction(partition.output.changelog)
    assert not any(ANNA.encode() in key + (value or b"") for key, value in changelog)
    assert dump(rebuilt(changelog).state) == dump(partition.state)


def test_an_erasing_rolled_back_leaves_nothing_behind() -> None:
    partition = folded()
    before = dump(partition.state)
    partition.step(log_of([erased(rid=RID), triggered(email=EVE)], start=3))
    partition.step(log_of([triggered(email=ANNA), erased(email=EVE)], start=5))
    partition.step(log_of([erased(rid=RID, secret=bytes(32)), erased(email=BOB)], start=7))
    partition.fold.rollback()
    assert dump(partition.state) == before
    partition.run(log_of([triggered(rid=RID, context=b"1"), asked(email=ANNA)], start=3))
    assert partition.outcomes()[-1] == (RID, Outcome.DUPLICATE)
    assert partition.shown()[-1][0] == "DONE"


def test_an_address_cannot_be_read_from_its_stub() -> None:
    partition = folded(erased(rid=RID))
    stubs = {key: value for key, value in partition.output.changelog if key[:2] == b"e:"}
    (name,) = stubs.keys() - {b"e:key"}
    other = Partition()
    other.run(log_of([defined(), CREATED, erased(email=ANNA, secret=bytes(32))]))
    assert name not in dict(other.output.changelog)
    assert ANNA.encode() not in b"".join(key + (value or b"") for key, value in stubs.items())
