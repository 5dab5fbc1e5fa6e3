"""A mailing's cap a recipient and hour: what counts, what is answered, what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.caps import COUNTS_MS, KEPT_MS
from schemas.ids import mailing_key, rid_of
from schemas.partition import partition_for
from schemas.records import DedupPolicy, Outcome
from tests.support.events import (
    CODEC,
    START_MS,
    Event,
    changed,
    defined,
    erased,
    invoked,
    once,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, Partition, at_home, dump, rebuilt

if TYPE_CHECKING:
    from streams.core.transition import LogRecord

A, B = at_home("a@b.org", "b@b.org")
CAP = defined(hourly_cap=2, interval_s=0)
OTHER = next(m for m in range(2, 99) if partition_for(mailing_key(2, m), PARTITIONS) == HOME)
CREATED, KNOWN, DUPLICATE = Outcome.CREATED, Outcome.KNOWN, Outcome.DUPLICATE
SUPPRESSED = Outcome.SUPPRESSED


def at(offset: int, event: Event, *, after_ms: int = 0) -> LogRecord:
    return offset, *event, START_MS + after_ms


def message(number: int, email: str = A) -> Event:
    return triggered(email=email, context=b"%d" % number)


def outcomes(partition: Partition) -> list[Outcome]:
    return [outcome for _, outcome in partition.outcomes()]


def test_one_message_more_is_suppressed_and_its_recipients_id_is_answered() -> None:
    partition = Partition().run([at(0, CAP), *(at(n, message(n)) for n in (1, 2, 3))])
    rid = rid_of(1, HOME)
    assert partition.outcomes() == [(rid, CREATED), (rid, KNOWN), (rid, SUPPRESSED)]
    partition.run([at(4, invoked())]).drain_all()
    assert [send["context"] for send in partition.sends()] == [b"1", b"2"]
    mailing = partition.state.mailings[2, 1]
    assert (mailing.triggered, mailing.created, mailing.known, mailing.suppressed) == (3, 1, 2, 1)
    assert (mailing.sent, mailing.pending) == (2, 0)


@pytest.mark.parametrize(("after_ms", "outcome"), [(COUNTS_MS - 1, SUPPRESSED), (COUNTS_MS, KNOWN)])
def test_a_message_counts_for_an_hour_of_the_logs_time(after_ms: int, outcome: Outcome) -> None:
    log = [at(0, CAP), at(1, message(1)), at(2, message(2), after_ms=COUNTS_MS // 2)]
    partition = Partition().run([*log, at(3, message(3), after_ms=after_ms)])
    assert outcomes(partition)[-1] is outcome


def test_what_was_suppressed_does_not_count() -> None:
    log = [at(0, CAP), at(1, message(1)), at(2, message(2))]
    log += [at(n, message(n), after_ms=COUNTS_MS - 1) for n in range(3, 10)]
    partition = Partition().run(log)
    partition.run([at(n, message(n), after_ms=COUNTS_MS) for n in (10, 11, 12)])
    assert outcomes(partition)[-3:] == [KNOWN, KNOWN, SUPPRESSED]


def test_the_cap_is_each_recipients_and_each_mailings() -> None:
    other = [defined(2, OTHER, hourly_cap=1), triggered(2, OTHER, email=A)]
    log = [CAP, message(1), message(2), message(3), message(1, B), *other]
    partition = Partition().run([at(n, event) for n, event in enumerate(log)])
    assert outcomes(partition) == [CREATED, KNOWN, SUPPRESSED, CREATED, KNOWN]


def test_an_invocation_gives_nobody_more() -> None:
    partition = Partition().run(
        [at(0, CAP), at(1, message(1)), at(2, invoked()), at(3, message(1))]
    )
    partition.drain_all().run([at(4, invoked()), at(5, message(1))])
    assert outcomes(partition) == [CREATED, KNOWN, SUPPRESSED]


def test_a_duplicate_is_told_so_however_often_it_comes() -> None:
    partition = Partition().run([at(0, CAP), *(at(n, message(n % 2)) for n in range(1, 6))])
    assert outcomes(partition) == [CREATED, KNOWN, *[DUPLICATE] * 3]


def test_a_message_that_an_unsubscription_took_back_has_counted() -> None:
    log = [at(0, defined(hourly_cap=1)), at(1, message(1)), at(2, changed(email=A, status=0))]
    partition = Partition().run([*log, at(3, changed(email=A, status=1)), at(4, message(1))])
    assert outcomes(partition) == [CREATED, SUPPRESSED]


def test_who_comes_back_after_being_erased_gets_no_more() -> None:
    log = [at(0, defined(hourly_cap=1)), at(1, message(1)), at(2, erased(email=A))]
    partition = Partition().run([*log, at(3, message(2))])
    assert [rid for rid, _ in partition.outcomes()] == [rid_of(1, HOME)] * 2
    assert outcomes(partition) == [CREATED, SUPPRESSED]


def test_entries_of_a_call_with_a_key_count_alike() -> None:
    log = [at(0, defined(hourly_cap=1)), at(1, once(message(1))), at(2, message(2))]
    partition = Partition().run([*log, at(3, once(message(1)))])
    assert outcomes(partition) == [CREATED, SUPPRESSED, CREATED]


def test_a_cap_that_is_defined_later_counts_from_then_on() -> None:
    log = [at(0, defined()), at(1, message(1)), at(2, defined(hourly_cap=1)), at(3, message(2))]
    partition = Partition().run([*log, at(4, message(3)), at(5, defined()), at(6, message(4))])
    assert outcomes(partition) == [CREATED, KNOWN, SUPPRESSED, KNOWN]


def test_without_duplicates_a_burst_ends_at_the_cap() -> None:
    definition = defined(hourly_cap=1000, dedup=DedupPolicy.NONE)
    burst = [at(n, triggered(email=A)) for n in range(1, 1500)]
    partition = Partition().run([at(0, definition), *burst])
    assert outcomes(partition).count(SUPPRESSED) == 1499 - 1000


def test_a_mailing_without_a_cap_leaves_nothing_about_one() -> None:
    partition = Partition().run([at(0, defined()), at(1, message(1)), at(2, message(2))])
    kinds = {key[:2] for key, _ in partition.output.changelog}
    assert kinds == {b"b:", b"m:", b"p:", b"me"}
    assert partition.state.caps.times == {}


def test_what_counts_is_kept_restored_and_rolled_back() -> None:
    partition = Partition().run([at(0, CAP), at(1, message(1)), at(2, message(1, B))])
    before = dump(partition.state)
    assert dump(rebuilt(partition.output.changelog).state) == before
    partition.step([at(3, message(2)), at(4, message(2, B), after_ms=KEPT_MS)])
    partition.step([at(5, message(3), after_ms=KEPT_MS)])
    partition.fold.rollback()
    assert dump(partition.state) == before
    restored = rebuilt(partition.output.changelog).run([at(3, message(2)), at(4, message(3))])
    assert outcomes(restored) == [KNOWN, SUPPRESSED]


def test_what_counts_no_longer_is_forgotten_here_and_in_the_changelog() -> None:
    partition = Partition().run([at(0, CAP), at(1, message(1)), at(2, message(1, B))])
    assert dict(partition.output.changelog)[b"c:1"] is not None
    # Whatever it is that happens two hours later.
    partition.run([at(3, defined(2, OTHER), after_ms=KEPT_MS)])
    assert dict(partition.output.changelog)[b"c:1"] is None
    assert partition.state.caps.times == {}
    assert not partition.state.caps.batches


def test_a_clock_that_goes_back_gives_nobody_more() -> None:
    log = [at(0, defined(hourly_cap=1)), at(1, message(1), after_ms=1000), at(2, message(2))]
    assert outcomes(Partition().run(log)) == [CREATED, SUPPRESSED]


def test_an_hour_of_many_is_kept_in_a_few_bytes_a_message() -> None:
    partition = Partition().run([at(0, CAP), at(1, message(1)), at(2, message(2))])
    kept = dict(partition.output.changelog)[b"c:1"]
    rid = {"orgid": 2, "mid": 1, "rid": rid_of(1, HOME), "log_time": START_MS}
    assert CODEC.decode(kept) == ("CapState", {"messages": [rid, rid]})
    assert len(kept or b"") < 10 + 2 * 16
