"""The recount has nothing to say about what the fold does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.ids import identity
from schemas.partition import partition_for
from streams.verify.identities import home_of, same_person
from streams.verify.reading import LOG
from tests.support.contents import World
from tests.support.folding import HOME
from tests.support.logs import logs

if TYPE_CHECKING:
    from streams.core.transition import LogRecord

pytestmark = pytest.mark.timeout(600)


slowly = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slowly
@given(log=logs(), chunk=st.integers(1, 6))
def test_what_the_fold_does_is_no_breach(log: list[LogRecord], chunk: int) -> None:
    world = World()
    for offset, key, value, time_ms in log:
        world.contents.add(LOG, HOME, key, value, offset=offset, time_ms=time_ms)
    report = world.work(chunk=chunk).contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert report.limits == []


@given(email=st.text(max_size=30) | st.from_regex(r"\A\w{1,9}@\w{1,9}\.\w{2,3}\Z"))
def test_the_identity_of_an_address_is_that_of_the_model(email: str) -> None:
    assert same_person(email) == identity(email)


@given(key=st.binary(max_size=70), partitions=st.integers(1, 1024))
def test_the_partition_of_a_key_is_that_of_the_model(key: bytes, partitions: int) -> None:
    assert home_of(key, partitions) == partition_for(key, partitions)
