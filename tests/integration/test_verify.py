"""`mailing-trigger verify` on a system that ran, was killed, and was then tampered with."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from confluent_kafka import TopicPartition

from schemas.records import ACKNOWLEDGEMENT, RECIPIENT_SEND
from streams.verify.reading import ACKS, LOG, SENDS, STATE, Topics
from streams.verify.records import Records
from streams.verify.recount import recount
from tests.support import raw
from tests.support.events import CODEC
from tests.support.load import Load
from tests.support.ports import own_port
from tests.support.recount import Recount, read_all
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent, until

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.embedded_will_do

VERIFIED_WITHIN_S = 60.0
RECORDS = Records()


def verify(cluster: Cluster, *flags: str) -> tuple[int, str]:
    """Run the command; return its exit status and output."""
    running = cluster.processes.start("verify", *flags, env=cluster.environment())
    return running.wait(within_s=VERIFIED_WITHIN_S), running.output()


def test_a_killed_worker_leaves_nothing_to_find_and_each_forged_record_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_load_and_kill(cluster))
    Recount(cluster).verify()
    status, said = verify(cluster)
    assert (status, said.splitlines()[-1]) == (0, "nothing is lost, doubled or changed"), said

    servers = cluster.bootstrap_servers
    first = read_all(cluster, SENDS)[0]
    _, send = RECORDS.read(first.value)
    doubled = [(first.partition, first.key, first.value)]
    (place,) = raw.produce(servers, cluster.topic(SENDS), doubled)
    status, said = verify(cluster)
    assert status == 1
    named = f"{SENDS}[{place[0]}]@{place[1]} rid {send['rid']}"
    assert [line for line in said.splitlines() if line.startswith("doubled") and named in line]
    assert send["email"] not in said

    forged = CODEC.encode(RECIPIENT_SEND, send | {"send_id": f"{send['rid']}:{place[0]}:999999"})
    entry = {"index": 0, "rid": send["rid"], "outcome": "CREATED"}
    ack = {"calls": [{"request_id": "nobody's", "entries": [entry]}]}
    raw.produce(servers, cluster.topic(SENDS), [(place[0], first.key, forged)])
    raw.produce(servers, cluster.topic(ACKS), [(7, None, CODEC.encode(ACKNOWLEDGEMENT, ack))])
    kept = [record.key for record in read_all(cluster, STATE) if (record.key or b"")[:2] == b"b:"]
    partition = int((kept[0] or b"")[2:]) % 1024
    raw.produce(servers, cluster.topic(STATE), [(partition, kept[0], None)])
    status, said = verify(cluster, "--json")
    assert status == 1
    found = json.loads(said)["found"]
    assert found["doubled"] == 1
    assert found["unexpected"] == 2
    assert found["lost"] >= 1
    monkeypatch.setattr("streams.verify.recount._WORTH_A_PROCESS", 1)
    assert recount(servers, cluster.prefix, processes=2).found == found


async def _load_and_kill(cluster: Cluster) -> None:
    """Trigger through the client and over HTTP, and kill the worker in the middle."""
    worker = cluster.start()
    port = own_port()
    cluster.processes.start("bridge", env=cluster.environment(PORT=str(port), ACK_TIMEOUT_S="120"))
    async with (
        cluster.client() as client,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=150, trust_env=False
        ) as http,
    ):
        await client.define(ORG, MID, name="A mailing", interval_s=1)
        await until(lambda: _ready(http))
        async with Load(client, seed=8) as load:
            await load.more(50)
            body = json.dumps([{"email": f"http{n}@example.org", "context": n} for n in range(50)])
            calling = asyncio.create_task(
                http.put(
                    "/v3.7/mailing/trigger",
                    params={"orgid": ORG, "mid": MID},
                    content=body,
                    headers={"Content-Type": "application/json"},
                )
            )
            await load.more(10)
            await asyncio.to_thread(worker.kill)
            cluster.start()
            await load.more(50)
            assert (await calling).status_code == httpx.codes.OK
        await all_sent(client)


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


def test_a_running_system_has_nothing_to_find_nor_one_whose_topics_lost_their_beginning(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            async with Load(client, seed=9) as load:
                for _ in range(3):
                    await load.more(50)
                    report = await asyncio.to_thread(
                        recount, cluster.bootstrap_servers, cluster.prefix
                    )
                    assert [breach.line() for breach in report.breaches] == []
                    assert report.counts["events"] > 0
            await all_sent(client)
        await asyncio.to_thread(Recount, cluster)
        await asyncio.to_thread(_expire, cluster)

    asyncio.run(story())
    status, said = verify(cluster)
    assert status == 0, said
    assert "not checked: the log of partition" in said


def _expire(cluster: Cluster) -> None:
    """Delete the older half of log, answers and sends, as retention does."""
    topics = Topics(cluster.bootstrap_servers, cluster.prefix)
    admin = cluster.admin()
    places = [
        TopicPartition(cluster.topic(name), partition, end // 2)
        for (name, partition), end in topics.ends.items()
        if name in {LOG, ACKS, SENDS} and end
    ]
    for deleted in admin.delete_records(places).values():
        deleted.result(30)
    eventually(lambda: any(Topics(cluster.bootstrap_servers, cluster.prefix).begins.values()))


def test_what_cannot_be_read_is_neither_found_nor_not_found(cluster: Cluster) -> None:
    running = cluster.processes.start(
        "verify", env=cluster.environment(TOPIC_PREFIX="no-such-prefix.")
    )
    assert running.wait(within_s=VERIFIED_WITHIN_S) == 2
    assert "no-such-prefix.mailing" in running.output()
    assert "does not exist" in running.output()
