"""Whatever the log and however it is cut, the fold says the same."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from schemas.ids import recipient_key
from schemas.records import Outcome
from tests.support.events import CODEC, defined, log_of, triggered
from tests.support.folding import Output, Partition, at_home, dump, rebuilt
from tests.support.logs import Step, logs, plans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.effects import Effects
    from streams.core.transition import LogRecord
    from tests.support.folding import ChangelogRecord

# Shrinking a failure takes minutes; a pass takes seconds.
pytestmark = pytest.mark.timeout(600)

PLAIN = [Step(1, 0, kept=True)]
COMMON = settings(
    deadline=None,
    max_examples=100,
    # Without `explain`, which traces every line and takes minutes here.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def cut(log: list[LogRecord], plan: list[Step]) -> Iterator[tuple[list[LogRecord], Step]]:
    at = 0
    while at < len(log):
        for step in plan:
            yield log[at : at + step.records], step
            at += step.records


def play(log: list[LogRecord], plan: list[Step], partition: Partition | None = None) -> Partition:
    """Fold the log as *plan* cuts it; up to three transactions are open at a time."""
    played = partition or Partition()
    opened: list[Effects] = []
    for records, step in cut(log, plan):
        opened.append(played.step(records, drain=step.drain))
        while opened and (step.kept or len(opened) > 3):
            played.fold.commit()
            played.output.take(opened.pop(0))
    for effects in opened:
        played.fold.commit()
        played.output.take(effects)
    return played


def said(output: Output) -> tuple[object, ...]:
    """The effects, without what the cutting decides: the changelog, and how far a drain is."""
    for _, answer in output.answers:
        for mailing in answer["mailings"]:
            mailing["sent"] = None
    return (
        output.calls(),
        output.answers,
        output.copies,
        output.sends,
        output.dead_letters,
    )


def compacted(
    records: list[ChangelogRecord], *, until: int, keep_tombstones: bool
) -> list[ChangelogRecord]:
    """The topic after Kafka compacted its first *until* records."""
    last = {key: at for at, (key, _) in enumerate(records[:until])}
    return [
        (key, value)
        for at, (key, value) in enumerate(records)
        if at >= until or (last[key] == at and (value is not None or keep_tombstones))
    ]


@COMMON
@given(log=logs(), plan=plans())
def test_any_cut_of_a_log_and_any_slices_of_drains_say_the_same(
    log: list[LogRecord], plan: list[Step]
) -> None:
    plain = play(log, PLAIN).drain_all()
    other = play(log, plan).drain_all(slice_size=3)
    assert said(other.output) == said(plain.output)
    assert dump(other.state, with_seq=False) == dump(plain.state, with_seq=False)


@COMMON
@given(log=logs(), plan=plans(), again=st.integers(0, 40))
def test_a_prefix_delivered_again_changes_nothing(
    log: list[LogRecord], plan: list[Step], again: int
) -> None:
    once = play(log, plan)
    before = dump(once.state, with_seq=False)
    effects = once.step(log[:again])
    once.fold.commit()
    assert not effects.replies
    assert not effects.sends
    assert not effects.dead_letters
    assert [key for key, _ in effects.state] == [b"meta"]
    assert dump(once.state, with_seq=False) == before


@COMMON
@given(
    log=logs(),
    plan=plans(),
    open_from=st.integers(0, 40),
    lost=st.integers(1, 4),
    sealed=st.booleans(),
)
def test_transactions_rolled_back_and_folded_again_leave_nothing_behind(
    log: list[LogRecord], plan: list[Step], open_from: int, lost: int, *, sealed: bool
) -> None:
    straight = play(log, plan)
    partition = play(log[:open_from], plan)
    before = dump(partition.state)
    rest = log[open_from:]
    for records, step in list(cut(rest, plan))[:lost]:
        effects = partition.step(records, drain=step.drain)
    if not sealed:
        partition.fold.begin()
        partition.fold.drain(1, effects if rest else straight.step())
    partition.fold.rollback()
    assert dump(partition.state) == before
    play(rest, plan, partition)
    partition.drain_all()
    straight.drain_all()
    assert said(partition.output) == said(straight.output)
    assert dump(partition.state, with_seq=False) == dump(straight.state, with_seq=False)


@COMMON
@given(
    log=logs(),
    plan=plans(),
    compact=st.floats(0, 1),
    keep_tombstones=st.booleans(),
    stop=st.integers(0, 40),
)
def test_a_state_rebuilt_from_its_changelog_is_the_live_one(
    log: list[LogRecord], plan: list[Step], compact: float, stop: int, *, keep_tombstones: bool
) -> None:
    live = play(log[:stop], plan)
    changelog = live.output.changelog
    assume(changelog)
    left = compacted(
        changelog, until=round(compact * len(changelog)), keep_tombstones=keep_tombstones
    )
    restored = rebuilt(left)
    assert dump(restored.state) == dump(live.state)
    live.output = Output()
    play(log[stop:], plan, live).drain_all()
    play(log[stop:], plan, restored).drain_all()
    assert said(restored.output) == said(live.output)
    assert dump(restored.state) == dump(live.state)


@COMMON
@given(log=logs(), plan=plans())
def test_accepted_is_pending_and_sent_and_suppressed(
    log: list[LogRecord], plan: list[Step]
) -> None:
    partition = play(log, plan)
    queued: dict[tuple[int, int], int] = defaultdict(int)
    for (orgid, mid, _), queue in partition.state.queues.items():
        queued[orgid, mid] += len(queue)
    sent: dict[tuple[int, int], int] = defaultdict(int)
    for send in partition.sends():
        sent[send["orgid"], send["mid"]] += 1
    for ident, mailing in partition.state.mailings.items():
        accepted = mailing.created + mailing.known
        assert accepted == mailing.pending + mailing.sent + mailing.suppressed
        assert mailing.pending == queued[ident]
        assert mailing.sent == sent[ident]
        assert mailing.triggered == accepted + mailing.duplicates + mailing.rejected
    ids = [send["send_id"] for send in partition.sends()]
    assert len(ids) == len(set(ids))


@COMMON
@given(log=logs(), plan=plans())
def test_an_address_has_one_rid_for_ever_and_a_rid_one_address(
    log: list[LogRecord], plan: list[Step]
) -> None:
    partition = play(log, plan)
    creators: dict[bytes, int] = {}
    for key, value in partition.output.changelog:
        if key.startswith(b"r:"):
            assert value is not None
            rid = CODEC.decode(value)[1]["rid"]
            assert creators.setdefault(key[2:], rid) == rid
    assert len(set(creators.values())) == len(creators)
    for ack in partition.output.acks:
        assert (ack.rid in creators.values()) == ack.outcome.accepted


def case_variants(email: str) -> st.SearchStrategy[str]:
    """Spellings of *email* in which letters have another case (that can be taken back)."""
    letters = [
        st.sampled_from([c, c.swapcase()]) if c.swapcase().swapcase() == c else st.just(c)
        for c in email
    ]
    return st.tuples(*letters).map("".join)


@COMMON
@given(
    data=st.data(),
    local=st.text("abcxyzäöéñжλ.+-09", min_size=1, max_size=12),
    domain=st.sampled_from(("domain.com", "exämple.org", "пример.рф")),
)
def test_spellings_that_differ_in_case_are_one_recipient_as_first_written(
    data: st.DataObject, local: str, domain: str
) -> None:
    (email,) = at_home(f"{local}@{domain}")
    spellings = data.draw(st.lists(case_variants(email), min_size=2, max_size=5))
    log = log_of([defined(), *(triggered(email=spelling) for spelling in spellings)])
    partition = Partition().run(log)
    rids = {rid for rid, _ in partition.outcomes()}
    assert len(rids) == 1
    stored = partition.state.recipients.get(recipient_key(2, email))
    assert stored is not None
    assert CODEC.decode(stored)[1]["email"] == spellings[0]
    assert partition.outcomes()[0][1] is Outcome.CREATED
