"""What those who run the bridge rely on: health, numbers, its own description, its end."""

from __future__ import annotations

import json
import re
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from producers.bridge import readiness, server, trigger
from producers.bridge.app import VERSIONS, create_app
from producers.bridge.definition import DEDUP, read_definition
from producers.bridge.documentation import OPENAPI
from producers.bridge.errors import BridgeError
from producers.bridge.resources import Resource
from producers.contract import fields
from producers.contract.recipients import read_call
from producers.errors import LogUnavailable, NotAcknowledged
from producers.mailing_statistics import StatisticsTable
from tests.support.bridge import GOOD, TRIGGER, Bridge, StandIn, mailing, running, settings
from tests.support.wait import WITHIN_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.contract.entries import TriggerCall

DOCUMENT = json.loads(OPENAPI)
SEND = (
    f"PUT {TRIGGER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode()
    + GOOD
)


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    with running() as started:
        yield started


def test_a_living_process_says_so_whatever_is_behind_it() -> None:
    with running(StandIn(error=LogUnavailable("down", produced=False))) as bridge:
        assert bridge.http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (LogUnavailable("down", produced=False), "log"),
        (NotAcknowledged(answered=0, expected=4), "processor"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_readiness_names_the_part_that_does_not_answer(
    error: Exception, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    with running(StandIn(error=error)) as bridge:
        answer = bridge.http.get("/readyz")
        bridge.client.error = None
        healed = bridge.http.get("/readyz")

    assert (answer.status_code, answer.json()["part"]) == (503, part)
    assert part in answer.json()["detail"]
    assert "retry-after" in answer.headers
    assert (healed.status_code, healed.json()) == (200, {"status": "ready"})


def test_readiness_is_told_in_time_even_when_nothing_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.1)
    with running(StandIn(hold=True)) as bridge:
        answers = [bridge.http.get("/readyz") for _ in range(3)]
        probes = bridge.client.probes
        bridge.client.release()
        eventually(lambda: bridge.http.get("/readyz").status_code == 200)

    assert [answer.json()["part"] for answer in answers] == ["log or processor"] * 3
    assert probes == 1, "one question at a time"


def test_readiness_asks_the_log_once_however_often_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 60.0)
    with running() as bridge:
        answers = {bridge.http.get("/readyz").status_code for _ in range(20)}

        assert (answers, bridge.client.probes) == ({200}, 1)


def test_readiness_takes_answered_calls_for_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 60.0)
    with running() as bridge:
        bridge.good_call()

        assert bridge.http.get("/readyz").status_code == 200
        assert bridge.client.probes == 0


def test_calls_without_answers_are_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 60.0)
    with running(StandIn(late=frozenset({0}))) as bridge:
        bridge.http.put(TRIGGER, content=GOOD)
        bridge.http.get("/readyz")

        assert bridge.client.probes == 1


def test_metrics_count_answers_and_entries() -> None:
    with running() as bridge:
        bridge.http.put(TRIGGER, content=b'[{"email":"a@example.com"},{"email":"nonsense"}]')
        bridge.http.put("/v1.0/mailing/trigger.xml?orgid=2&mid=1", content=GOOD)
        bridge.http.get("/nothing/of/ours")
        exposition = bridge.http.get("/metrics").text

    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }
    route = ("route", "/v3.7/mailing/trigger")
    requests = "mailing_trigger_http_requests_total"
    assert samples[requests, (route, ("status", "200"))] == 1
    assert samples[requests, (route, ("status", "422"))] == 1
    assert samples[requests, (("route", "none"), ("status", "404"))] == 1
    assert samples["mailing_trigger_http_request_seconds_count", (route,)] == 2
    assert samples["mailing_trigger_entries_total", (("outcome", "added"),)] == 2
    assert samples["mailing_trigger_entries_total", (("outcome", "refused"),)] == 1
    assert samples["mailing_trigger_inflight_calls", ()] == 0
    assert all(name.startswith("mailing_trigger_") for name, _ in samples)


def test_the_description_is_openapi_3_1(bridge: Bridge) -> None:
    answer = bridge.http.get("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(answer.json()).validate()


def test_the_description_and_the_bridge_have_the_same_paths_and_verbs() -> None:
    app = create_app(StandIn(), StatisticsTable(), settings())
    offered = {
        route.path: {verb.lower() for verb in route.app.handlers}
        for route in app.routes
        if isinstance(route.app, Resource)
    }
    described = {path: set(verbs) for path, verbs in DOCUMENT["paths"].items()}
    older = {path for path in offered if path.startswith(tuple(f"/{v}/" for v in VERSIONS[1:]))}
    assets = {path for path in offered if path.startswith("/docs/")}

    assert described == {path: offered[path] for path in offered.keys() - older - assets}
    assert {re.sub(r"^/v\d\.\d", "/v3.7", path) for path in older} <= described.keys()


def test_the_description_has_every_field_of_a_recipient() -> None:
    described = DOCUMENT["components"]["schemas"]["RecipientFields"]["properties"]

    for name in described:
        assert fields.find(name) is not None, name
    assert DOCUMENT["components"]["schemas"]["Definition"]["properties"]["dedup"]["enum"] == [
        *DEDUP,
        None,
    ]


def test_the_descriptions_own_examples_are_accepted(bridge: Bridge) -> None:
    content = DOCUMENT["components"]["requestBodies"]["Recipients"]["content"]
    bridge.client.rids |= {(2, "a"): 3073, (2, "b"): 5120}
    for example in content["application/json"]["examples"].values():
        assert bridge.http.put(TRIGGER, json=example["value"]).status_code == 200, example
    for example in content["application/x-www-form-urlencoded"]["examples"].values():
        assert bridge.http.put(TRIGGER, data=example["value"]).status_code == 200, example
    for example in DOCUMENT["components"]["schemas"]["Definition"]["examples"]:
        assert read_definition(json.dumps(example).encode()).name == example["name"]


def test_a_mailing_is_answered_as_described(bridge: Bridge) -> None:
    described = DOCUMENT["components"]["schemas"]["Mailing"]
    answered = bridge.http.get("/v3.7/mailing?orgid=2&mid=1").json()

    assert list(answered) == list(described["properties"]) == described["required"]
    assert answered["name"] == mailing(2, 1).name


def test_the_page_needs_nothing_from_elsewhere(bridge: Bridge) -> None:
    page = bridge.http.get("/docs")
    policy = page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert len(loaded) == 4
    for path in loaded:
        part = bridge.http.get(path)
        assert (path[0], part.status_code) == ("/", 200), path
        assert part.headers["x-content-type-options"] == "nosniff"
        assert len(part.content) > 100
    assert "<script>" not in page.text
    assert bridge.http.get("/docs/page.js").text.count("://") == 0


def test_the_page_can_show_3_1(bridge: Bridge) -> None:
    # Swagger UI before 5 only says that it does not know the version.
    assert "isOAS31" in bridge.http.get("/docs/swagger-ui-bundle.js").text


def test_a_call_under_way_is_answered_before_the_bridge_stops() -> None:
    with running(StandIn(hold=True)) as bridge:
        with socket.create_connection(("127.0.0.1", bridge.port), 30) as connection:
            connection.sendall(SEND)
            eventually(lambda: bridge.client.calls)
            bridge.server.should_exit = True
            eventually(lambda: refused(bridge.port))
            bridge.client.release()
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))

        eventually(lambda: not bridge.thread.is_alive())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"[1024]")


def test_a_call_without_an_answer_does_not_keep_the_bridge_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "DRAIN_S", 0.2)
    with running(StandIn(hold=True)) as bridge:
        with socket.create_connection(("127.0.0.1", bridge.port), 30) as connection:
            connection.sendall(SEND)
            eventually(lambda: bridge.client.calls)
            bridge.server.should_exit = True
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))

        eventually(lambda: not bridge.thread.is_alive())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"the bridge is stopping" in answer


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BridgeError, match=f"cannot listen on 127.0.0.1:{port}: another") as why:
            server.serve(settings(port=port))

    assert "\n" not in str(why.value)


def test_an_address_nobody_knows_is_one_clear_line() -> None:
    with pytest.raises(BridgeError, match=r"the address .* is unknown here"):
        server.serve(settings(host="no-such-host.invalid", insecure=True))


def test_a_large_body_does_not_keep_small_calls_waiting(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_is_answered = threading.Event()

    def read_slowly(body: bytes, *, content_type: str | None) -> TriggerCall:
        if len(body) > trigger.IN_PLACE_BYTES:
            assert small_is_answered.wait(WITHIN_S)
        return read_call(body, content_type=content_type)

    monkeypatch.setattr(trigger, "read_call", read_slowly)
    large = b"[" + b",".join(b'{"email":"u%d@example.com"}' % n for n in range(50_000)) + b"]"
    base = f"http://127.0.0.1:{bridge.port}"
    with (
        httpx.Client(base_url=base, trust_env=False, timeout=60) as other,
        socket.create_connection(("127.0.0.1", bridge.port), 60) as connection,
    ):
        head = f"PUT {TRIGGER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n\r\n"
        connection.sendall(head.encode() + large)
        eventually(lambda: "inflight_calls 1.0" in other.get("/metrics").text)
        seen = len(bridge.client.calls)
        bridge.good_call()
        small_is_answered.set()
        eventually(lambda: len(bridge.client.calls) == seen + 2)

    assert [len(call.entries) for call in bridge.client.calls[seen:]] == [1, 50_000]
