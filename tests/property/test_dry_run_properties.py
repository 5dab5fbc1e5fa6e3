"""What a dry run says is what the call then does, and nothing is changed by asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers import dry_run
from producers.contract.entries import KnownEntry, OnTheFlyEntry
from producers.contract.errors import ContractError
from producers.dry_run import shares_of
from schemas.ids import recipient_key, rid_key, rid_of
from schemas.profiles import write_profile
from schemas.records import DedupPolicy, Origin
from tests.property.test_fold_properties import COMMON, play
from tests.support.events import START_MS, defined, erased, tried, triggered
from tests.support.folding import HOME, Ack, Partition, dump
from tests.support.logs import CONTEXTS, HOMES, LONG_CONTEXTS, MAILINGS, PEOPLE, Step, logs, plans

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from producers.contract.entries import Entry
    from streams.core.transition import LogRecord


NOBODY = rid_of(10**6, HOME)
PROFILE = write_profile({})
# Few, so that they meet: in the log, and in the call.
ADDRESSES = [*PEOPLE[0], *PEOPLE[2], *PEOPLE[4][:1]]


@st.composite
def calls(draw: DrawFn) -> list[Entry]:
    """Entries, mostly of few recipients; a rid is a place among those that are known."""

    def entry(index: int) -> Entry:
        context = draw(st.sampled_from((*CONTEXTS[:2], *LONG_CONTEXTS)))
        if draw(st.integers(0, 2)) == 0:
            email = draw(st.sampled_from((None, None, None, *ADDRESSES[:2])))
            return KnownEntry(index, draw(st.integers(0, 3)), email, context, PROFILE)
        status = draw(st.sampled_from((*[None] * 6, 0, 1, 3)))
        return OnTheFlyEntry(index, draw(st.sampled_from(ADDRESSES)), status, context, PROFILE)

    return [entry(index) for index in range(draw(st.integers(1, 10)))]


def targets() -> SearchStrategy[tuple[int, int]]:
    return st.sampled_from((*MAILINGS[:1] * 4, *MAILINGS, (2, 9)))


def policies() -> SearchStrategy[DedupPolicy | None]:
    return st.sampled_from((*[DedupPolicy.RECIPIENT_CONTEXT] * 3, *DedupPolicy, None))


def caps() -> SearchStrategy[int]:
    return st.sampled_from((0, 0, 1, 1, 2))


def erasures() -> SearchStrategy[list[str]]:
    """Those who are erased when the log is over."""
    return st.lists(st.sampled_from(ADDRESSES), max_size=2)


def known_rids(partition: Partition) -> list[int]:
    return list(dump(partition.state)["rids"])  # type: ignore[call-overload]


def given_rids(partition: Partition) -> set[int]:
    """Those that somebody has, or had and was erased."""
    return {*known_rids(partition), *(stub.rid for stub in partition.state.stubs.stubs.values())}


def meant(call: list[Entry], partition: Partition) -> list[Entry]:
    """The same with the rids of who was erased, of recipients, and of one whom there never is."""
    left = [stub.rid for stub in partition.state.stubs.stubs.values()]
    rids = [*left[-1:], *known_rids(partition)][:3]
    return [
        KnownEntry(e.index, [*rids, NOBODY][e.rid % (len(rids) + 1)], e.email, e.context, e.profile)
        if isinstance(e, KnownEntry)
        else e
        for e in call
    ]


def ready(
    partition: Partition,
    ident: tuple[int, int],
    dedup: DedupPolicy | None,
    cap: int,
    gone: list[str],
) -> None:
    """Let the mailing take triggers, unless it is closed or nothing is drawn; erase who is gone."""
    events = []
    for email in gone:
        events += [triggered(*ident, email=email), erased(ident[0], email=email)]
    if dedup is not None:
        origin = Origin.REQUEST if HOMES[ident] == HOME else Origin.COPY
        policy = {"dedup": dedup, "hourly_cap": cap}
        events.append(defined(*ident, **policy, origin=origin, revision=99))  # type: ignore[arg-type]
    for key, value in events:
        offset, time = at_end(partition, 0)
        partition.run([(offset, key, value, time)])
    # What counts no longer is forgotten a little at a time.
    before = None
    while before != (before := unchanged(partition)):
        partition.run()


def at_end(partition: Partition, number: int) -> tuple[int, int]:
    """An offset and a time after everything so far."""
    state, later = partition.state, 1 + number
    return state.applied + later, max(START_MS, state.applied_at) + 10 * later


def trial(partition: Partition, call: list[Entry], ident: tuple[int, int]) -> list[dict[str, Any]]:
    """Ask what would become of a call, in a transaction of its own."""
    offset, time = at_end(partition, 0)
    key, value = tried(map(dry_run.tried, call), *ident)
    before = len(partition.output.answers)
    partition.run([(offset, key, value, time)])
    ((_, answer),) = partition.output.answers[before:]
    assert answer["outcome"] == "DONE"
    entries: list[dict[str, Any]] = answer["entries"]
    return entries


def real(partition: Partition, call: list[Entry], ident: tuple[int, int]) -> list[Ack]:
    """Make the call."""
    records = []
    for number, entry in enumerate(call):
        offset, time = at_end(partition, number)
        fields = dry_run.tried(entry) | {"context": entry.context}
        key, value = triggered(*ident, **fields)  # type: ignore[arg-type]
        records.append((offset, key, value, time))
    before = len(partition.output.acks)
    partition.run(records)
    return partition.output.acks[before:]


def unchanged(partition: Partition) -> dict[str, object]:
    """All that a state knows, but for how far the log was read."""
    return dump(partition.state, with_seq=False) | {"applied": None}


def agree(foretold: list[dict[str, Any]], came: list[Ack], known: set[int]) -> None:
    assert [(row["index"], row["outcome"]) for row in foretold] == [
        (ack.entry, ack.outcome.name) for ack in came
    ]
    for row, ack in zip(foretold, came, strict=True):
        if row["rid"] or not ack.outcome.accepted:
            assert row["rid"] == ack.rid
        else:
            assert ack.rid not in known


@COMMON
@given(
    log=logs(max_size=20),
    plan=plans(),
    call=calls(),
    ident=targets(),
    dedup=policies(),
    cap=caps(),
    gone=erasures(),
)
def test_a_dry_run_says_what_the_call_then_does_and_changes_nothing(
    log: list[LogRecord],
    plan: list[Step],
    call: list[Entry],
    ident: tuple[int, int],
    dedup: DedupPolicy | None,
    cap: int,
    gone: list[str],
) -> None:
    partition = play(log, plan)
    ready(partition, ident, dedup, cap, gone)
    call = meant(call, partition)
    before, known = unchanged(partition), given_rids(partition)
    written, sent = len(partition.output.changelog), len(partition.output.sends)
    buried = len(partition.output.dead_letters)

    foretold = trial(partition, call, ident)

    assert unchanged(partition) == before
    assert [key for key, _ in partition.output.changelog[written:]] == [b"meta"]
    assert (len(partition.output.sends), len(partition.output.dead_letters)) == (sent, buried)
    agree(foretold, real(partition, call, ident), known)


@COMMON
@given(
    log=logs(max_size=9),
    call=calls(),
    dedup=policies(),
    cap=caps(),
    gone=erasures(),
    at_once=st.integers(2, 8),
)
def test_a_dry_run_in_parts_says_what_the_whole_call_then_does(
    log: list[LogRecord],
    call: list[Entry],
    dedup: DedupPolicy | None,
    cap: int,
    gone: list[str],
    at_once: int,
) -> None:
    partition, ident = play(log, [Step(5, 5, kept=True)]), MAILINGS[0]
    ready(partition, ident, dedup, cap, gone)
    call, known = meant(call, partition), given_rids(partition)
    recipients: dict[bytes, list[Entry]] = {}
    for entry in call:
        by_rid = isinstance(entry, KnownEntry)
        key = rid_key(ident[0], entry.rid) if by_rid else recipient_key(ident[0], entry.email)
        recipients.setdefault(key, []).append(entry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dry_run, "MAX_DRY_RUN_ENTRIES", at_once)
        try:
            shares = list(shares_of(recipients))
        except ContractError:
            kinds = {type(entry) for entry in call}
            assert len(kinds) > 1 or max(map(len, recipients.values())) > at_once
            return
    assert max(map(len, shares)) <= at_once
    foretold = [row for share in shares for row in trial(partition, share, ident)]
    agree(sorted(foretold, key=lambda row: row["index"]), real(partition, call, ident), known)
