"""A network between clients and broker that is slow, torn, silent, or loses single answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from producers import LogUnavailable
from producers.hearing import ends_of
from schemas.topics import LOG
from streams.worker.kafka import offsets_consumer
from streams.worker.settings import WorkerSettings
from tests.support import hasty_worker
from tests.support.clients import people
from tests.support.fake_worker import FakeWorker
from tests.support.faultrules import Api, Do, Line, Rule
from tests.support.faults_network import BadLine, Resets
from tests.support.load import under_load
from tests.support.proxied import Proxied, proxied
from tests.support.topics import PARTITIONS, fresh_prefix, make_topics
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, Cluster, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.faultproxy import FaultProxy
    from tests.support.faults_network import Fault
    from tests.support.processes import Processes

_RESETS = 8

pytestmark = [pytest.mark.crash, pytest.mark.faults]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with proxied(tmp_path_factory.mktemp("proxied")) as broker:
        yield broker


@pytest.fixture
def behind(spoilt: Proxied, processes: Processes, tmp_path: Path) -> Cluster:
    """Topics on the broker behind the proxy; no worker runs yet."""
    spoilt.proxy.done.clear()
    prefix = fresh_prefix()
    make_topics(spoilt.direct, prefix)
    return Cluster(spoilt.bootstrap_servers, prefix, tmp_path, processes)


def test_nothing_is_lost_or_doubled_on_a_bad_line(spoilt: Proxied, behind: Cluster) -> None:
    proxies = [spoilt.proxy]
    torn = BadLine("torn", proxies, Line(cut_after=20_000))
    faults: list[Fault] = [
        BadLine("slow", proxies, Line(delay_s=0.05, jitter_s=0.04)),
        BadLine("in slices", proxies, Line(slice_bytes=50)),
        torn,
        Resets(proxies),
        Resets(proxies),
    ]

    async def cut() -> bool:
        return spoilt.proxy.done["cut"] > 0

    async def story() -> None:
        worker = behind.start()
        async with under_load(behind, seed=20) as load:
            for fault in faults:
                await load.more(30)
                fault.begin()
                await load.more(100)
                if fault is torn:
                    await until(cut)
                fault.end()
            await load.more(50)
        assert worker.running()
        assert load.unknown == []

    asyncio.run(story())
    assert spoilt.proxy.done["reset"] > 0


def test_lost_answers_to_produce_and_commit_lose_and_double_nothing(
    spoilt: Proxied, behind: Cluster
) -> None:
    rules = [
        Rule(Api.PRODUCE, Do.LOSE_ANSWER, every=10),
        Rule(Api.END_TXN, Do.LOSE_ANSWER, every=3),
        Rule(Api.TXN_OFFSET_COMMIT, Do.LOSE_ANSWER, every=3),
    ]
    done = spoilt.proxy.done

    async def several(rule: Rule) -> bool:
        return done[f"{rule.api.name} {rule.do.name}"] >= 3

    async def story() -> None:
        worker = behind.start()
        async with under_load(behind, seed=24) as load:
            for rule in rules:
                await load.more(50)
                spoilt.proxy.add(rule)
                await until(partial(several, rule))
                spoilt.proxy.remove(rule)
            await load.more(50)
        assert worker.running()
        assert load.unknown == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("late", "given_up"),
    [
        # A commit is given up after 5 s. With offsets the library may not come back in time: it is
        # left to itself after 7 s.
        pytest.param(
            Rule(Api.END_TXN, Do.DELAY_ANSWER, times=1, seconds=6),
            "transaction not committed",
            id="commit",
        ),
        pytest.param(
            Rule(Api.TXN_OFFSET_COMMIT, Do.DELAY_ANSWER, times=1, seconds=9),
            "neither written nor refused",
            id="offsets",
        ),
    ],
)
def test_an_answer_that_comes_after_the_worker_gave_it_up_changes_nothing(
    spoilt: Proxied, behind: Cluster, late: Rule, given_up: str
) -> None:
    async def story() -> None:
        worker = behind.processes.start_module(
            hasty_worker.__name__, "worker", "--processes", "1", env=behind.environment()
        )
        async with under_load(behind, seed=21) as load:
            await load.more(50)
            spoilt.proxy.add(late)
            await until(lambda: _said(worker.output, given_up))
            spoilt.proxy.remove(late)
            await load.more(100)
        assert worker.running()

    asyncio.run(story())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(Line(hold_up=True, hold_down=True), id="silent"),
        pytest.param(Line(hold_up=True), id="deaf"),
        pytest.param(Line(hold_down=True), id="dumb"),
    ],
)
def test_a_network_that_is_away_for_longer_than_a_session_heals_by_itself(
    spoilt: Proxied, behind: Cluster, line: Line
) -> None:
    seen = replace(behind, bootstrap_servers=spoilt.direct)

    async def nobody_left() -> bool:
        return not await asyncio.to_thread(seen.members)

    async def story() -> None:
        worker = behind.start()
        async with under_load(behind, seed=22) as load:
            await load.more(50)
            spoilt.proxy.set_line(line)
            await until(nobody_left)
            spoilt.proxy.set_line()
            await load.more(100)
        assert worker.running()

    asyncio.run(story())


def test_a_worker_whose_heartbeats_are_dropped_loses_its_partitions_and_comes_back(
    spoilt: Proxied, behind: Cluster
) -> None:
    dropped = Rule(Api.HEARTBEAT, Do.DROP)

    async def story() -> None:
        worker = behind.start()
        async with under_load(behind, seed=23) as load:
            await load.more(50)
            spoilt.proxy.add(dropped)
            await until(lambda: _said(worker.output, "lost"))
            spoilt.proxy.remove(dropped)
            await load.more(100)
        assert worker.running()
        assert "fenc" not in worker.output(), "it took its own transactions for a dead one's"
        assert load.unknown == []

    asyncio.run(story())


def test_a_transaction_after_a_lost_connection_does_not_hang_until_it_is_given_up(
    spoilt: Proxied, behind: Cluster
) -> None:
    past = replace(behind, bootstrap_servers=spoilt.direct)
    log = behind.topic(LOG)
    asking = offsets_consumer(WorkerSettings(spoilt.direct, group=behind.group), stable=False)

    def written() -> bool:
        places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
        at = {place.partition: place.offset for place in past.committed(places)}
        return at == ends_of(asking, log, range(PARTITIONS))

    async def story() -> None:
        worker = behind.start()
        async with past.client() as client:
            await client.define(ORG, MID, name="A mailing")
            for _ in range(_RESETS):
                # Into every partition, so that the next transaction is about all of them.
                await client.trigger(orgid=ORG, mid=MID, recipients=people(40))
                await asyncio.to_thread(eventually, written)
                spoilt.proxy.reset_all()
        assert worker.running()
        assert "neither written nor refused" not in worker.output()

    asyncio.run(story())
    asking.close()
    assert spoilt.proxy.done["reset"] > _RESETS


async def _said(output: object, words: str) -> bool:
    assert callable(output)
    return words in await asyncio.to_thread(output)


def test_a_takeover_that_asks_a_broker_which_coordinates_no_more_does_not_end_the_worker(
    spoilt: Proxied, behind: Cluster
) -> None:
    # Those of Faust's own group among them.
    wrong = Rule(Api.OFFSET_FETCH, Do.WRONG_COORDINATOR, times=6)

    async def story() -> None:
        spoilt.proxy.add(wrong)
        worker = behind.start()
        async with under_load(behind, seed=25) as load:
            await load.more(50)
            spoilt.proxy.remove(wrong)
        assert worker.running()
        assert "not taken over yet" in worker.output()
        assert load.unknown == []

    asyncio.run(story())


_LATE = Rule(Api.PRODUCE, Do.DELAY_ANSWER, times=1, seconds=60)
_LOST = Rule(Api.PRODUCE, Do.LOSE_ANSWER)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        # On its connection no other answer passes it.
        pytest.param(lambda p: p.add(_LATE), lambda p: p.remove(_LATE), id="late"),
        pytest.param(lambda p: p.add(_LOST), lambda p: p.remove(_LOST), id="lost"),
        pytest.param(lambda p: p.set_line(Line(hold_down=True)), lambda p: p.set_line(), id="dumb"),
    ],
)
def test_what_is_in_flight_when_an_event_runs_out_of_its_time_is_written_once(
    spoilt: Proxied,
    behind: Cluster,
    begin: Callable[[FaultProxy], None],
    end: Callable[[FaultProxy], None],
) -> None:
    async def story() -> dict[str, BaseException | None]:
        async with behind.client(ack_timeout_s=10.0) as client:

            async def post(name: str) -> None:
                one = {"email": f"{name}@domain.com"}
                await client.post(orgid=ORG, mid=MID, recipients=[one], request_id=name)

            await post("before")
            begin(spoilt.proxy)
            calls = {"first": asyncio.create_task(post("first"))}
            while not calls["first"].done():
                name = f"behind-{len(calls)}"
                calls[name] = asyncio.create_task(post(name))
                # A connection has five requests in flight: these are of different ages.
                await asyncio.sleep(0.5)
            end(spoilt.proxy)
            told = await asyncio.gather(*calls.values(), return_exceptions=True)
            # Into every partition, behind whatever there still was.
            await client.post(orgid=ORG, mid=MID, recipients=people(40), request_id="after")
            return dict(zip(calls, told, strict=True))

    with FakeWorker(spoilt.direct, behind.prefix) as worker:
        told = asyncio.run(story())
        written: Counter[tuple[str, int]] = Counter()

        def whole() -> bool:
            written.clear()
            written.update((e["request_id"], e["index"]) for _, e, _ in list(worker.seen))
            return len([name for name, _ in written if name == "after"]) == 40

        eventually(whole)
    assert {place: times for place, times in written.items() if times > 1} == {}
    assert isinstance(told["first"], LogUnavailable)
    assert len(told) > 5
    for name, error in told.items():
        if error is None:
            assert (name, 0) in written
        elif isinstance(error, LogUnavailable) and not error.produced:
            assert (name, 0) not in written
