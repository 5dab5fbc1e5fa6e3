"""The recount has nothing to say about what the fold does, whatever retention has taken."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.ids import identity
from schemas.partition import partition_for
from schemas.records import MAILING_DEFINED, Origin
from streams.verify.identities import home_of, same_person
from streams.verify.reading import ACKS, LOG, SENDS
from tests.support.contents import RECORDS, World
from tests.support.events import CODEC
from tests.support.folding import HOME
from tests.support.logs import logs

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from streams.core.transition import LogRecord
    from tests.support.contents import Contents

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
    for offset, key, value, _ in log:
        world.contents.add(LOG, HOME, key, value, offset=offset)
    report = world.work(chunk=chunk).contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert report.limits == []


@slowly
@given(log=logs(max_size=25), chunk=st.integers(1, 6), data=st.data())
def test_what_the_fold_did_is_no_breach_wherever_the_topics_begin(
    log: list[LogRecord], chunk: int, data: DataObject
) -> None:
    world = World()
    for offset, key, value, _ in log:
        world.contents.add(LOG, HOME, key, with_its_own_call(offset, value), offset=offset)
    contents = world.work(chunk=chunk).contents.seal()
    for place in ((LOG, HOME), (SENDS, HOME), (ACKS, 0), (ACKS, 7)):
        contents.begins[place] = data.draw(st.integers(0, contents.ends[place]))
    assume(first_copies_are_first(contents))
    report = contents.recount()
    assume(not any("cannot be followed" in limit for limit in report.limits))
    assert [breach.line() for breach in report.breaches] == []


def first_copies_are_first(contents: Contents) -> bool:
    """Whether a mailing's first copy has revision 1 in what is left, as its home gives it."""
    known = set()
    for raw in contents.records[LOG, HOME]:
        with suppress(ValueError):
            name, event = RECORDS.read(raw.value)
            if name == MAILING_DEFINED and event["origin"] == Origin.COPY:
                mailing = event["orgid"], event["mid"]
                gone = raw.offset < contents.begins[LOG, HOME]
                if mailing not in known and not gone and event["revision"] != 1:
                    return False
                known.add(mailing)
    return True


def with_its_own_call(offset: int, value: bytes | None) -> bytes | None:
    """Return the event under a request id that no other has, as callers give them."""
    try:
        name, event = RECORDS.read(value)
        return CODEC.encode(name, event | {"request_id": f"{event['request_id']} {offset}"})
    except (ValueError, KeyError):
        return value


@given(email=st.text(max_size=30) | st.from_regex(r"\A\w{1,9}@\w{1,9}\.\w{2,3}\Z"))
def test_the_identity_of_an_address_is_that_of_the_model(email: str) -> None:
    assert same_person(email) == identity(email)


@given(key=st.binary(max_size=70), partitions=st.integers(1, 1024))
def test_the_partition_of_a_key_is_that_of_the_model(key: bytes, partitions: int) -> None:
    assert home_of(key, partitions) == partition_for(key, partitions)
