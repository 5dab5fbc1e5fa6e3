"""A dry run: what each entry would become, what is refused, and that nobody else hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.contexts import LITERAL_BYTES, comparable
from schemas.ids import rid_of
from schemas.records import DedupPolicy, MailingPhase, Origin, UnknownRecipients
from schemas.topics import MAX_DRY_RUN_ENTRIES, MAX_EVENT_BYTES
from tests.support.events import (
    START_MS,
    Event,
    defined,
    erased,
    invoked,
    log_of,
    switched,
    tried,
    triggered,
)
from tests.support.folding import HOME, Partition, at_home
from tests.support.logs import HOMES

ANNA, BERTA, CARLA = at_home("anna@b.org", "berta@b.org", "carla@b.org")
LONG = b'"%s"' % (b"x" * 600)
# Of the first trigger in `after`.
ANNAS = rid_of(1, HOME)


def after(*events: Event) -> Partition:
    """A mailing, and what happened in it."""
    return Partition().run(log_of([defined(), *events]))


def ask(partition: Partition, *entries: dict[str, Any], **to: Any) -> list[tuple[int, str]]:
    """(rid, outcome) of each."""
    offset = partition.state.applied + 1
    partition.run(log_of([tried(entries, **to)], start=offset))
    to_partition, answer = partition.output.answers[-1]
    assert (to_partition, answer["index"], answer["outcome"]) == (0, HOME, "DONE")
    assert [entry["index"] for entry in answer["entries"]] == [*range(len(entries))]
    return [(entry["rid"], entry["outcome"]) for entry in answer["entries"]]


def test_each_entry_is_told_what_it_would_become() -> None:
    partition = after(
        triggered(email=ANNA, context=b"1"),
        triggered(email=BERTA, status=0),
    )
    assert ask(
        partition,
        {"email": CARLA},
        {"email": ANNA.upper(), "context": b"1"},
        {"rid": ANNAS, "context": b"2"},
        {"email": BERTA},
        {"rid": rid_of(99, HOME)},
        {"rid": ANNAS, "email": BERTA},
    ) == [
        (0, "CREATED"),
        (ANNAS, "DUPLICATE"),
        (ANNAS, "KNOWN"),
        (rid_of(2, HOME), "SUPPRESSED"),
        (0, "UNKNOWN_RECIPIENT"),
        (0, "EMAIL_MISMATCH"),
    ]


def test_an_entry_is_judged_after_those_before_it_in_the_call_alone() -> None:
    partition = after(triggered(email=ANNA, context=b"1"))
    entries = (
        {"email": CARLA},
        {"email": CARLA},
        {"email": CARLA, "context": b"2"},
        {"email": BERTA, "status": 0},
        {"email": BERTA},
        {"rid": ANNAS},
        {"email": ANNA},
    )
    first = ask(partition, *entries)
    assert first == [
        (0, "CREATED"),
        (0, "DUPLICATE"),
        (0, "KNOWN"),
        (0, "SUPPRESSED"),
        (0, "SUPPRESSED"),
        (ANNAS, "KNOWN"),
        (ANNAS, "DUPLICATE"),
    ]
    assert ask(partition, *entries) == first


def test_who_would_be_created_is_not_taken_for_another() -> None:
    entries = [{"email": BERTA, "context": b"1"}, {"email": CARLA, "context": b"2"}]
    told = ask(after(), *entries, {"email": BERTA, "context": b"2"})
    assert told == [(0, "CREATED"), (0, "CREATED"), (0, "KNOWN")]


def test_what_was_cut_makes_no_duplicate() -> None:
    partition = after(triggered(email=ANNA), invoked())
    assert ask(partition, {"email": ANNA}) == [(ANNAS, "KNOWN")]


def test_who_was_erased_would_come_back_with_the_same_id_and_has_not_by_asking() -> None:
    partition = after(triggered(email=ANNA), erased(email=ANNA))
    entries = ({"rid": ANNAS}, {"email": ANNA}, {"email": ANNA}, {"rid": ANNAS, "context": b"2"})
    for _ in range(2):
        assert ask(partition, *entries) == [
            (0, "UNKNOWN_RECIPIENT"),
            (ANNAS, "CREATED"),
            (ANNAS, "DUPLICATE"),
            (ANNAS, "KNOWN"),
        ]


def test_who_had_unsubscribed_and_was_erased_would_be_suppressed() -> None:
    partition = after(triggered(email=ANNA, status=0), erased(email=ANNA))
    assert ask(partition, {"email": ANNA, "status": 1}) == [(ANNAS, "SUPPRESSED")]


def test_what_a_cap_allows_counts_with_what_the_call_itself_would_add() -> None:
    partition = after(defined(hourly_cap=2), triggered(email=ANNA))
    one, two = {"context": b"1"}, {"context": b"2"}
    anna = {"rid": rid_of(2, HOME)} | one
    entries = (anna, {"email": ANNA} | two, {"email": BERTA}, {"email": BERTA})
    # Who only asks takes nothing of it away.
    for _ in range(3):
        told = ask(partition, *entries, {"email": BERTA} | one, {"email": BERTA} | two)
        assert [outcome for _, outcome in told] == [
            "KNOWN",
            "SUPPRESSED",
            "CREATED",
            "DUPLICATE",
            "KNOWN",
            "SUPPRESSED",
        ]
    assert list(partition.state.caps.times.values()) == [[START_MS + 2000]]


@pytest.mark.parametrize(
    ("dedup", "outcomes"),
    [
        (DedupPolicy.RECIPIENT, ["DUPLICATE", "DUPLICATE"]),
        (DedupPolicy.RECIPIENT_CONTEXT, ["DUPLICATE", "KNOWN"]),
        (DedupPolicy.NONE, ["KNOWN", "KNOWN"]),
    ],
)
def test_the_mailings_own_dedup_decides(dedup: DedupPolicy, outcomes: list[str]) -> None:
    partition = after(defined(dedup=dedup), triggered(email=ANNA, context=b"1"))
    told = ask(partition, {"email": ANNA, "context": b"1"}, {"email": ANNA, "context": b"2"})
    assert [outcome for _, outcome in told] == outcomes


def test_a_long_context_is_equal_to_its_digest_and_to_no_other() -> None:
    partition = after(triggered(email=ANNA, context=LONG))
    told = ask(
        partition,
        {"email": ANNA, "context": comparable(LONG)},
        {"email": ANNA, "context": LONG},
        {"email": ANNA, "context": comparable(LONG + b" ")},
    )
    assert [outcome for _, outcome in told] == ["DUPLICATE", "DUPLICATE", "KNOWN"]


@pytest.mark.parametrize("size", [0, LITERAL_BYTES, LITERAL_BYTES + 1, 10 * LITERAL_BYTES])
def test_what_a_context_is_compared_by_is_short_and_its_own(size: int) -> None:
    short = comparable(b"c" * size)
    assert len(short) <= LITERAL_BYTES
    assert comparable(short) == short


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([switched(MailingPhase.CANCELLED)], "MAILING_CLOSED"),
        ([defined(type="periodic")], "NOT_TRIGGERED"),
        ([defined(unknown_recipients=UnknownRecipients.REJECT)], "UNKNOWN_RECIPIENT"),
        ([switched(MailingPhase.SUSPENDED)], "CREATED"),
    ],
)
def test_the_mailing_decides_as_it_is_now(events: list[Event], outcome: str) -> None:
    assert ask(after(*events), {"email": CARLA}) == [(0, outcome)]


def test_an_unknown_mailing_takes_nobody() -> None:
    assert ask(after(), {"email": ANNA}, mid=9) == [(0, "UNKNOWN_MAILING")]


def test_a_recipient_of_another_organisation_is_unknown() -> None:
    origin = Origin.REQUEST if HOMES[3, 1] == HOME else Origin.COPY
    partition = after(triggered(email=ANNA), defined(3, 1, origin=origin, revision=1))
    assert ask(partition, {"rid": ANNAS}) == [(ANNAS, "DUPLICATE")]
    assert ask(partition, {"rid": ANNAS}, orgid=3) == [(0, "UNKNOWN_RECIPIENT")]


def test_nobody_is_told_who_does_not_wait() -> None:
    partition = after()
    before = len(partition.output.answers)
    partition.run(log_of([tried([{"email": ANNA}], reply_partition=-1)], start=5))
    assert len(partition.output.answers) == before


@pytest.mark.parametrize(
    ("entries", "reason", "told"),
    [
        ([{"email": ANNA}, {"email": "guest@b.org"}], "NOT_HOME", "FAILED"),
        ([{"email": ANNA}, {"rid": rid_of(0, HOME + 1)}], "FOREIGN_KEY", "FAILED"),
        ([{"email": ANNA}, {"email": "nobody"}], "NO_RECIPIENT", "FAILED"),
        ([{"email": ANNA}] * (MAX_DRY_RUN_ENTRIES + 1), "TOO_MANY", None),
    ],
)
def test_what_cannot_be_judged_is_a_dead_letter(
    entries: list[dict[str, Any]], reason: str, told: str | None
) -> None:
    partition = after()
    before = len(partition.output.answers)
    partition.run(log_of([tried(entries)], start=5))
    (letter,) = partition.output.dead_letters
    assert letter.reason == reason
    answers = [answer for _, answer in partition.output.answers[before:]]
    assert [(answer["outcome"], answer["entries"]) for answer in answers] == (
        [(told, [])] if told else []
    )
    # The next one is unharmed, and nobody was created.
    assert ask(partition, {"email": ANNA}) == [(0, "CREATED")]


def test_an_event_of_the_largest_entries_fits() -> None:
    widest = {"email": "ü" * 124 + "@b.org", "context": bytes(LITERAL_BYTES), "rid": 2**53}
    _, value = tried([widest] * MAX_DRY_RUN_ENTRIES, request_id="r" * 64)
    assert value is not None
    assert len(value) <= MAX_EVENT_BYTES
