"""Threads, their pools, locks and an event loop, as actors of the scheduler."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from concurrent.futures import Future
from heapq import heappop
from typing import TYPE_CHECKING, Any

from tests.simulation.scheduler import NEVER, Actor

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tests.simulation.process import Process
    from tests.simulation.scheduler import Scheduler


class SimCondition:
    """`threading.Condition`: no thread loses the interpreter while it holds one."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._news = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float) -> bool:
        """Wait to be notified."""
        seen = self._news
        return self._scheduler.wait(lambda: self._news != seen, timeout, "waits for room")

    def notify_all(self) -> None:
        """Wake who waits."""
        self._news += 1


class SimThread:
    """`threading.Thread`."""

    def __init__(
        self, scheduler: Scheduler, *, target: Callable[[], None], name: str, daemon: bool
    ) -> None:
        assert daemon
        self._scheduler, self._target, self._name = scheduler, target, name
        self._thread: Any = None

    def start(self) -> None:
        """Begin."""
        host = self._scheduler.current.host if self._scheduler.current else None
        self._thread = self._scheduler.start(
            f"{host.name if host else ''} {self._name}", host, self._target
        )

    def join(self) -> None:
        """Wait for the end."""
        self._scheduler.wait(lambda: self._thread.done, None, "waits for a thread's end")


class SimPool:
    """`ThreadPoolExecutor`."""

    def __init__(
        self, scheduler: Scheduler, saw: Counter[str], size: int, *, thread_name_prefix: str
    ) -> None:
        self._scheduler, self._size, self._name = scheduler, size, thread_name_prefix
        self._jobs: deque[object] = deque()
        self._running = 0
        self._saw = saw

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run *work* when a thread is free."""
        future: Future[Any] = Future()
        job = object()
        self._jobs.append(job)

        def run() -> None:
            self._scheduler.wait(
                lambda: self._running < self._size and self._jobs[0] is job, None, "waits its turn"
            )
            self._jobs.popleft()
            self._running += 1
            try:
                result = work(*args)
            except Exception as exc:  # noqa: BLE001 - a future's
                future.set_exception(exc)
            else:
                future.set_result(result)
            finally:
                self._running -= 1

        assert self._scheduler.current is not None
        host = self._scheduler.current.host
        thread = self._scheduler.start(f"{host.name if host else ''} {self._name}", host, run)
        if self._name == "ship":
            # Longer than the engine waits for a shipper, shorter than a transaction may be open.
            thread.hang_s = 25.0
        return future

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Nothing waits for threads of a simulated process, which end with it."""
        if self._running and not wait:
            self._saw["shipper given up"] += 1


class SimFuture:
    """A future of the loop's, for a thread to wait for."""

    def __init__(self, future: Future[Any], scheduler: Scheduler) -> None:
        self._future, self._scheduler = future, scheduler

    def result(self, timeout: float) -> Any:
        """Wait for the result."""
        self._scheduler.wait(self._future.done, timeout, "waits for the loop")
        return self._future.result(0)


class SimLoop(asyncio.BaseEventLoop, Actor):
    """An event loop that runs one handle a step."""

    what = "one handle"

    def __init__(self, process: Process, scheduler: Scheduler) -> None:
        asyncio.BaseEventLoop.__init__(self)
        Actor.__init__(self, f"{process.name} loop", process)
        self._scheduler = scheduler
        self._pool = SimPool(scheduler, process.world.broker.saw, 4, thread_name_prefix="default")
        self._called: list[Any] = []
        # A killed process leaves tasks unfinished.
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        """The simulation's time."""
        return self._scheduler.now

    def ready(self, now: float) -> bool:
        """Whether a handle may run."""
        self._drop_cancelled()
        return bool(self._ready) or self.deadline() <= now

    def deadline(self) -> float:
        """When the next timer is due."""
        self._drop_cancelled()
        return self._scheduled[0]._when if self._scheduled else NEVER

    def _drop_cancelled(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            heappop(self._scheduled)._scheduled = False

    def step(self) -> None:
        """Run one handle."""
        while self._scheduled and self._scheduled[0]._when <= self._scheduler.now:
            timer = heappop(self._scheduled)
            timer._scheduled = False
            self._ready.append(timer)
        handle = self._ready.popleft()
        if handle._cancelled:
            return
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(None)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run *func* on a simulated thread."""
        return asyncio.wrap_future((executor or self._pool).submit(func, *args), loop=self)

    def call_threadsafe(self, coro: Any) -> Future[Any]:
        """As `asyncio.run_coroutine_threadsafe`, which leaves a loop's end to others."""
        self._called.append(coro)
        return asyncio.run_coroutine_threadsafe(coro, self)

    def forget(self) -> None:
        """Leave all tasks where they are."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.get_coro().close()  # type: ignore[union-attr]
        for coro in self._called:
            coro.close()
        self._ready.clear()
        self._scheduled.clear()

    def _write_to_self(self) -> None:
        pass

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def __del__(self) -> None:
        pass
