"""Several partitions compared at a time: they share nothing, so each can have a process to itself.

What callers have to be told is handed back: their answers may lie anywhere in `mailing.acks`.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections import deque
from multiprocessing import connection
from typing import TYPE_CHECKING, cast

from streams.verify.partition import Checked, Partition
from streams.verify.reading import LOG, CannotRead
from streams.verify.records import Records
from streams.verify.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import TracebackType
    from typing import Self

    from streams.verify.reading import Topics
    from streams.verify.records import Registered
    from streams.verify.told import Told
    from streams.verify.wanted import Wanted

    Checking = Callable[[Told, Report, Callable[[int], None]], list[Checked]]
    """Compares all partitions; those whose topics belong together are returned, in order."""

# Events whose answers are handed back at once. A process waits while nobody takes them.
_AT_ONCE = 2_000
_END_WITHIN_S = 5.0


def one_by_one(topics: Topics, records: Records) -> Checking:
    """Return what compares the partitions here, so that only one model is in memory."""

    def checked(told: Told, report: Report, read_to: Callable[[int], None]) -> list[Checked]:
        numbers = range(topics.partitions[LOG])
        checks = [Partition(n, topics, records, told.expect, report, read_to) for n in numbers]
        return [done for check in checks if (done := check.run()) is not None]

    return checked


class SideBySide:
    """Processes that compare partitions as soon as the block is entered, and end with it."""

    def __init__(self, topics: Topics, registered: Registered, processes: int) -> None:
        self._left = deque(range(topics.partitions[LOG]))
        self._pipes: dict[Connection, SpawnProcess] = {}
        # Not forked: the broker's client has threads.
        context = multiprocessing.get_context("spawn")
        for _ in range(processes):
            ours, theirs = context.Pipe()
            given = (theirs, topics, registered)
            self._pipes[ours] = context.Process(target=_work, args=given, daemon=True)
            self._pipes[ours].start()
            theirs.close()
            self._give_work(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, _at: TracebackType | None
    ) -> None:
        for pipe, process in self._pipes.items():
            if kind is not None:
                process.kill()
            process.join(_END_WITHIN_S)
            pipe.close()

    def checked(self, told: Told, report: Report, read_to: Callable[[int], None]) -> list[Checked]:
        """Take what the processes hand back, until all partitions are compared."""
        found: list[tuple[int, Checked | None, Report]] = []
        busy = set(self._pipes)
        while busy:
            for pipe in cast("list[Connection]", connection.wait(busy)):
                wanted, read, done = _received(pipe)
                for each in wanted:
                    told.expect(each)
                read_to(read)
                if done is not None:
                    found.append(done)
                    if not self._give_work(pipe):
                        busy.discard(pipe)
        found.sort(key=lambda done: done[0])
        for _, _, partial in found:
            report.add(partial)
        return [check for _, check, _ in found if check is not None]

    def _give_work(self, pipe: Connection) -> bool:
        number = self._left.popleft() if self._left else None
        pipe.send(number)
        return number is not None


def _received(
    pipe: Connection,
) -> tuple[list[Wanted], int, tuple[int, Checked | None, Report] | None]:
    """Return the next answers to look for, how much was read, and the end of a partition."""
    try:
        said = pipe.recv()
    except EOFError:
        raise CannotRead(
            "a process that compared a partition was ended from outside, perhaps for its memory: "
            "fewer at a time (--processes 1) take less"
        ) from None
    if isinstance(said, Exception):
        raise said
    return cast("tuple[list[Wanted], int, tuple[int, Checked | None, Report] | None]", said)


class _Handed:
    """Hands back through *pipe*, many at once, what one partition's answers have to be."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._wanted: list[Wanted] = []
        self._read = 0

    def take(self, wanted: Wanted) -> None:
        """Hand one back, soon."""
        self._wanted.append(wanted)
        if len(self._wanted) >= _AT_ONCE:
            self.send(None)

    def read_to(self, count: int) -> None:
        """Say soon that so many offsets were read."""
        self._read += count
        if self._read >= _AT_ONCE:
            self.send(None)

    def send(self, done: tuple[int, Checked | None, Report] | None) -> None:
        """Hand everything back, with the end of a partition where there is one."""
        self._pipe.send((self._wanted, self._read, done))
        self._wanted, self._read = [], 0


def _work(pipe: Connection, topics: Topics, registered: Registered) -> None:
    """Compare the partitions whose numbers come through *pipe*, until None comes."""
    # Ctrl-C reaches everybody; who waits for us ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Millions of tuples, and no cycles among them: looking for some takes a quarter of the time.
    gc.disable()
    records, handed = Records(registered), _Handed(pipe)
    try:
        while (number := pipe.recv()) is not None:
            report = Report()
            check = Partition(number, topics, records, handed.take, report, handed.read_to)
            handed.send((number, check.run(), report))
    except CannotRead as exc:
        pipe.send(exc)
    except (EOFError, BrokenPipeError):
        # Nobody waits for us any more.
        return
    except Exception as exc:  # noqa: BLE001 - it is raised where somebody sees it
        pipe.send(RuntimeError(f"{type(exc).__name__}: {exc}"))
