"""The bridge as it is started: `mailing-trigger bridge` against a real log."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from streams.embedded.ports import free_port
from streams.worker.admin import create_topics
from tests.support.bridge import GOOD, TRIGGER
from tests.support.fake_worker import FakeWorker
from tests.support.wait import eventually

if TYPE_CHECKING:
    from streams.embedded.broker import EmbeddedBroker
    from tests.support.brokers import Broker
    from tests.support.processes import Processes, Running


def start(processes: Processes, servers: str, prefix: str, *more: str) -> tuple[Running, str]:
    """Start a bridge; return it and its address."""
    port = free_port()
    running = processes.start(
        *("bridge", "--port", str(port)),
        *("--bootstrap-servers", servers, "--topic-prefix", prefix, *more),
    )
    return running, f"http://127.0.0.1:{port}"


def status(url: str) -> int:
    try:
        return httpx.get(url, timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def part_missing(url: str) -> str:
    """Return the part that readiness names, or nothing."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx.TransportError:
        return ""
    return str(answer.json().get("part", ""))


def test_without_workers_it_lives_but_is_not_ready(
    kafka: Broker, topics: str, processes: Processes
) -> None:
    bridge, url = start(processes, kafka.bootstrap_servers, topics, "--ack-timeout-s", "1")
    eventually(lambda: status(f"{url}/healthz") == 200)

    def at_fault() -> tuple[int, str]:
        ready = httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
        return ready.status_code, ready.json()["part"]

    # On a machine so busy that the log takes a second, it is the log at first.
    eventually(lambda: at_fault() == (503, "processor"))
    late = httpx.put(f"{url}{TRIGGER}", content=GOOD, timeout=10, trust_env=False)

    assert (late.status_code, late.json()["ids"]) == (504, [None])
    assert bridge.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_as_asked(
    kafka: Broker, topics: str, processes: Processes, number: signal.Signals
) -> None:
    with FakeWorker(kafka.bootstrap_servers, topics):
        bridge, url = start(processes, kafka.bootstrap_servers, topics)
        eventually(lambda: status(f"{url}/healthz") == 200)
        first = httpx.put(f"{url}{TRIGGER}", content=GOOD, timeout=10, trust_env=False)
        ready = status(f"{url}/readyz")
        bridge.popen.send_signal(number)

        assert bridge.wait() == 0
    assert first.status_code == 200, first.text
    assert len(first.json()) == 1
    assert ready == 200
    assert "Traceback" not in bridge.output()
    assert "good@example.com" not in bridge.output()


def test_a_broker_that_goes_and_comes_back_needs_no_restart(
    own_broker: EmbeddedBroker, processes: Processes
) -> None:
    servers = own_broker.bootstrap_servers
    create_topics(servers, prefix="", partitions=4)
    _, url = start(processes, servers, "", "--ack-timeout-s", "1")
    eventually(lambda: part_missing(url) == "processor")
    own_broker.stop()
    eventually(lambda: part_missing(url) == "log")
    call = httpx.put(f"{url}{TRIGGER}", content=GOOD, timeout=10, trust_env=False)
    own_broker.start()
    eventually(lambda: part_missing(url) == "processor")

    assert (call.status_code, call.json()["code"]) == (503, "LOG_UNAVAILABLE")
    assert int(call.headers["retry-after"]) >= 1
    assert status(f"{url}/healthz") == 200


def test_a_log_that_is_not_there_is_one_clear_line(processes: Processes) -> None:
    bridge, _ = start(processes, f"127.0.0.1:{free_port()}", "")

    assert bridge.wait(within_s=40) != 0
    assert "Traceback" not in bridge.output()
    assert "127.0.0.1" in bridge.output()
