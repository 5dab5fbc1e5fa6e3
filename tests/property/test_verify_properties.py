"""The recount has nothing to say about what the fold does, whatever retention has taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.ids import identity
from schemas.partition import partition_for
from schemas.records import MAILING_DEFINED, Origin
from streams.verify.identities import home_of, same_person
from streams.verify.model import Model
from streams.verify.reading import ACKS, LOG, SENDS
from tests.support.contents import RECORDS, World
from tests.support.events import CODEC
from tests.support.folding import HOME, PARTITIONS
from tests.support.logs import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject

    from streams.core.transition import LogRecord
    from streams.verify.reading import Raw
    from streams.verify.report import Report


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


@slowly
@given(log=logs(max_size=25), chunk=st.integers(1, 6), data=st.data())
def test_what_the_fold_did_is_no_breach_wherever_the_topics_begin(
    log: list[LogRecord], chunk: int, data: DataObject
) -> None:
    world = World()
    for offset, key, value, time_ms in as_homes_write(log):
        named = with_its_own_call(offset, value)
        world.contents.add(LOG, HOME, key, named, offset=offset, time_ms=time_ms)
    contents = world.work(chunk=chunk).contents.seal()
    for place in ((LOG, HOME), (SENDS, HOME), (ACKS, 0), (ACKS, 7)):
        contents.begins[place] = data.draw(st.integers(0, contents.ends[place]))
    report = contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert not [limit for limit in report.limits if "nothing is said" in limit]
    begin, sends = contents.begins[LOG, HOME], contents.records[SENDS, HOME]
    left = [at for at, raw in enumerate(sends) if event_of(raw) >= begin]
    if left:
        del sends[data.draw(st.sampled_from(left))]
        report = contents.recount()
        assert report.breaches or said_to_be_open(report)


def event_of(raw: Raw) -> int:
    """Return the offset of the event that asked for a send."""
    return int(RECORDS.read(raw.value)[1]["send_id"].split(":")[2])


def said_to_be_open(report: Report) -> int:
    """Return of how many messages the report says that they may be there or not."""
    return report.counts["messages_unsure"] + report.counts["sends_gone"]


def as_homes_write(log: list[LogRecord]) -> Iterator[LogRecord]:
    """Yield the log without copies of what no home partition would have allowed."""
    model = Model(HOME, PARTITIONS, RECORDS)
    for record in log:
        name, event = readable(record[2])
        if event.get("origin") != Origin.COPY:
            model.meet(*record)
            yield record
            continue
        ident, revision = (event["orgid"], event["mid"]), event["revision"]
        before = model.mailings.get(ident)
        known = before.revision if before is not None else 0
        if before is None and (name, revision) != (MAILING_DEFINED, 1):
            continue
        model.meet(*record)
        if revision <= known or model.mailings[ident].revision == revision:
            yield record


def readable(value: bytes | None) -> tuple[str, dict[str, Any]]:
    try:
        return RECORDS.read(value)
    except ValueError:
        return "", {}


def with_its_own_call(offset: int, value: bytes | None) -> bytes | None:
    """Return the event under a request id that no other has, as callers give them."""
    name, event = readable(value)
    if "request_id" not in event or len(event["request_id"]) > len("call-1"):
        return value
    return CODEC.encode(name, event | {"request_id": f"{event['request_id']} {offset}"})


@given(email=st.text(max_size=30) | st.from_regex(r"\A\w{1,9}@\w{1,9}\.\w{2,3}\Z"))
def test_the_identity_of_an_address_is_that_of_the_model(email: str) -> None:
    assert same_person(email) == identity(email)


@given(key=st.binary(max_size=70), partitions=st.integers(1, 1024))
def test_the_partition_of_a_key_is_that_of_the_model(key: bytes, partitions: int) -> None:
    assert home_of(key, partitions) == partition_for(key, partitions)
