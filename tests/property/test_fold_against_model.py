"""The fold and an independent reading of the same log come to the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings

from schemas.records import Outcome
from streams.verify.consequences import Ack, Answer, Dead, PersonAnswer, Send
from streams.verify.mailing import COUNTERS, SHOWN
from streams.verify.model import Model
from streams.verify.records import Records
from tests.property.test_fold_properties import play
from tests.support.folding import HOME, PARTITIONS
from tests.support.logs import Step, logs, plans

if TYPE_CHECKING:
    from streams.core.transition import LogRecord


RECORDS = Records()
_NAMED = ("send_id", "invocation", "channel")


def said_in(answer: dict[str, Any]) -> tuple[int, int, tuple[object, ...]]:
    """What an answer says, but for what is sent so far, which the log does not decide."""
    if "call" in answer:
        return answer["call"], answer["begun_at"], ()
    if "entries" in answer:
        entries = answer["entries"]
        return 0, 0, tuple((each["index"], each["rid"], each["outcome"]) for each in entries)
    if "mailings" not in answer:
        return 0, 0, tuple((each["offset"], each["rid"]) for each in answer["messages"])
    shown = tuple(tuple(mailing[name] for name in SHOWN) for mailing in answer["mailings"])
    return answer["revision"], answer["messages"], shown


@settings(
    deadline=None,
    max_examples=100,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(log=logs(), plan=plans())
def test_acks_answers_sends_and_counters_are_those_of_the_model(
    log: list[LogRecord], plan: list[Step]
) -> None:
    model = Model(HOME, PARTITIONS, RECORDS, fingerprint=tuple)
    met = [(record[0], out) for record in log for out in model.meet(*record)]
    partition = play(log, plan).drain_all(slice_size=4)
    dead = [offset for offset, out in met if isinstance(out, Dead)]
    assert [letter.offset for letter in partition.output.dead_letters] == dead
    acks = [ack for ack in partition.output.acks if ack.outcome is not Outcome.FAILED]
    wanted = [(*out[:4], Outcome[out.outcome or ""]) for _, out in met if isinstance(out, Ack)]
    # Calls may be interleaved in any way; within one, the order is the log's.
    assert sorted(acks, key=lambda ack: ack[:2]) == sorted(wanted, key=lambda ack: ack[:2])
    answers = [
        (to, answer["request_id"], answer["outcome"], *said_in(answer))
        for to, answer in partition.output.answers
        if answer["outcome"] != "FAILED"
    ]
    assert answers == [out[:6] for _, out in met if isinstance(out, Answer)]
    shown = [
        (to, *(answer[name] for name in ("request_id", "index", "outcome")), answer["recipient"])
        for to, answer in partition.output.shown
        if answer["outcome"] != "FAILED"
    ]
    assert shown == [
        (*out[:4], out.shows or b"") for _, out in met if isinstance(out, PersonAnswer)
    ]
    sends = [RECORDS.read(value)[1] for _, value in partition.output.sends]
    assert [
        (
            *(send[name] for name in _NAMED),
            model.said(send),
        )
        for send in sends
    ] == [
        (out.send_id(HOME), out.invocation, out.channel, out.says)
        for _, out in met
        if isinstance(out, Send)
    ]
    names = ("revision", "invocation", "state")
    assert {
        ident: {name: getattr(mailing, name) for name in (*COUNTERS, *names)}
        for ident, mailing in partition.state.mailings.items()
    } == {
        ident: mailing.counts | {name: getattr(mailing, name) for name in names}
        for ident, mailing in model.mailings.items()
    }
