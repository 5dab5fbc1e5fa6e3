"""Bridges to put a load on: ours with its worker, and the minimal one, each on its own topics."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import msgspec

from bench.http_calls import MID, ORGID, PATH, Requests
from bench.http_load import Outcome, Plan
from bench.topics import remove_topics
from mailing_trigger import children
from mailing_trigger.settings import Settings, child_environment
from mailing_trigger.system import started
from schemas.topics import LOG
from streams.embedded.ports import free_port
from streams.worker.admin import create_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.broker import Broker

OTHER_MID = 7  # for what goes on beside the calls
_WITHIN_S = 30.0
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge that answers; *pids* by name, its worker's too when it has one."""

    name: str
    port: int
    pids: dict[str, int]
    settings: Settings


@contextmanager
def ours(broker: Broker) -> Iterator[Bridge]:
    """Run bridge and worker as `mailing-trigger up` does, with two mailings defined."""
    settings = _settings(broker)
    try:
        with started(settings, lambda _: None) as system:
            worker, bridge = (child.process.pid for child in system.children)
            for mid in (MID, OTHER_MID):
                answer = httpx.put(
                    f"{system.url}/v3.7/mailing?orgid={ORGID}&mid={mid}",
                    json={"name": "Benchmark", "type": "api-triggered", "interval": 0},
                    timeout=_WITHIN_S,
                    trust_env=False,
                )
                answer.raise_for_status()
            yield Bridge("bridge", settings.port, {"bridge": bridge, "worker": worker}, settings)
    finally:
        remove_topics(broker.bootstrap_servers, settings.topic_prefix)


@contextmanager
def minimal(broker: Broker) -> Iterator[Bridge]:
    """Run the peer that only produces."""
    settings = _settings(broker)
    create_topics(broker.bootstrap_servers, prefix=settings.topic_prefix, partitions=4)
    topic = settings.topic_prefix + LOG
    port = str(settings.port)
    try:
        child = children.start(
            "minimal bridge",
            [
                *(sys.executable, "-m", "bench.peers.minimal_bridge"),
                *(broker.bootstrap_servers, topic, port),
            ],
            child_environment(settings),
            log=settings.data_dir / "peer.log",
        )
        try:
            _wait_for_an_answer(child, settings.port)
            yield Bridge(
                "FastAPI, no answer", settings.port, {"bridge": child.process.pid}, settings
            )
        finally:
            child.stop(within_s=_STOP_WITHIN_S)
    finally:
        remove_topics(broker.bootstrap_servers, settings.topic_prefix)


def put_load(bridge: Bridge, **plan: object) -> Outcome:
    """Put a load on *bridge* from a process of its own, and return what came of it."""
    wanted = msgspec.convert({"port": bridge.port, **plan}, Plan)
    argv = [sys.executable, "-m", "bench.http_load", msgspec.json.encode(wanted).decode()]
    within_s = wanted.seconds + wanted.warm_up_s + 2 * _WITHIN_S
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=within_s)
    return msgspec.json.decode(done.stdout, type=Outcome)


def _settings(broker: Broker) -> Settings:
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    return Settings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=prefix,
        group=f"{prefix}group",
        port=free_port(),
        data_dir=broker.folder / prefix,
        processes=1,
    )


def _wait_for_an_answer(child: children.Child, port: int) -> None:
    body = Requests(1).make(0).partition(b"\r\n\r\n")[2]
    deadline = time.monotonic() + _WITHIN_S
    while True:
        if child.died():
            raise child.death()
        try:
            httpx.put(
                f"http://127.0.0.1:{port}{PATH}?orgid={ORGID}&mid={MID}",
                content=body,
                headers={"Content-Type": "application/json"},
                timeout=_WITHIN_S,
                trust_env=False,
            ).raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
