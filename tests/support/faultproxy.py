"""A TCP proxy before a broker that reads Kafka's frames and spoils what it is told to.

The broker advertises the proxy's port, so every connection of every client passes. It runs on a
thread of its own; a test changes what it does from another, at any moment.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.support.faultrules import Api, Do, Line, Rule
from tests.support.kafka_bytes import KafkaBytes

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
_STARTED_WITHIN_S = 10.0
# Frames under way in one direction of a connection; then TCP holds the sender back.
_UNDER_WAY = 256
_NOT_COORDINATOR = struct.pack(">h", 16)
# From this version on Metadata's arrays and texts are compact, as librdkafka asks for them.
_COMPACT_METADATA = 9
# Of OffsetFetch, by version: an answer ends with its error, then with empty tagged fields (6 and
# above), then with those of the only group's (8 and above).
_ERROR_FROM_END = {**dict.fromkeys(range(2, 6), 2), 6: 3, 7: 3, 8: 4, 9: 4}
_HARD_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class _Connection:
    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    # By the correlation id of the request.
    lose: set[int] = field(default_factory=set)
    late: dict[int, float] = field(default_factory=dict)
    # With where an answer of the request's version has its error, from its end.
    wrong: dict[int, int] = field(default_factory=dict)
    empty: set[int] = field(default_factory=set)
    passed_down: int = 0

    def reset(self) -> None:
        """End both sides, the client's without a goodbye."""
        if not self.client.is_closing():
            self.client.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _HARD_CLOSE
            )
            self.client.transport.abort()
        self.broker.close()


class FaultProxy:
    """Passes frames between clients at *port* and the broker at *broker_port*.

    `done` counts what it did, by a rule's or fault's name, so that a test can tell that its fault
    happened.
    """

    def __init__(self, port: int, broker_port: int, *, seed: int = 1) -> None:
        self.port = port
        self.done: Counter[str] = Counter()
        self._broker_port = broker_port
        self._rng = random.Random(seed)
        self._line = Line()
        self._rules: dict[Rule, int] = {}
        self._strays: list[bytes] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows: dict[bool, asyncio.Event] = {}
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faultproxy", daemon=True)

    def start(self) -> None:
        """Listen; returns when clients can connect."""
        self._thread.start()
        assert self._listening.wait(_STARTED_WITHIN_S)

    def stop(self) -> None:
        """End every connection and the proxy."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STARTED_WITHIN_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set_line(self, line: Line | None = None) -> None:
        """Make the line like *line*; without one it is whole again."""
        self._ask(lambda: self._change(line or Line()))

    def add(self, rule: Rule) -> None:
        """Obey *rule* from now on."""
        self._ask(lambda: self._rules.__setitem__(rule, 0))

    def remove(self, rule: Rule) -> None:
        """Obey *rule* no more."""
        self._ask(lambda: self._rules.pop(rule, None))

    def reset_all(self) -> None:
        """End every connection there is, as a router that lost its memory does."""
        self._ask(self._reset_all)

    def counted(self) -> dict[str, int]:
        """Return `done` as it is now; also from another process."""
        return dict(self.done)

    @property
    def strays(self) -> int:
        """How many requests wait to be delivered too late."""
        return len(self._strays)

    def deliver_strays(self) -> None:
        """Let the broker have the requests of connections that ended long ago, now."""
        delivered = asyncio.run_coroutine_threadsafe(self._deliver_strays(), self._loop)
        delivered.result(_STARTED_WITHIN_S)

    def _ask(self, change: Callable[[], object]) -> None:
        async def do() -> None:
            change()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(_STARTED_WITHIN_S)

    # What follows runs on the proxy's own thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        for up in (True, False):
            self._flows[up] = asyncio.Event()
            self._flows[up].set()
        server = await asyncio.start_server(self._accept, HOST, self.port)
        self._listening.set()
        await self._stopped.wait()
        server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _change(self, line: Line) -> None:
        self._line = line
        for connection in self._connections:
            connection.passed_down = 0
        for up, held in ((True, line.hold_up), (False, line.hold_down)):
            if held:
                self._flows[up].clear()
            else:
                self._flows[up].set()

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            self.done["reset"] += 1
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._line.refuse:
                self.done["refused"] += 1
                return
            with suppress(OSError):
                answers, broker = await asyncio.open_connection(HOST, self._broker_port)
                connection = _Connection(client, broker)
                self._connections.add(connection)
                try:
                    await self._pass(connection, reader, answers)
                finally:
                    self._connections.discard(connection)
                    connection.broker.close()
        finally:
            self._tasks.discard(task)
            client.close()

    async def _pass(
        self, connection: _Connection, reader: asyncio.StreamReader, answers: asyncio.StreamReader
    ) -> None:
        """Pass frames both ways until either side ends."""
        ways = ((True, reader, connection.broker), (False, answers, connection.client))
        tasks = []
        for up, source, sink in ways:
            under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
            tasks.append(asyncio.create_task(self._read(connection, source, under_way, up)))
            tasks.append(asyncio.create_task(self._write(connection, sink, under_way, up)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self,
        connection: _Connection,
        source: asyncio.StreamReader,
        under_way: asyncio.Queue[tuple[float, bytes]],
        up: bool,
    ) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                size = await source.readexactly(4)
                frame = size + await source.readexactly(int.from_bytes(size, "big"))
                late = self._meet_request(connection, frame) if up else 0.0
                if not up:
                    frame = _told_of_none(connection, _told_wrong(connection, frame))
                    late = self._meet_answer(connection, frame)
                if late is None:
                    continue
                line = self._line
                late += line.delay_s + self._rng.uniform(-1, 1) * line.jitter_s
                await under_way.put((self._loop.time() + max(late, 0), frame))

    async def _write(
        self,
        connection: _Connection,
        sink: asyncio.StreamWriter,
        under_way: asyncio.Queue[tuple[float, bytes]],
        up: bool,
    ) -> None:
        with suppress(OSError):
            while True:
                due, frame = await under_way.get()
                # In the order they came, as TCP has it.
                await asyncio.sleep(max(due - self._loop.time(), 0))
                await self._flows[up].wait()
                line = self._line
                if not up and line.cut_after is not None:
                    left = line.cut_after - connection.passed_down
                    if len(frame) > left:
                        sink.write(frame[: max(left, 0)])
                        await sink.drain()
                        self.done["cut"] += 1
                        connection.reset()
                        return
                    connection.passed_down += len(frame)
                step = line.slice_bytes or len(frame)
                for at in range(0, len(frame), step):
                    sink.write(frame[at : at + step])
                    await sink.drain()

    def _meet_request(self, connection: _Connection, frame: bytes) -> float | None:
        """Return how late the request is to be, or None when it is not to pass."""
        api, version, correlation = struct.unpack_from(">hhi", frame, 4)
        rule = self._rule_for(api)
        if rule is None:
            return 0.0
        self.done[f"{rule.api.name} {rule.do.name}"] += 1
        if rule.do is Do.LOSE_ANSWER:
            connection.lose.add(correlation)
        elif rule.do is Do.DELAY_ANSWER:
            connection.late[correlation] = rule.seconds
        elif rule.do is Do.WRONG_COORDINATOR:
            assert rule.api is Api.OFFSET_FETCH
            connection.wrong[correlation] = _ERROR_FROM_END[version]
        elif rule.do is Do.NO_BROKERS:
            assert rule.api is Api.METADATA
            if version >= _COMPACT_METADATA:
                connection.empty.add(correlation)
        elif rule.do is Do.STRAY:
            self._strays.append(frame)
            connection.reset()
            return None
        else:
            return None
        return 0.0

    def _rule_for(self, api: int) -> Rule | None:
        for rule, met in self._rules.items():
            if rule.api == api:
                self._rules[rule] = met + 1
                nth, rest = divmod(met, rule.every)
                if not rest and (rule.times is None or nth < rule.times):
                    return rule
        return None

    def _meet_answer(self, connection: _Connection, frame: bytes) -> float | None:
        (correlation,) = struct.unpack_from(">i", frame, 4)
        if correlation in connection.lose:
            connection.reset()
            return None
        return connection.late.pop(correlation, 0.0)

    async def _deliver_strays(self) -> None:
        strays, self._strays = self._strays, []
        for frame in strays:
            reader, writer = await asyncio.open_connection(HOST, self._broker_port)
            writer.write(frame)
            # Answered, so done or refused; nobody is there to hear which.
            await reader.readexactly(4)
            self.done["stray"] += 1
            writer.close()


def _told_wrong(connection: _Connection, frame: bytes) -> bytes:
    """Return *frame*, as an answer of a broker that does not coordinate the group if it is to."""
    (correlation,) = struct.unpack_from(">i", frame, 4)
    from_end = connection.wrong.pop(correlation, None)
    if from_end is None:
        return frame
    at = len(frame) - from_end
    return frame[:at] + _NOT_COORDINATOR + frame[at + 2 :]


def _told_of_none(connection: _Connection, frame: bytes) -> bytes:
    """Return *frame*, as an answer about a cluster without brokers if it is to be one."""
    (correlation,) = struct.unpack_from(">i", frame, 4)
    if correlation not in connection.empty:
        return frame
    connection.empty.discard(correlation)
    # Behind the size, the number, its empty tagged fields and the time it was throttled.
    first = 4 + 4 + 1 + 4
    rest = KafkaBytes(frame, first)
    for _ in range(rest.varint() - 1):
        # Its number, host, port and rack; then its tagged fields, of which it has none.
        rest.number(">i"), rest.text(compact=True), rest.number(">i"), rest.text(compact=True)
        assert not rest.varint()
    body = frame[4:first] + b"\x01" + frame[rest.at :]
    return struct.pack(">i", len(body)) + body
