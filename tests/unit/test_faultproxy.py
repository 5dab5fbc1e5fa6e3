"""The proxy that spoils connections: it does what it is told, and no harm otherwise."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.faultproxy import FaultProxy
from tests.support.faultrules import Api, Do, Line, Rule
from tests.support.ports import own_port
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
WITHIN_S = 10.0


class Broker(socketserver.ThreadingTCPServer):
    """Answers each request with its own payload, and remembers it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[tuple[int, bytes]] = []
        super().__init__((HOST, 0), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(socketserver.StreamRequestHandler):
    server: Broker

    def handle(self) -> None:
        while header := self.rfile.read(4):
            body = self.rfile.read(int.from_bytes(header, "big"))
            (api,) = struct.unpack_from(">h", body)
            self.server.requests.append((api, body[8:]))
            answer = body[4:]
            self.wfile.write(len(answer).to_bytes(4, "big") + answer)


class Client:
    """One connection, which asks and waits for answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=WITHIN_S)
        self._file = self.socket.makefile("rb")
        self._asked = 0

    def ask(self, api: int, payload: bytes, *, version: int = 0) -> None:
        self._asked += 1
        body = struct.pack(">hhi", api, version, self._asked) + payload
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def answer(self) -> bytes:
        """Return the next answer; empty when the connection ended in an orderly way."""
        size = self._file.read(4)
        return self._file.read(int.from_bytes(size, "big"))[4:]

    def silent_for(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(WITHIN_S)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(broker: Broker) -> Iterator[FaultProxy]:
    with FaultProxy(own_port(), broker.port) as started:
        yield started


@contextmanager
def ended() -> Iterator[None]:
    with pytest.raises((ConnectionError, EOFError)):
        yield


def test_a_whole_line_passes_requests_and_answers_in_order(proxy: FaultProxy) -> None:
    client = Client(proxy.port)
    sent = [bytes([number]) * number * 1000 for number in range(1, 30)]
    for payload in sent:
        client.ask(Api.PRODUCE, payload)
    assert [client.answer() for _ in sent] == sent
    assert not proxy.done


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(Line(delay_s=0.02, jitter_s=0.02), id="late"),
        pytest.param(Line(slice_bytes=7), id="slices"),
    ],
)
def test_a_slow_line_loses_nothing_and_keeps_the_order(proxy: FaultProxy, line: Line) -> None:
    proxy.set_line(line)
    client = Client(proxy.port)
    sent = [b"%d" % number * 50 for number in range(10)]
    for payload in sent:
        client.ask(Api.FETCH, payload)
    assert [client.answer() for _ in sent] == sent


@pytest.mark.parametrize(
    ("line", "reaches_broker"),
    [
        pytest.param(Line(hold_up=True), False, id="up"),
        pytest.param(Line(hold_down=True), True, id="down"),
        pytest.param(Line(hold_up=True, hold_down=True), False, id="both"),
    ],
)
def test_what_a_held_line_kept_back_passes_when_it_heals(
    proxy: FaultProxy, broker: Broker, line: Line, reaches_broker: bool
) -> None:
    client = Client(proxy.port)
    proxy.set_line(line)
    client.ask(Api.METADATA, b"where")
    if reaches_broker:
        eventually(lambda: broker.requests)
    assert client.silent_for(0.1)
    assert bool(broker.requests) is reaches_broker
    proxy.set_line()
    assert client.answer() == b"where"


def test_a_line_is_cut_in_the_middle_of_an_answer(proxy: FaultProxy) -> None:
    client = Client(proxy.port)
    proxy.set_line(Line(cut_after=20))
    client.ask(Api.FETCH, b"x" * 100)
    with ended():
        while client.socket.recv(1000):
            pass
    assert proxy.done == {"cut": 1}


def test_a_reset_ends_every_connection_and_new_ones_work(proxy: FaultProxy) -> None:
    clients = [Client(proxy.port) for _ in range(3)]
    for client in clients:
        client.ask(Api.METADATA, b"there?")
        assert client.answer() == b"there?"
    proxy.reset_all()
    for client in clients:
        with ended():
            client.socket.recv(1)
    new = Client(proxy.port)
    new.ask(Api.METADATA, b"again")
    assert new.answer() == b"again"
    assert proxy.done == {"reset": 3}


def test_a_line_that_refuses_ends_new_connections(proxy: FaultProxy) -> None:
    proxy.set_line(Line(refuse=True))
    assert Client(proxy.port).socket.recv(1) == b""
    proxy.set_line()
    client = Client(proxy.port)
    client.ask(Api.METADATA, b"again")
    assert client.answer() == b"again"


def test_an_answer_is_lost_after_the_broker_had_the_request(
    proxy: FaultProxy, broker: Broker
) -> None:
    proxy.add(Rule(Api.PRODUCE, Do.LOSE_ANSWER, times=1))
    client = Client(proxy.port)
    client.ask(Api.METADATA, b"not this")
    assert client.answer() == b"not this"
    client.ask(Api.PRODUCE, b"record")
    with ended():
        client.socket.recv(1)
    assert broker.requests[-1] == (Api.PRODUCE, b"record")
    again = Client(proxy.port)
    again.ask(Api.PRODUCE, b"record")
    assert again.answer() == b"record"


def test_a_dropped_request_leaves_the_connection_and_others_alone(
    proxy: FaultProxy, broker: Broker
) -> None:
    rule = Rule(Api.HEARTBEAT, Do.DROP)
    proxy.add(rule)
    client = Client(proxy.port)
    client.ask(Api.HEARTBEAT, b"alive")
    client.ask(Api.FETCH, b"next")
    assert client.answer() == b"next"
    proxy.remove(rule)
    client.ask(Api.HEARTBEAT, b"alive again")
    assert client.answer() == b"alive again"
    assert [payload for _, payload in broker.requests] == [b"next", b"alive again"]


def test_a_rule_is_for_every_nth_request(proxy: FaultProxy, broker: Broker) -> None:
    proxy.add(Rule(Api.HEARTBEAT, Do.DROP, every=3, times=2))
    client = Client(proxy.port)
    for number in range(9):
        client.ask(Api.HEARTBEAT, b"%d" % number)
    assert [client.answer() for _ in range(7)] == [b"1", b"2", b"4", b"5", b"6", b"7", b"8"]
    assert proxy.done == {"HEARTBEAT DROP": 2}


def test_an_answer_that_is_late_holds_back_those_behind_it(proxy: FaultProxy) -> None:
    proxy.add(Rule(Api.TXN_OFFSET_COMMIT, Do.DELAY_ANSWER, seconds=0.2))
    client = Client(proxy.port)
    client.ask(Api.TXN_OFFSET_COMMIT, b"slow")
    client.ask(Api.FETCH, b"quick")
    assert [client.answer(), client.answer()] == [b"slow", b"quick"]


def test_a_stray_request_arrives_when_its_connection_is_long_gone(
    proxy: FaultProxy, broker: Broker
) -> None:
    proxy.add(Rule(Api.END_TXN, Do.STRAY, times=1))
    client = Client(proxy.port)
    client.ask(Api.END_TXN, b"commit")
    with ended():
        client.socket.recv(1)
    assert (proxy.strays, broker.requests) == (1, [])
    proxy.deliver_strays()
    assert (proxy.strays, broker.requests) == (0, [(Api.END_TXN, b"commit")])


def test_an_answer_about_the_cluster_names_no_brokers(proxy: FaultProxy) -> None:
    # Two of them: a number, host and port, a rack or none, and no tagged fields.
    brokers = b"".join(
        struct.pack(">i", number) + b"\x0alocalhost" + struct.pack(">i", 9092) + rack + b"\x00"
        for number, rack in ((1, b"\x00"), (2, b"\x02a"))
    )
    before, behind = b"\x00" + bytes(4), b"\x0ba-cluster" + bytes(8)
    answer = before + b"\x03" + brokers + behind
    proxy.add(Rule(Api.METADATA, Do.NO_BROKERS))
    client = Client(proxy.port)
    # Older versions have another form, and pass.
    client.ask(Api.METADATA, answer, version=8)
    assert client.answer() == answer
    client.ask(Api.METADATA, answer, version=13)
    assert client.answer() == before + b"\x01" + behind
