"""The bridge as it is started: `mailing-trigger bridge` against a real log."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.bridge import GOOD, TRIGGER
from tests.support.fake_mailings import answering
from tests.support.fake_worker import FakeWorker
from tests.support.ports import own_port
from tests.support.topics import make_topics
from tests.support.wait import eventually

if TYPE_CHECKING:
    from streams.embedded.broker import EmbeddedBroker
    from tests.support.brokers import Broker
    from tests.support.processes import Processes, Running


def start(processes: Processes, servers: str, prefix: str, *more: str) -> tuple[Running, str]:
    """Start a bridge; return it and its address."""
    port = own_port()
    running = processes.start(
        *("bridge", "--port", str(port)),
        *("--bootstrap-servers", servers, "--topic-prefix", prefix, *more),
    )
    return running, f"http://127.0.0.1:{port}"


def status(url: str) -> int:
    try:
        return httpx.get(url, timeout=60, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def trigger(url: str) -> httpx.Response:
    return httpx.put(f"{url}{TRIGGER}", content=GOOD, timeout=60, trust_env=False)


def trigger_answered(url: str, status_code: int) -> httpx.Response | None:
    """Make a call that cannot be answered in time; return its answer if it is the one wanted."""
    answer = trigger(url)
    assert answer.status_code in {503, 504}, answer.text
    return answer if answer.status_code == status_code else None


def part_missing(url: str) -> str:
    """Return the part that readiness names, or nothing."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=60, trust_env=False)
    except httpx.TransportError:
        return ""
    return str(answer.json().get("part", ""))


def test_without_workers_it_lives_but_is_not_ready(
    kafka: Broker, topics: str, processes: Processes
) -> None:
    bridge, url = start(processes, kafka.bootstrap_servers, topics, "--ack-timeout-s", "1")
    eventually(lambda: status(f"{url}/healthz") == 200)

    # On a machine so busy that the log takes a second, it is the log at first.
    eventually(lambda: part_missing(url) == "processor")
    assert status(f"{url}/readyz") == 503
    # Which takes the event too slowly then, and the call is refused.
    late = eventually(lambda: trigger_answered(url, 504))

    assert late.json()["ids"] == [None]
    assert bridge.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_as_asked(
    kafka: Broker, topics: str, processes: Processes, number: signal.Signals
) -> None:
    with FakeWorker(kafka.bootstrap_servers, topics, answer=answering):
        bridge, url = start(processes, kafka.bootstrap_servers, topics, "--ack-timeout-s", "50")
        eventually(lambda: status(f"{url}/healthz") == 200)
        first = trigger(url)
        eventually(lambda: status(f"{url}/readyz") == 200)
        bridge.popen.send_signal(number)

        assert bridge.wait() == 0
    assert first.status_code == 200, first.text
    assert len(first.json()) == 1
    assert "Traceback" not in bridge.output()
    assert "good@example.com" not in bridge.output()


def test_a_broker_that_goes_and_comes_back_needs_no_restart(
    own_broker: EmbeddedBroker, processes: Processes
) -> None:
    servers = own_broker.bootstrap_servers
    make_topics(servers, "")
    _, url = start(processes, servers, "", "--ack-timeout-s", "1")
    eventually(lambda: part_missing(url) == "processor")
    own_broker.stop()
    eventually(lambda: part_missing(url) == "log")
    # The library gives an event up when it looks for such, once a second, and the bridge may have
    # given the answer up before.
    call = eventually(lambda: trigger_answered(url, 503))
    own_broker.start()
    eventually(lambda: part_missing(url) == "processor")

    assert call.json()["code"] == "LOG_UNAVAILABLE"
    assert int(call.headers["retry-after"]) >= 1
    assert status(f"{url}/healthz") == 200
