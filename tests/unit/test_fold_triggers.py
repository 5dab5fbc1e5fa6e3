"""What a trigger is answered, what it keeps, and the send that comes of it."""

from __future__ import annotations

from hashlib import blake2b
from string import ascii_lowercase

import pytest

from schemas.ids import recipient_key, rid_key, rid_of
from schemas.records import DedupPolicy, MailingPhase, Outcome, UnknownRecipients
from tests.support.events import Event, defined, invoked, log_of, triggered
from tests.support.folding import HOME, Partition, at_home, dump, lives_here

A, A_SHOUTED, A_AGAIN, B = at_home(
    "user@domain.com", "USER@DOMAIN.COM.", "User@Domain.com", "other@domain.com"
)
AWAY = "stranger@domain.com"
assert not lives_here(AWAY)
RID_A = rid_of(1, HOME)


def answered(*events: Event) -> Partition:
    """A partition that folded a definition of mailing 1, then *events* from offset 1."""
    return Partition().run(log_of([defined(), *events]))


def sent(*events: Event) -> list[dict[str, object]]:
    """The sends of mailing 1 after *events* and an invocation."""
    return answered(*events, invoked()).drain_all().sends()


def test_an_unseen_address_is_created_with_the_rid_of_its_offset() -> None:
    partition = answered(triggered(email=A, request_id="r", index=3, reply_partition=7))
    assert partition.output.acks == [(7, "r", 3, RID_A, Outcome.CREATED)]


def test_an_address_away_from_home_creates_nobody() -> None:
    partition = answered(triggered(email=AWAY), triggered(email=A))
    assert [letter.reason for letter in partition.output.dead_letters] == ["NOT_HOME"]
    assert partition.outcomes() == [(0, Outcome.FAILED), (rid_of(2, HOME), Outcome.CREATED)]
    assert partition.state.recipients.get(recipient_key(2, AWAY)) is None
    mailing = partition.state.mailings[2, 1]
    assert (mailing.triggered, mailing.created, mailing.pending) == (1, 1, 1)


def test_a_refusal_is_told_before_the_home_is_looked_at() -> None:
    partition = answered(
        triggered(2, 9, email=AWAY), defined(type="periodic"), triggered(email=AWAY)
    )
    assert partition.outcomes() == [(0, Outcome.UNKNOWN_MAILING), (0, Outcome.NOT_TRIGGERED)]
    assert partition.output.dead_letters == []


def test_nobody_is_answered_who_does_not_wait() -> None:
    partition = answered(triggered(email=A, reply_partition=-1))
    assert partition.output.acks == []
    assert partition.state.mailings[2, 1].created == 1


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (triggered(email=A, context=b"2"), (RID_A, Outcome.KNOWN)),
        (triggered(email=A, context=b"1"), (RID_A, Outcome.DUPLICATE)),
        (triggered(email=A_SHOUTED, context=b"1"), (RID_A, Outcome.DUPLICATE)),
        (triggered(rid=RID_A, context=b"2"), (RID_A, Outcome.KNOWN)),
        (triggered(rid=RID_A, context=b"1"), (RID_A, Outcome.DUPLICATE)),
        (triggered(rid=RID_A, email=A_AGAIN, context=b"2"), (RID_A, Outcome.KNOWN)),
        (triggered(rid=RID_A, email=B), (0, Outcome.EMAIL_MISMATCH)),
        (triggered(rid=RID_A + 1024), (0, Outcome.UNKNOWN_RECIPIENT)),
        (triggered(3, 1, email=A), (0, Outcome.UNKNOWN_MAILING)),
        (triggered(2, 9, email=A), (0, Outcome.UNKNOWN_MAILING)),
        (triggered(2, 9, rid=RID_A), (0, Outcome.UNKNOWN_MAILING)),
    ],
)
def test_each_second_trigger_has_its_outcome(second: Event, expected: tuple[int, Outcome]) -> None:
    partition = answered(triggered(email=A, context=b"1"), second)
    assert partition.outcomes()[1] == expected
    assert partition.output.dead_letters == []


def test_another_organisations_rid_is_answered_as_nobodys() -> None:
    partition = answered(triggered(email=A), defined(22, 1), triggered(22, 1, rid=RID_A))
    assert partition.outcomes()[-1] == (0, Outcome.UNKNOWN_RECIPIENT)


@pytest.mark.parametrize("phase", [MailingPhase.CANCELLED, MailingPhase.FINISHED])
def test_a_closed_mailing_takes_none(phase: MailingPhase) -> None:
    partition = answered(triggered(email=A))
    partition.state.mailings[2, 1].state = phase
    partition.run(log_of([triggered(email=B), triggered(rid=RID_A)], start=2))
    assert partition.outcomes()[1:] == [(0, Outcome.MAILING_CLOSED)] * 2
    assert partition.state.recipients.get(recipient_key(2, B)) is None
    assert partition.state.mailings[2, 1].rejected == 2


def test_a_suspended_mailing_still_collects() -> None:
    partition = answered()
    partition.state.mailings[2, 1].state = MailingPhase.SUSPENDED
    partition.run(log_of([triggered(email=A)], start=1))
    assert partition.outcomes() == [(RID_A, Outcome.CREATED)]
    assert partition.state.mailings[2, 1].pending == 1


def test_a_mailing_of_another_type_takes_none() -> None:
    partition = Partition().run(log_of([defined(type="periodic"), triggered(email=A)]))
    assert partition.outcomes() == [(0, Outcome.NOT_TRIGGERED)]
    assert dump(partition.state)["recipients"] == {}


def test_an_unsubscribed_recipient_keeps_its_id_and_gets_no_message() -> None:
    partition = answered(
        triggered(email=A, status=0),
        triggered(email=A, status=1),
        triggered(rid=RID_A, context=b"1"),
        invoked(),
    ).drain_all()
    assert partition.outcomes() == [(RID_A, Outcome.SUPPRESSED)] * 3
    mailing = partition.state.mailings[2, 1]
    assert (mailing.created, mailing.known, mailing.suppressed) == (1, 2, 3)
    assert partition.sends() == []


@pytest.mark.parametrize(
    ("policy", "outcomes"),
    [
        (DedupPolicy.RECIPIENT_CONTEXT, ["CREATED", "DUPLICATE", "KNOWN", "DUPLICATE"]),
        (DedupPolicy.RECIPIENT, ["CREATED", "DUPLICATE", "DUPLICATE", "DUPLICATE"]),
        (DedupPolicy.NONE, ["CREATED", "KNOWN", "KNOWN", "KNOWN"]),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 63, 64, 5000])
def test_the_policy_says_what_is_a_duplicate(
    policy: DedupPolicy, outcomes: list[str], size: int
) -> None:
    one, other = b"1" * size, b"1" * size + b"2"
    contexts = (one, one, other, one)
    events = [triggered(email=A, context=context) for context in contexts]
    partition = Partition().run(log_of([defined(dedup=policy), *events]))
    assert [outcome.name for _, outcome in partition.outcomes()] == outcomes


def test_a_digest_given_as_context_is_not_the_context_it_digests() -> None:
    long = b"x" * 100
    partition = answered(
        triggered(email=A, context=long), triggered(email=A, context=blake2b(long).digest())
    )
    assert [outcome for _, outcome in partition.outcomes()] == [Outcome.CREATED, Outcome.KNOWN]


def test_an_invocation_in_between_makes_the_same_trigger_a_new_message() -> None:
    partition = answered(triggered(email=A), invoked(), triggered(email=A), invoked()).drain_all()
    assert partition.outcomes() == [(RID_A, Outcome.CREATED), (RID_A, Outcome.KNOWN)]
    assert [send["invocation"] for send in partition.sends()] == [1, 2]


def test_a_changed_policy_counts_from_what_is_pending() -> None:
    partition = answered(
        triggered(email=A, context=b"1"),
        defined(dedup=DedupPolicy.RECIPIENT),
        triggered(email=A, context=b"2"),
        defined(dedup=DedupPolicy.NONE),
        triggered(email=A, context=b"1"),
        defined(dedup=DedupPolicy.RECIPIENT_CONTEXT),
        triggered(email=A, context=b"1"),
        triggered(email=A, context=b"2"),
    )
    assert [outcome.name for _, outcome in partition.outcomes()] == [
        "CREATED",
        "DUPLICATE",
        "KNOWN",
        "DUPLICATE",
        "KNOWN",
    ]


def test_the_address_of_a_send_is_the_one_first_written() -> None:
    sends = sent(
        triggered(email=A_AGAIN),
        triggered(email=A_SHOUTED, context=b"2", firstName="Joe"),
        triggered(rid=RID_A, email=A, context=b"3"),
        triggered(rid=RID_A, context=b"4"),
    )
    assert [send["email"] for send in sends] == [A_AGAIN] * 4


def test_the_calls_fields_stand_over_the_stored_ones_in_that_send_alone() -> None:
    sends = sent(
        triggered(email=A, firstName="John", city="Århus", profileData={"a": "1", "b": "2"}),
        triggered(email=A, context=b"2", firstName="Jo", profileData={"b": "3"}),
        triggered(rid=RID_A, context=b"3"),
    )
    assert [
        (send["firstName"], send["city"], send["lastName"], send["profileData"]) for send in sends
    ] == [
        ("John", "Århus", None, {"a": "1", "b": "2"}),
        ("Jo", "Århus", None, {"a": "1", "b": "3"}),
        ("John", "Århus", None, {"a": "1", "b": "2"}),
    ]


@pytest.mark.parametrize(
    ("stored", "called", "sent_with"),
    [
        (False, True, False),
        (False, None, False),
        (False, False, False),
        (True, False, False),
        (True, None, True),
        (None, True, True),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("by", [{"email": A}, {"rid": RID_A}], ids=["by address", "by rid"])
def test_a_call_never_subscribes_to_sms_whoever_opted_out(
    by: dict[str, object], stored: bool | None, called: bool | None, sent_with: bool | None
) -> None:
    creating = triggered(email=A, smsSubscribed=stored)
    calling = triggered(**by, context=b"2", smsSubscribed=called, phone1="+4512345678")  # type: ignore[arg-type]
    first, second = sent(creating, calling)
    assert (first["smsSubscribed"], second["smsSubscribed"]) == (stored, sent_with)
    assert second["phone1"] == "+4512345678"


@pytest.mark.parametrize("length", [6, 63, 64, 254])
def test_addresses_of_every_length_are_kept_whole(length: int) -> None:
    spellings = (f"{'a' * (length - 6)}{last}@b.dk" for last in ascii_lowercase)
    email = next(filter(lives_here, spellings))
    sends = sent(triggered(email=email), triggered(email=email, context=b"2", firstName="Jo"))
    assert [send["email"] for send in sends] == [email, email]


@pytest.mark.parametrize(
    "context",
    [b"", b"1.10", b"18446744073709551616", '"Grüße\\u0000"'.encode(), b"\xff\xfe", b"x" * 200_000],
)
def test_the_context_arrives_byte_for_byte(context: bytes) -> None:
    by_rid = triggered(rid=RID_A, context=context + b" ")
    sends = sent(triggered(email=A, context=context), by_rid)
    assert [send["context"] for send in sends] == [context, context + b" "]


def test_a_send_is_keyed_by_its_recipient_and_its_id_names_the_trigger() -> None:
    partition = answered(triggered(email=A), triggered(rid=RID_A, context=b"2"), invoked())
    again = answered(triggered(email=A), triggered(rid=RID_A, context=b"2"), invoked())
    partition.drain_all(slice_size=1)
    again.drain_all(slice_size=100)
    assert [send["send_id"] for send in partition.sends()] == [
        f"{RID_A}:{HOME}:1",
        f"{RID_A}:{HOME}:2",
    ]
    assert {key for key, _ in partition.output.sends} == {rid_key(2, RID_A)}
    assert again.output.sends == partition.output.sends


def test_an_unknown_address_is_refused_when_the_mailing_wants_it_so() -> None:
    rejecting = defined(unknown_recipients=UnknownRecipients.REJECT)
    partition = answered(
        triggered(email=A), rejecting, triggered(email=B), triggered(email=A_AGAIN, context=b"2")
    )
    assert partition.outcomes() == [
        (RID_A, Outcome.CREATED),
        (0, Outcome.UNKNOWN_RECIPIENT),
        (RID_A, Outcome.KNOWN),
    ]
    assert partition.state.recipients.get(recipient_key(2, B)) is None
    mailing = partition.state.mailings[2, 1]
    assert (mailing.triggered, mailing.rejected, mailing.pending) == (3, 1, 2)


def test_an_address_away_from_home_is_no_verdict_on_whether_it_is_known() -> None:
    rejecting = defined(unknown_recipients=UnknownRecipients.REJECT)
    partition = answered(rejecting, triggered(email=AWAY))
    assert [letter.reason for letter in partition.output.dead_letters] == ["NOT_HOME"]
