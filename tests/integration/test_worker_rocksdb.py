"""A worker whose recipients are on disk: warm, deleted, damaged, old, another's, in use."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from schemas.codec import Codec
from schemas.records import PARTITION_META
from streams.core.changelog import META_KEY
from streams.store.rocksdb import RocksRecipients
from streams.verify.reading import STATE
from tests.support.processes import Processes
from tests.support.recount import Recount, read_all
from tests.support.topics import PARTITIONS, fresh_prefix, make_topics, remove_topics
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, Cluster, all_sent, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.client import TriggerClient
    from tests.support.brokers import Broker
    from tests.support.processes import Running

pytestmark = pytest.mark.embedded_will_do

# Enough for several blocks of each partition's database.
PEOPLE = [{"email": f"person{number}@example.org"} for number in range(1500)]
OTHERS = [{"email": f"other{number}@example.org"} for number in range(200)]


@dataclass(frozen=True)
class Warm:
    """A cluster whose databases know PEOPLE, by the IDs *told*; *first* made them."""

    cluster: Cluster
    told: list[int]
    first: Running


@pytest.fixture(scope="module")
def warm(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """The cluster of all tests here: each leaves its databases as warm as they were."""
    directory, prefix = tmp_path_factory.mktemp("rocksdb"), fresh_prefix()
    make_topics(kafka.bootstrap_servers, prefix)
    processes = Processes(directory)
    cluster = Cluster(kafka.bootstrap_servers, prefix, directory, processes)

    async def served() -> tuple[Running, list[int]]:
        async with cluster.client() as client:
            return await _serve(cluster, client, PEOPLE)

    try:
        first, told = asyncio.run(served())
        yield Warm(cluster, told, first)
    finally:
        processes.end_all()
        remove_topics(kafka.bootstrap_servers, prefix)


@pytest.fixture
def cluster(warm: Warm, processes: Processes) -> Cluster:
    """The warm cluster; no worker runs."""
    return replace(warm.cluster, processes=processes)


@pytest.fixture
def told(warm: Warm) -> list[int]:
    """The IDs of PEOPLE."""
    return warm.told


def test_a_restart_reads_nothing_twice_of_what_its_disk_has(warm: Warm, cluster: Cluster) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            again, told_again = await _serve(cluster, client, PEOPLE)
        assert sum(_read_by(warm.first)) == 0
        assert told_again == warm.told
        # The last record of each partition, by which it knows that the changelog is the same.
        assert _read_by(again) == [1] * PARTITIONS

    asyncio.run(story())


def test_a_database_that_was_deleted_is_made_anew(cluster: Cluster, told: list[int]) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            shutil.rmtree(_folder(cluster))
            written = _written(cluster)
            rebuilt, told_again = await _serve(cluster, client, PEOPLE)
            warm, told_at_last = await _serve(cluster, client, PEOPLE)
        assert told == told_again == told_at_last
        assert sum(_read_by(rebuilt)) == written
        assert _read_by(warm) == [1] * PARTITIONS

    asyncio.run(story())


def test_a_database_that_was_damaged_is_made_anew_with_a_line_that_says_so(
    cluster: Cluster, told: list[int]
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            _damage(cluster)
            damaged, told_again = await _serve(cluster, client, PEOPLE)
        assert told_again == told
        assert re.search("is damaged .*Corruption", damaged.output())
        assert "Traceback" not in damaged.output()

    asyncio.run(story())


def test_a_database_that_breaks_under_the_worker_is_made_anew_by_it(
    cluster: Cluster, told: list[int]
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            worker = _start(cluster)
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            _damage(cluster)
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            assert "a database broke" in worker.output()
            await all_sent(client)
            assert await asyncio.to_thread(worker.stop) == 0

    asyncio.run(story())


@pytest.mark.parametrize("days", [0, 30])
def test_an_old_copy_is_brought_up_to_date_or_made_anew(
    cluster: Cluster, told: list[int], tmp_path: Path, days: int
) -> None:
    copy = tmp_path / "copy"

    async def story() -> None:
        async with cluster.client() as client:
            shutil.copytree(_folder(cluster), copy)
            _, told_others = await _serve(cluster, client, OTHERS)
            shutil.rmtree(_folder(cluster))
            shutil.copytree(copy, _folder(cluster))
            for path in _databases(cluster):
                _age(path, days)
            written = _written(cluster)
            restored, told_again = await _serve(cluster, client, PEOPLE + OTHERS)
        assert told_again == told + told_others
        assert ("30.0 days behind" in restored.output()) == (days == 30)
        assert (sum(_read_by(restored)) == written) == (days == 30)

    asyncio.run(story())


def test_another_partition_s_database_is_not_taken_for_ones_own(
    cluster: Cluster, told: list[int]
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            first, second = _databases(cluster)[:2]
            first.rename(first.with_suffix(".moved"))
            second.rename(first)
            first.with_suffix(".moved").rename(second)
            swapped, told_again = await _serve(cluster, client, PEOPLE)
        assert told_again == told
        assert swapped.output().count("made from another changelog") == 2

    asyncio.run(story())


def test_a_database_ahead_of_the_changelog_is_not_believed(
    cluster: Cluster, told: list[int]
) -> None:
    """As after a broker lost the changelog's tail: what only the disk knows never was."""

    async def story() -> None:
        async with cluster.client() as client:
            for path in _databases(cluster):
                _put_ahead(path)
            refused, told_again = await _serve(cluster, client, PEOPLE)
        assert told_again == told
        assert refused.output().count("another history") == PARTITIONS

    asyncio.run(story())


def test_a_database_in_use_is_waited_for(cluster: Cluster, told: list[int]) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            path = _databases(cluster)[0]
            held = RocksRecipients(path, _changelog_id(path))
            worker = _start(cluster)
            await until(lambda: asyncio.to_thread(lambda: "waiting for it" in worker.output()))
            assert str(path) in worker.output()
            held.close()
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            assert await asyncio.to_thread(worker.stop) == 0

    asyncio.run(story())


def test_a_partition_that_moves_between_workers_of_one_folder_is_warm(
    cluster: Cluster, told: list[int]
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            first = _start(cluster)
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            second = _start(cluster)
            await asyncio.to_thread(eventually, lambda: _shared(cluster))
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            assert await asyncio.to_thread(first.stop) == 0
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            await all_sent(client)
            assert await asyncio.to_thread(second.stop) == 0
            assert _read_by(second) == [1] * PARTITIONS

    asyncio.run(story())


def test_nothing_of_all_that_has_lost_or_doubled_anything(cluster: Cluster) -> None:
    Recount(cluster).verify()


def _start(cluster: Cluster) -> Running:
    """Start a worker; none is killed, so a stall is no reason to take its partitions away."""
    return cluster.start(STORE="rocksdb", SESSION_TIMEOUT_S="30")


async def _serve(
    cluster: Cluster, client: TriggerClient, people: list[dict[str, str]]
) -> tuple[Running, list[int]]:
    """Run a worker for one call and one invocation; return it and the IDs it gave."""
    worker = _start(cluster)
    await client.define(ORG, MID, name="A mailing", interval_s=0)
    rids = await client.trigger(orgid=ORG, mid=MID, recipients=people)
    await all_sent(client)
    assert await asyncio.to_thread(worker.stop) == 0
    return worker, rids


def _written(cluster: Cluster) -> int:
    """How many records the changelog has."""
    return len(read_all(cluster, STATE))


def _read_by(worker: Running) -> list[int]:
    """How many records of the changelog each takeover read."""
    return [int(n) for n in re.findall(r"(\d+) records of the changelog read", worker.output())]


def _folder(cluster: Cluster) -> Path:
    return cluster.directory / "worker" / "rocksdb"


def _databases(cluster: Cluster) -> list[Path]:
    return sorted(path for path in _folder(cluster).iterdir() if path.is_dir())


def _shared(cluster: Cluster) -> bool:
    return sorted(map(len, cluster.members().values())) == [2, 2]


def _damage(cluster: Cluster) -> None:
    """Put noise over part of every data file."""
    rng = random.Random(1)
    files = [file for path in _databases(cluster) for file in path.glob("*.sst")]
    assert files
    for file in files:
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.seek(size // 8)
            opened.write(rng.randbytes(size // 2))


def _changelog_id(path: Path) -> str:
    """What a database says whose it is, read from outside."""
    from streams.store.rocksdb_options import open_database

    database = open_database(path)
    about = database[b"about"]
    database.close()
    return str(re.search(rb'"([^"]+ \d+)"', about)[1], "ascii")  # type: ignore[index]


def _age(path: Path, days: int) -> None:
    """Let a database believe that it was last written *days* ago."""
    then = time.time() - days * 86_400
    table = RocksRecipients(path, _changelog_id(path), clock=lambda: then)
    assert table.kept_to is not None
    table.finish_load((table.kept_to.offset, dict(table.kept())[META_KEY] or b""))
    table.close()


def _put_ahead(path: Path) -> None:
    """Let a database know a transaction that the changelog has not."""
    table = RocksRecipients(path, _changelog_id(path))
    assert table.kept_to is not None
    _, meta = Codec().decode(dict(table.kept())[META_KEY])
    ahead = Codec().encode(PARTITION_META, meta | {"seq": meta["seq"] + 1})
    table.finish_load((table.kept_to.offset, ahead))
    table.close()
