"""The fold and an independent reading of the same log come to the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from schemas.records import Outcome
from tests.property.test_fold_properties import play
from tests.support.folding import HOME
from tests.support.logs import HOMES, Step, logs, plans
from tests.support.model import COUNTERS, Model, decode

if TYPE_CHECKING:
    from streams.core.transition import LogRecord


# Shrinking a failure takes minutes; a pass takes seconds.
pytestmark = pytest.mark.timeout(600)


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
    model = Model(HOME, HOMES)
    for offset, key, value, _ in log:
        model.meet(offset, key, value)
    partition = play(log, plan).drain_all(slice_size=4)
    assert [letter.offset for letter in partition.output.dead_letters] == model.dead
    acks = [ack for ack in partition.output.acks if ack.outcome is not Outcome.FAILED]
    # Calls may be interleaved in any way; within one, the order is the log's.
    assert sorted(acks, key=lambda ack: ack[:2]) == sorted(
        [(*ack[:4], Outcome[ack[4]]) for ack in model.acks], key=lambda ack: ack[:2]
    )
    answers = [
        (to, answer["request_id"], answer["outcome"], answer["messages"])
        for to, answer in partition.output.answers
        if answer["outcome"] != "FAILED"
    ]
    assert answers == model.answers
    sends = [decode(value, ("RecipientSend",))[1] for _, value in partition.output.sends]
    assert sends == [{name: sent.get(name) for name in _fields(sends)} for sent in model.sends]
    mailings = partition.state.mailings
    assert {
        ident: {name: getattr(mailing, name) for name in (*COUNTERS, "revision", "invocation")}
        for ident, mailing in mailings.items()
    } == {
        ident: {name: mailing[name] for name in (*COUNTERS, "revision", "invocation")}
        for ident, mailing in model.mailings.items()
    }


def _fields(sends: list[dict[str, Any]]) -> list[str]:
    return list(sends[0]) if sends else []
