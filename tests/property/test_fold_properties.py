"""Whatever the log and however it is cut, the fold says the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from schemas.framing import SINGLE_OBJECT_BYTES, Framing, schema_text
from schemas.ids import recipient_key, rid_of
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from streams.verify.mailing import DRAINED
from tests.support.events import CODEC, Event, defined, log_of, triggered
from tests.support.folding import (
    HOME,
    Output,
    Partition,
    at_home,
    dump,
    none_is_ordinary,
    rebuilt,
)
from tests.support.logs import Step, logs, nearly_ordinary, plans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.effects import Effects
    from streams.core.transition import LogRecord
    from tests.support.folding import ChangelogRecord


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
        for mailing in answer.get("mailings", ()):
            mailing.update(dict.fromkeys(DRAINED))
    return (
        output.calls(),
        output.answers,
        output.shown,
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
    sent: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for send in partition.sends():
        sent[send["orgid"], send["mid"]][send["channel"]] += 1
    for ident, mailing in partition.state.mailings.items():
        accepted = mailing.created + mailing.known
        assert accepted == mailing.pending + mailing.sent + mailing.suppressed
        assert mailing.pending == queued[ident]
        emails = mailing.sent - mailing.sms_only - mailing.unreachable
        assert (emails, mailing.sms) == (sent[ident]["EMAIL"], sent[ident]["SMS"])
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
        if key.startswith(b"r:") and value is not None:
            rid = CODEC.decode(value)[1]["rid"]
            assert creators.setdefault(key[2:], rid) == rid
        if key.startswith(b"b:") and value is not None:
            for kept in CODEC.decode(value)[1]["recipients"]:
                rid = CODEC.decode(kept["recipient"])[1]["rid"]
                assert creators.setdefault(kept["key"], rid) == rid
    assert len(set(creators.values())) == len(creators)
    # Who is erased by the transaction that creates them is in no record but the stub.
    given = {*creators.values(), *(stub.rid for stub in partition.state.stubs.stubs.values())}
    for ack in partition.output.acks:
        assert (ack.rid in given) == ack.outcome.accepted


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


@COMMON
@given(log=logs())
def test_a_run_of_ordinary_triggers_is_folded_as_one_by_one(log: list[LogRecord]) -> None:
    quick = Partition().run(log).drain_all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.core.transition.fold_run", none_is_ordinary)
        plain = Partition().run(log).drain_all()
    assert said(quick.output) == said(plain.output)
    assert quick.output.changelog == plain.output.changelog
    assert dump(quick.state) == dump(plain.state)


@COMMON
@given(events=st.lists(nearly_ordinary(), min_size=1, max_size=30), confluent=st.booleans())
def test_a_run_meets_the_bounds_of_what_it_reads_as_the_plain_fold_does(
    events: list[Event], *, confluent: bool
) -> None:
    framing = Framing()
    if confluent:
        frame = framing.learn(7, schema_text(RECIPIENT_TRIGGERED))
        events = [(key, frame + (value or b"")[SINGLE_OBJECT_BYTES:]) for key, value in events]
    log = log_of([defined(), *events])
    outputs = []
    for declined in (False, True):
        partition = Partition(framing=framing)
        with pytest.MonkeyPatch.context() as patch:
            if declined:
                patch.setattr("streams.core.transition.fold_run", none_is_ordinary)
            partition.run(log)
        outputs.append((said(partition.output), partition.output.changelog, dump(partition.state)))
    assert outputs[0] == outputs[1]


def test_every_ordinary_trigger_is_folded_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = at_home("a@b.org", "zoe.b@b.org")
    everything = {
        "firstName": "Zoë",
        "contentType": 1,
        "smsContact": "+31612345678",
        "smsSubscribed": True,
        "profileData": {"größe": "1.10"},
    }
    events = [
        triggered(email=a),
        triggered(email=a, context=b"x" * 200, index=5_000),
        triggered(email=a, context=b"x" * 200),
        triggered(email=b, status=3, reply_partition=-1, request_id="", **everything),
        triggered(rid=rid_of(1, HOME), context=b"by rid"),
    ]
    partition = Partition().run(log_of([defined()]))
    monkeypatch.delattr("streams.core.transition.apply_trigger")
    partition.run(log_of(events, start=1))
    assert partition.output.dead_letters == []
    assert [outcome.name for _, outcome in partition.outcomes()] == [
        *("CREATED", "KNOWN", "DUPLICATE", "KNOWN")
    ]
