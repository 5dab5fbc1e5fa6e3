"""A recipient is asked for, changed, unsubscribed; and what that does to messages that wait."""

from __future__ import annotations

from itertools import islice

import pytest

from schemas.ids import recipient_key, rid_key, rid_of
from schemas.records import DedupPolicy, Origin, Outcome
from schemas.topics import MAX_EVENT_BYTES
from streams.core.queues import BATCH_BYTES
from tests.support.events import (
    CODEC,
    START_MS,
    Event,
    asked,
    changed,
    defined,
    invoked,
    log_of,
    triggered,
)
from tests.support.folding import HOME, Partition, at_home, dump, lives_here, rebuilt
from tests.support.logs import HOMES

ANNA, ANNA_SHOUTED, BOB = at_home("anna@b.org", "ANNA@B.ORG.", "bob@b.org")
RID = rid_of(1, HOME)
CREATED = triggered(email=ANNA, firstName="Anna", city="Århus", profileData={"a": "1", "b": "2"})
CREATED_MS = START_MS + 1000


def folded(*events: Event) -> Partition:
    """A partition that knows Anna, of offset 1, and has folded *events* from offset 2."""
    return Partition().run(log_of([defined(), CREATED, *events]))


def counters(partition: Partition) -> tuple[int, int, int]:
    mailing = partition.state.mailings[2, 1]
    return mailing.pending, mailing.sent, mailing.suppressed


@pytest.mark.parametrize(
    "who", [{"rid": RID}, {"email": ANNA}, {"email": ANNA_SHOUTED}, {"rid": RID, "email": ANNA}]
)
def test_a_recipient_is_shown_as_it_is_stored_with_the_logs_time(who: dict[str, object]) -> None:
    partition = folded(asked(**who, request_id="r", index=3, reply_partition=5))  # type: ignore[arg-type]
    ((to, answer),) = partition.output.shown
    assert (to, answer["request_id"], answer["index"]) == (5, "r", 3)
    assert answer["outcome"] == "DONE"
    shown = {name: value for name, value in answer["recipient"].items() if value is not None}
    assert shown == {
        "rid": RID,
        "status": 1,
        "email": ANNA,
        "firstName": "Anna",
        "city": "Århus",
        "profileData": {"a": "1", "b": "2"},
        "created": CREATED_MS,
        "modified": 0,
    }


@pytest.mark.parametrize("event", [asked, changed])
@pytest.mark.parametrize(
    ("who", "outcome"),
    [
        ({"email": BOB}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID + 1024}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID, "orgid": 22}, "UNKNOWN_RECIPIENT"),
        ({"rid": RID, "email": BOB}, "EMAIL_MISMATCH"),
        ({"rid": RID, "email": "nonsense"}, "EMAIL_MISMATCH"),
    ],
)
def test_whoever_is_not_there_is_not_shown_and_nothing_is_changed(
    event: type[Event], who: dict[str, object], outcome: str
) -> None:
    partition = folded(event(**who))
    assert partition.shown() == [(outcome, b"")]
    assert partition.output.dead_letters == []
    assert [key for key, _ in partition.output.changelog if key.startswith(b"r:")] == []


def test_another_organisations_address_is_nobodys() -> None:
    (email,) = at_home("anna@b.org", orgids=(2, 3))
    partition = Partition().run(log_of([defined(), triggered(email=email), asked(3, email=email)]))
    assert partition.shown() == [("UNKNOWN_RECIPIENT", b"")]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (changed(email="nonsense"), "NO_RECIPIENT"),
        ((rid_key(2, RID), asked(email=ANNA)[1]), "FOREIGN_KEY"),
        ((None, asked(email=ANNA)[1]), "FOREIGN_KEY"),
        (asked(email="stranger@domain.com"), "NOT_HOME"),
        (asked(rid=RID + 1), "FOREIGN_KEY"),
        (changed(rid=RID, status=2), "BAD_FIELD"),
        (changed(email="a\n@b.org"), "BAD_ADDRESS"),
    ],
)
def test_an_event_that_is_wrong_becomes_a_dead_letter(event: Event, reason: str) -> None:
    partition = folded(event)
    assert [letter.reason for letter in partition.output.dead_letters] == [reason]


def test_whoever_waits_for_a_dead_letter_is_told() -> None:
    partition = folded((b"foreign", changed(email=ANNA)[1]))
    assert partition.shown() == [("FAILED", b"")]


def test_a_change_touches_the_fields_it_gives_and_no_other() -> None:
    partition = folded(
        changed(email=ANNA_SHOUTED, firstName="Ann", phone1="1", profileData={"b": "3", "c": "4"}),
        asked(rid=RID),
    )
    answers = partition.shown()
    assert answers[0] == answers[1]
    outcome, recipient = answers[0]
    assert outcome == "DONE"
    shown = {name: value for name, value in recipient.items() if value is not None}
    assert shown == {
        "rid": RID,
        "status": 1,
        "email": ANNA,
        "firstName": "Ann",
        "city": "Århus",
        "phone1": "1",
        "profileData": {"a": "1", "b": "3", "c": "4"},
        "created": CREATED_MS,
        "modified": START_MS + 2000,
    }


def test_a_change_to_what_is_so_already_changes_no_date() -> None:
    partition = folded(changed(rid=RID, status=1, firstName="Anna"), changed(rid=RID))
    assert [recipient["modified"] for _, recipient in partition.shown()] == [0, 0]
    assert [key for key, _ in partition.output.changelog if key.startswith(b"r:")] == []


def test_nobody_is_answered_who_does_not_wait() -> None:
    partition = folded(changed(rid=RID, status=0, reply_partition=-1))
    assert partition.output.shown == []
    assert counters(partition) == (0, 0, 1)


def test_a_recipient_that_would_fit_no_event_stays_as_it_was() -> None:
    half = {"big": '"%s"' % ("x" * (MAX_EVENT_BYTES // 2))}
    partition = folded(
        changed(rid=RID, profileData=half),
        changed(rid=RID, profileData={"more": half["big"]}),
        asked(rid=RID),
    )
    assert [outcome for outcome, _ in partition.shown()] == ["DONE", "TOO_LARGE", "DONE"]
    assert partition.shown()[2][1]["profileData"] == {"a": "1", "b": "2"} | half


def test_a_trigger_never_subscribes_again_who_unsubscribed() -> None:
    partition = folded(
        changed(rid=RID, status=0),
        triggered(email=ANNA, status=1, context=b"2"),
        triggered(rid=RID, context=b"3"),
        invoked(),
        asked(rid=RID),
    ).drain_all()
    assert partition.outcomes()[1:] == [(RID, Outcome.SUPPRESSED)] * 2
    assert partition.sends() == []
    assert counters(partition) == (0, 0, 3)
    assert partition.shown()[-1][1]["status"] == 0


def test_a_change_subscribes_again_for_the_triggers_to_come() -> None:
    partition = folded(
        changed(rid=RID, status=0), changed(rid=RID, status=1), triggered(email=ANNA), invoked()
    ).drain_all()
    assert partition.outcomes()[-1] == (RID, Outcome.KNOWN)
    assert [send["send_id"] for send in partition.sends()] == [f"{RID}:{HOME}:4"]
    assert counters(partition) == (0, 1, 1)


def test_an_unsubscription_before_the_cut_takes_the_messages_back() -> None:
    partition = folded(
        triggered(email=BOB),
        triggered(rid=RID, context=b"2"),
        changed(rid=RID, status=0),
        invoked(),
    ).drain_all()
    assert [send["email"] for send in partition.sends()] == [BOB]
    assert counters(partition) == (0, 1, 2)
    assert partition.output.answers[-1][1]["messages"] == 1


@pytest.mark.parametrize("slice_size", [1, 1000])
def test_an_unsubscription_after_the_cut_takes_nothing_back(slice_size: int) -> None:
    partition = Partition()
    for record in log_of([defined(), CREATED, triggered(email=BOB), invoked()]):
        partition.run([record])
    partition.run(log_of([changed(rid=RID, status=0)], start=4))
    partition.drain_all(slice_size=slice_size)
    assert [send["email"] for send in partition.sends()] == [ANNA, BOB]
    assert counters(partition) == (0, 2, 0)


def test_of_a_cut_and_an_open_queue_the_open_one_alone_is_touched() -> None:
    partition = folded(invoked(), triggered(rid=RID), changed(rid=RID, status=0), invoked())
    partition.drain_all()
    assert [send["send_id"] for send in partition.sends()] == [f"{RID}:{HOME}:1"]
    assert counters(partition) == (0, 1, 1)


def definition(orgid: int, mid: int) -> Event:
    """A mailing is defined, by a copy where the partition under test is not its home."""
    home = HOMES[orgid, mid] == HOME
    origin = Origin.REQUEST if home else Origin.COPY
    return defined(orgid, mid, origin=origin, revision=0 if home else 1)


def test_every_mailing_of_the_organisation_and_of_no_other_gives_its_messages_back() -> None:
    anna, bob = at_home("anna@b.org", "bob@b.org", orgids=(2, 3))
    mailings = ((2, 1), (2, 2), (3, 1))
    definitions = [definition(*ident) for ident in mailings]
    events = [triggered(*ident, email=email) for ident in mailings for email in (anna, bob)]
    partition = Partition().run(log_of([*definitions, *events, changed(2, email=anna, status=0)]))
    pending = {ident: mailing.pending for ident, mailing in partition.state.mailings.items()}
    assert pending == {(2, 1): 1, (2, 2): 1, (3, 1): 2}


def test_a_queue_that_is_empty_by_an_unsubscription_waits_for_no_timer() -> None:
    partition = folded()
    assert [mailing.mid for mailing in partition.state.waiting()] == [1]
    partition.run(log_of([changed(rid=RID, status=0)], start=2))
    assert partition.state.waiting() == []
    deleted = [key for key, value in partition.output.changelog if value is None]
    assert deleted == [b"p:2:1:1:1"]


@pytest.mark.parametrize("policy", DedupPolicy)
def test_after_a_suppression_the_same_trigger_is_a_new_message(policy: DedupPolicy) -> None:
    partition = Partition().run(
        log_of(
            [
                defined(dedup=policy),
                triggered(email=ANNA, context=b"1"),
                triggered(email=BOB, context=b"1"),
                changed(rid=RID, status=0),
                changed(rid=RID, status=3),
                triggered(rid=RID, context=b"1"),
                triggered(email=BOB, context=b"1"),
            ]
        )
    )
    again = Outcome.KNOWN if policy is DedupPolicy.NONE else Outcome.DUPLICATE
    assert [outcome for _, outcome in partition.outcomes()][2:] == [Outcome.KNOWN, again]


def test_opting_out_of_sms_before_the_cut_is_in_the_messages() -> None:
    sms = {"smsContact": "+4512345678", "smsSubscribed": True}
    partition = Partition().run(
        log_of(
            [
                defined(),
                triggered(email=ANNA, **sms),
                triggered(email=BOB, **sms),
                triggered(rid=RID, context=b"2", smsSubscribed=True),
                changed(rid=RID, smsSubscribed=False, firstName="Later"),
                invoked(),
                triggered(rid=RID, context=b"3", smsSubscribed=True),
                changed(rid=RID, smsSubscribed=True),
                triggered(rid=RID, context=b"4"),
                invoked(),
            ]
        )
    )
    sends = partition.drain_all().sends()
    assert [(send["rid"] == RID, send["smsSubscribed"], send["firstName"]) for send in sends] == [
        (True, False, None),
        (False, True, None),
        (True, False, None),
        (True, False, "Later"),
        (True, True, "Later"),
    ]


def test_fields_changed_while_a_message_waits_are_not_in_it() -> None:
    partition = folded(changed(rid=RID, firstName="Later"), triggered(rid=RID, context=b"2"))
    partition.run(log_of([invoked()], start=4)).drain_all()
    assert [send["firstName"] for send in partition.sends()] == ["Anna", "Later"]


def many(count: int) -> list[Event]:
    """So many messages that they fill batches: Anna's are the first, the last, and in between."""
    people = list(islice(filter(lives_here, (f"{n}@b.org" for n in range(9 * count))), count))
    context = b"x" * 500
    others = [triggered(email=email, context=context) for email in people]
    hers = [triggered(rid=RID, context=b"%d" % number) for number in range(3)]
    return [hers[0], *others[: count // 2], hers[1], *others[count // 2 :], hers[2]]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_messages_are_taken_back_from_every_batch_they_are_in(chunk: int) -> None:
    events = log_of([defined(), CREATED, *many(400)])
    partition = Partition()
    for start in range(0, len(events), chunk):
        partition.run(events[start : start + chunk])
    queue = partition.state.queues[2, 1, 1]
    assert len(queue.batches) > sum(batch.size for batch in queue.batches.values()) // BATCH_BYTES
    partition.run(log_of([changed(rid=RID, status=0)], start=len(events)))
    assert counters(partition) == (400, 0, 4)
    assert len(queue) == 400
    restored = rebuilt(partition.output.changelog)
    assert dump(restored.state) == dump(partition.state)
    end = log_of([invoked()], start=len(events) + 1)
    for each in (partition, restored):
        each.run(end).drain_all(slice_size=10)
        assert len(each.sends()) == 400
        assert RID not in {send["rid"] for send in each.sends()}


def test_a_message_of_the_same_transaction_is_taken_back_and_the_batch_goes_on() -> None:
    partition = folded(
        triggered(email=BOB),
        changed(rid=RID, status=0),
        triggered(email=BOB, context=b"2"),
        changed(rid=RID, status=1),
        triggered(rid=RID, context=b"3"),
        changed(rid=RID, status=0),
        triggered(email=BOB, context=b"4"),
    )
    written = [key for key, _ in partition.output.changelog if key.startswith(b"p:")]
    assert written == [b"p:2:1:1:1"]
    assert counters(partition) == (3, 0, 2)
    assert dump(rebuilt(partition.output.changelog).state) == dump(partition.state)
    partition.run(log_of([invoked()], start=9)).drain_all()
    assert [send["context"] for send in partition.sends()] == [b"", b"2", b"4"]


def test_a_batch_rewritten_and_drained_at_once_is_deleted_and_not_written() -> None:
    partition = folded(triggered(email=BOB))
    partition.output.changelog.clear()
    effects = partition.step(log_of([changed(rid=RID, status=0), invoked()], start=3), drain=10)
    written = {key: value for key, value in effects.state if key.startswith(b"p:")}
    assert written == {b"p:2:1:1:1": None}
    partition.fold.commit()
    partition.output.take(effects)
    assert [send["email"] for send in partition.sends()] == [BOB]


def test_a_suppression_rolled_back_puts_every_message_and_dedup_key_back() -> None:
    partition = folded(triggered(email=BOB), triggered(rid=RID, context=b"2"))
    before = dump(partition.state)
    partition.step(log_of([changed(rid=RID, status=0), invoked()], start=4), drain=1)
    partition.step(log_of([changed(rid=RID, status=1), triggered(rid=RID)], start=6))
    partition.step(log_of([changed(rid=RID, smsSubscribed=False)], start=8))
    partition.fold.rollback()
    assert dump(partition.state) == before
    partition.run(log_of([triggered(rid=RID, context=b"2")], start=4))
    assert partition.outcomes()[-1][1] is Outcome.DUPLICATE


def test_a_changed_recipient_is_written_alone_after_its_batch() -> None:
    partition = folded(changed(rid=RID, status=0), changed(rid=RID, status=3))
    kinds = [key for key, _ in partition.output.changelog if key[:2] in {b"b:", b"r:"}]
    assert kinds == [b"b:%d" % RID, b"r:" + recipient_key(2, ANNA)]
    assert dump(rebuilt(partition.output.changelog).state) == dump(partition.state)


def test_a_recipient_of_an_older_release_has_no_date() -> None:
    frame = b"\xc3\x01" + bytes.fromhex("2ce93b66eda24daa")
    partition = folded()
    changelog = []
    for key, value in partition.output.changelog:
        if key.startswith(b"b:"):
            (kept,) = CODEC.decode(value)[1]["recipients"]
            kept["recipient"] = frame + kept["recipient"][10:-7]
            changelog.append((key, CODEC.encode("RecipientBatch", {"recipients": [kept]})))
        else:
            changelog.append((key, value))
    restored = rebuilt(changelog)
    restored.run(log_of([asked(rid=RID), changed(rid=RID, city="Ribe")], start=2))
    (_, shown), (_, then) = restored.shown()
    assert (shown["created"], shown["modified"], shown["firstName"]) == (0, 0, "Anna")
    assert (then["created"], then["modified"], then["city"]) == (0, START_MS + 3000, "Ribe")
