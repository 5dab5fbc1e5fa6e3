"""Input that means harm: each has its status and sentence, and the next good call its ID."""

from __future__ import annotations

import gzip
import logging
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from producers.bridge import protocol
from producers.bridge.limits import Limits
from tests.support.bridge import GOOD, TRIGGER, Bridge, StandIn, running
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
REPLY_WITHIN_S = 30.0


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    with running() as started:
        yield started


@dataclass(frozen=True)
class Case:
    """A body or query, and what it is answered."""

    name: str
    status: int
    sentence: str
    body: bytes = GOOD
    path: str = TRIGGER
    content_type: str = "application/json"
    encoding: str | None = None


CASES = [
    Case("broken JSON", 400, "neither JSON", b'[{"email":'),
    Case("broken JSON too long for JSON5", 400, "too long to be read as JSON5", b"[" + b"1," * MIB),
    Case("empty", 400, "the body is empty", b""),
    Case("blank", 400, "the body is empty", b" \n"),
    Case("nested 100,000 deep", 400, "nested deeper than 64", b"[" * 100_000 + b"]" * 100_000),
    Case("nested 100,000 deep, unclosed", 400, "nested deeper than 64", b'{"a":' * 100_000),
    Case(
        "context nested 65 deep",
        400,
        "nested deeper than 64",
        b'[{"email":"a@example.com","context":' + b"[" * 65 + b"]" * 65 + b"}]",
    ),
    Case("10^6 digits as a rid", 422, "out of range", b"[" + b"9" * 10**6 + b"]"),
    Case(
        "10^6 digits as a rid field",
        422,
        "at most 522240 bytes",
        b'[{"rid":' + b"9" * 10**6 + b"}]",
    ),
    Case(
        "10^6 digits as a context",
        422,
        "at most 522240 bytes",
        b'[{"email":"a@example.com","context":' + b"9" * 10**6 + b"}]",
    ),
    Case(
        "60,000 digits in JSON5",
        400,
        "nor JSON5",
        b"[{email:'a@example.com',rid:" + b"9" * 60_000 + b"}]",
    ),
    Case("an exponent out of range", 422, "out of range", b"[1e999999]"),
    Case("lone surrogate", 422, "surrogate", b'[{"email":"a@example.com","firstName":"\\ud800"}]'),
    Case("lone surrogate in a name", 422, "no such field", b'[{"\\udfff":"x"}]'),
    Case("wrong UTF-8", 400, "not UTF-8", b'[{"email":"a@example.com","firstName":"\xff\xfe"}]'),
    Case("overlong UTF-8", 400, "not UTF-8", b'[{"email":"a\xc0\xafb@example.com"}]'),
    Case("UTF-16", 400, "not UTF-8", '[{"email":"a@example.com"}]'.encode("utf-16")),
    Case("NUL between values", 400, "neither JSON", b'[{"email":"a@example.com"}\0]'),
    Case("NUL in a field", 422, "control", b'[{"email":"a@example.com","firstName":"a\\u0000b"}]'),
    Case(
        "header injection",
        422,
        "control",
        b'[{"email":"a@example.com","firstName":"a\\r\\nBcc: b"}]',
    ),
    Case("unknown field", 422, "no such field", b'[{"email":"a@example.com","__proto__":{}}]'),
    Case("NaN", 422, "NaN", b'[{"email":"a@example.com","context":NaN}]'),
    Case("100,001 entries", 413, "at most 100000 entries", b"[" + b"1," * 100_000 + b"1]"),
    Case("orgid=0", 400, "orgid", path="/v3.7/mailing/trigger?orgid=0&mid=1"),
    Case("missing mid", 400, "mid is missing", path="/v3.7/mailing/trigger?orgid=2"),
    Case("mid of 5,000 digits", 400, "mid", path=f"/v3.7/mailing/trigger?orgid=2&mid={'9' * 5000}"),
    Case("Arabic digits", 400, "orgid", path="/v3.7/mailing/trigger?orgid=%D9%A2&mid=1"),
    Case("broken escape in the query", 400, "percent", path="/v3.7/mailing/trigger?orgid=2&mid=%1"),
    Case("wrong UTF-8 in the query", 400, "", path="/v3.7/mailing/trigger?orgid=2&mid=1&a=%FF"),
    Case("wrong content type", 415, "has to be application/json", content_type="text/plain"),
    Case("nonsense content type", 415, "has to be application/json", content_type=";;;=\\"),
    Case("multipart", 415, "has to be application/json", content_type="multipart/form-data"),
    Case("another charset", 415, "UTF-8", content_type="application/json; charset=utf-16"),
    Case("compressed", 415, "compressed", gzip.compress(b" " * 100 * MIB), encoding="gzip"),
    Case("compressed twice", 415, "compressed", encoding="gzip, br"),
    Case(
        "broken escape in a form",
        400,
        "percent",
        b"email=a%40example.com&firstName=%zz",
        content_type="application/x-www-form-urlencoded",
    ),
    Case(
        "a form of 100,000 fields",
        422,
        "",
        b"&".join(b"f%d=1" % number for number in range(100_000)),
        content_type="application/x-www-form-urlencoded",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_input_gets_its_status_and_sentence(bridge: Bridge, case: Case) -> None:
    headers = {"Content-Type": case.content_type}
    if case.encoding:
        headers["Content-Encoding"] = case.encoding
    answer = bridge.http.put(case.path, content=case.body, headers=headers)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (case.status, case.status), problem
    assert answer.headers["content-type"] == "application/problem+json"
    said = problem["detail"] + str(problem.get("errors", ""))
    assert case.sentence in said
    assert len(problem["detail"]) < 400, "a sentence, not the input again"
    bridge.good_call()


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // MIB):
        yield b" " * MIB


def test_a_body_of_50_mb_is_refused_while_it_streams(bridge: Bridge) -> None:
    answer = bridge.http.put(TRIGGER, content=pieces(50 * MIB))

    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    bridge.good_call()


def test_a_body_that_announces_50_mb_is_refused_unread(bridge: Bridge) -> None:
    answer = raw(bridge, head(f"Content-Length: {50 * MIB}"))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"a body has 32 MiB at most" in answer
    bridge.good_call()


def head(*lines: str) -> bytes:
    """Return the head of a trigger call with *lines* in it."""
    return "\r\n".join([f"PUT {TRIGGER} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def raw(bridge: Bridge, request: bytes) -> bytes:
    """Send *request* as it is; return what comes until the answer is whole."""
    with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection:
        connection.sendall(request)
        return reply(connection)


def reply(connection: socket.socket) -> bytes:
    answer = b""
    while True:
        piece = connection.recv(65_536)
        answer += piece
        if not piece or answer.endswith((b"}", b"]")):
            return answer


def ended(connection: socket.socket) -> bool:
    """Return whether the bridge ends a connection, of which it may have left something unread."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET\r\n\r\n",
        head("Content-Length: 5", "Content-Length: 6") + b"hello!",
        head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        head("Content-Length: -5"),
        head("Content-Length: five"),
        head("Transfer-Encoding: chunked, x") + b"0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"zz\r\n\r\n",
        head("Bad\0Header: x"),
        head("Folded: a", " b", "Content-Length : 3"),
    ],
    ids=[
        "TLS",
        "no target",
        "two lengths",
        "length and chunks",
        "negative length",
        "length in words",
        "smuggled coding",
        "broken chunk",
        "NUL in a header",
        "space before the colon",
    ],
)
def test_what_is_not_http_is_a_400_and_the_end_of_the_connection(
    bridge: Bridge, request_bytes: bytes
) -> None:
    before = len(bridge.client.calls)
    with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(bridge.client.calls) == before
    bridge.good_call()


def test_an_endless_head_is_cut_off(bridge: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection:
        connection.sendall(f"PUT {TRIGGER} HTTP/1.1\r\nHost: localhost\r\nX: ".encode())
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += connection.send(b"x" * MIB)
        except OSError:
            pass

    assert sent < 64 * MIB
    bridge.good_call()


def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    with (
        running() as bridge,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as silent,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as slow,
    ):
        slow.sendall(f"PUT {TRIGGER} HTTP/1.1\r\nHost".encode())

        assert ended(silent)
        assert ended(slow)
        monkeypatch.undo()
        bridge.good_call()


def test_a_refused_body_that_never_ends_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "TAIL_S", 0.2)
    with (
        running() as bridge,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection,
    ):
        connection.sendall(head(f"Content-Length: {50 * MIB}") + b"x")

        assert reply(connection).startswith(b"HTTP/1.1 413 ")
        assert ended(connection)
        bridge.good_call()


def test_a_connection_goes_on_after_a_refused_body_has_come_whole(bridge: Bridge) -> None:
    size = 33 * MIB
    with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection:
        connection.sendall(head(f"Content-Length: {size}"))
        refused = reply(connection)
        connection.sendall(b"x" * size + head(f"Content-Length: {len(GOOD)}") + GOOD)
        accepted = reply(connection)

    assert refused.startswith(b"HTTP/1.1 413 ")
    assert accepted.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("limits", [Limits(idle_s=0.2), Limits(body_s=0.2)], ids=["idle", "whole"])
def test_a_body_that_does_not_come_is_a_408(limits: Limits) -> None:
    with (
        running(limits=limits) as bridge,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection,
    ):
        connection.sendall(head("Content-Length: 100") + b"[")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body did not come" in answer
        # Of one whose own body is held up for so long on its way, the call is made again.
        eventually(lambda: bridge.http.put(TRIGGER, content=GOOD).status_code == 200)


@pytest.mark.parametrize(
    ("limits", "body", "sentence"),
    [
        (Limits(calls=1), GOOD, "too many calls at once"),
        (Limits(body_bytes=2 * len(GOOD) - 1), GOOD, "too many bytes of bodies at once"),
        (Limits(entries=3), b'[{"email":"a@example.com"},7,8]', "too many recipients at once"),
    ],
    ids=["calls", "bytes", "entries"],
)
def test_more_than_fits_at_once_is_a_429_and_fits_again_later(
    limits: Limits, body: bytes, sentence: str
) -> None:
    with running(StandIn(hold=True), limits=limits) as bridge:
        with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as first:
            first.sendall(head(f"Content-Length: {len(GOOD)}") + GOOD)
            eventually(lambda: bridge.client.calls)
            second = bridge.http.put(TRIGGER, content=body)
            bridge.client.release()
            bridge.client.hold = False
            answer = reply(first)

        assert (second.status_code, second.json()["code"]) == (429, "TOO_MANY_REQUESTS")
        assert sentence in second.json()["detail"]
        assert int(second.headers["retry-after"]) >= 1
        assert answer.startswith(b"HTTP/1.1 200 ")
        bridge.good_call()


@contextmanager
def full() -> Iterator[tuple[Bridge, socket.socket, socket.socket]]:
    """Run a bridge that is full with the call of the first connection; the second is unused."""
    with (
        running(StandIn(hold=True), limits=Limits(calls=1)) as bridge,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as first,
        socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as second,
    ):
        first.sendall(head(f"Content-Length: {len(GOOD)}") + GOOD)
        eventually(lambda: bridge.client.calls)
        yield bridge, first, second


def test_the_connection_of_a_refused_call_goes_on() -> None:
    with full() as (bridge, first, second):
        # The body comes after the refusal, and is nothing that follows it.
        second.sendall(head(f"Content-Length: {len(GOOD)}"))
        refused = reply(second)
        second.sendall(GOOD + head(f"Content-Length: {len(GOOD)}") + GOOD)
        again = reply(second)
        other = bridge.http.get("/healthz")
        bridge.client.release()
        bridge.client.hold = False
        taken = reply(first)
        second.sendall(head(f"Content-Length: {len(GOOD)}") + GOOD)
        later = reply(second)
        counted = bridge.http.get("/metrics").text

    assert refused.startswith(b"HTTP/1.1 429 ")
    assert again.startswith(b"HTTP/1.1 429 ")
    assert other.status_code == 200
    assert taken.startswith(b"HTTP/1.1 200 ")
    assert later.startswith(b"HTTP/1.1 200 ")
    assert 'requests_total{route="/v3.7/mailing/trigger",status="429"} 2.0' in counted


def test_a_refused_call_that_is_its_connections_last_ends_it() -> None:
    with full() as (bridge, first, second):
        second.sendall(head(f"Content-Length: {len(GOOD)}", "Connection: close") + GOOD)
        answer = b"".join(iter(lambda: second.recv(65_536), b""))
        bridge.client.release()
        reply(first)

    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nconnection: close\r\n" in answer


def test_a_caller_that_goes_away_in_mid_body_leaves_nothing_behind(bridge: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), REPLY_WITHIN_S) as connection:
        connection.sendall(head("Content-Length: 1000") + b"[" * 500)
        eventually(lambda: "inflight_body_bytes 500.0" in bridge.http.get("/metrics").text)

    eventually(lambda: "inflight_body_bytes 0.0" in bridge.http.get("/metrics").text)
    assert "inflight_calls 0.0" in bridge.http.get("/metrics").text
    bridge.good_call()


def test_nothing_a_caller_sends_is_in_the_log(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "canary7f3a"
    query = f"?orgid=2&mid=1&{canary}=1"
    with caplog.at_level(logging.DEBUG):
        for body in (
            f'[{{"email":"{canary}@example.com","context":"{canary}"}}]',
            f'[{{"email":"{canary}","firstName":7}}]',
            f'[{{"{canary}":',
        ):
            bridge.http.put(TRIGGER, content=body, headers={"User-Agent": canary})
        bridge.client.error = RuntimeError(canary)
        bridge.http.put(TRIGGER, content=GOOD)
        bridge.client.error = None
        bridge.http.put(f"/v3.7/mailing/trigger{query}", content=GOOD)
        bridge.http.put(f"/{canary}", content=GOOD)
        raw(bridge, head(f"Content-Length: {canary}"))

    ours = [
        record.getMessage() + str(record.exc_info or "")
        for record in caplog.records
        if record.name.startswith(("mailing_trigger", "uvicorn"))
    ]
    assert any("unforeseen RuntimeError" in line for line in ours)
    assert not [line for line in ours if canary in line]
    assert canary not in bridge.http.get("/metrics").text
