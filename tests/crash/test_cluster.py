"""Three brokers, of which some die under load."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support import stack
from tests.support.kafka_cluster import KafkaCluster
from tests.support.load import Load
from tests.support.recount import Recount
from tests.support.topics import fresh_prefix, make_topics
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, Cluster, all_sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.support.kafka_cluster import Node
    from tests.support.processes import Processes
    from tests.support.stack import Mailing

pytestmark = [pytest.mark.crash, pytest.mark.faults]

# A call that meets a broker's death waits for what follows from it: the controller takes three
# seconds to notice, and a client that hangs in its transaction is left behind after twenty more.
PATIENCE_S = 120.0

# Whoever leads it coordinates all transactions.
TRANSACTIONS = "__transaction_state"


@pytest.fixture(scope="module")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path_factory.mktemp("three")) as three:
        yield three


@pytest.fixture
def on_three(kafka_cluster: KafkaCluster, processes: Processes, tmp_path: Path) -> Cluster:
    """Topics with three replicas, on a cluster that is whole."""
    prefix = fresh_prefix()
    make_topics(kafka_cluster.bootstrap_servers, prefix, replication=3)
    return Cluster(kafka_cluster.bootstrap_servers, prefix, tmp_path, processes)


def test_nothing_is_lost_when_one_broker_after_the_other_is_killed(
    kafka_cluster: KafkaCluster, on_three: Cluster
) -> None:
    def next_one(topic: str) -> Node:
        kafka_cluster.wait_until_whole()
        return kafka_cluster.leader_of(topic, 0)

    async def story() -> None:
        workers = [on_three.start(), on_three.start()]
        async with on_three.client(ack_timeout_s=PATIENCE_S) as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            async with Load(client, seed=11) as load:
                for led in (TRANSACTIONS, on_three.topic("mailing.recipients")):
                    await load.more(50)
                    victim = await asyncio.to_thread(next_one, led)
                    await asyncio.to_thread(victim.kill)
                    await load.more(100)
                    await asyncio.to_thread(victim.start)
                await load.more(50)
            view = await all_sent(client)
        assert all(worker.running() for worker in workers)
        Recount(on_three).verify(load, views=[view])
        assert load.unknown == []

    asyncio.run(story())


def test_with_two_of_three_down_the_bridge_refuses_in_time_and_heals_alone(
    kafka_cluster: KafkaCluster, tmp_path: Path
) -> None:
    kafka_cluster.wait_until_whole()
    servers = kafka_cluster.bootstrap_servers
    with stack.running(servers, tmp_path, ack_timeout_s=3.0, replication=3, processes=2) as system:
        eventually(lambda: sorted(map(len, system.cluster.members().values())) == [2, 2])
        mailing = system.mailing()
        people = [f"person{number}@example.org" for number in range(20)]
        told = {email: mailing.ids(_body(email))[0] for email in people}
        down = kafka_cluster.nodes[:2]
        for node in down:
            node.kill()
        for email in people[:3]:
            answer = eventually(partial(_refused, mailing, email))
            assert answer.json()["code"] == "LOG_UNAVAILABLE"
            assert int(answer.headers["Retry-After"]) > 0
        assert system.http.get("/readyz").status_code == 503
        with ThreadPoolExecutor(len(down)) as pool:
            for started in [pool.submit(node.start) for node in down]:
                started.result()
        eventually(system.ready)
        assert {email: mailing.ids(_body(email))[0] for email in people} == told
        sent = mailing.mailed()
        assert {send["rid"] for send in sent} == set(told.values())
        Recount(system.cluster).verify()


def _refused(mailing: Mailing, email: str) -> httpx.Response | None:
    """Make a call; return its answer when it is a refusal.

    Within its few seconds a bridge may not hear that the log takes nothing: then it says 504.
    """
    answer = mailing.call(_body(email))
    assert answer.status_code in stack.OPEN, answer.text
    return answer if answer.status_code == 503 else None


def _body(email: str) -> str:
    return json.dumps([{"email": email}])
