"""What the engine puts into one transaction, and what it waits for."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.codec import Codec
from streams.worker.engine import Engine, Owned
from streams.worker.settings import WorkerSettings
from streams.worker.source import Chunk, Fetch
from streams.worker.transaction import Transaction
from tests.support.events import defined, log_of, triggered
from tests.support.folding import HOME, Partition, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from streams.core.effects import Effects

WITHIN_S = 10.0
MIB = 1024 * 1024
SLICE = 400


class Endless:
    """A fold with more to send than ends, *size* bytes a message."""

    def __init__(self, partition: int, size: int = 100) -> None:
        self.state = SimpleNamespace(partition=partition, drains=True)
        self._sends = [(b"", bytes(size))] * min(SLICE, MIB // size)

    def begin(self) -> None: ...

    def drain(self, _limit: int, effects: Effects) -> int:
        effects.sends += self._sends
        return len(self._sends)


def engine_of(*folds: Any, resolve: Callable[[int], bool] = lambda _: False) -> Any:
    engine: Any = Engine(
        WorkerSettings(bootstrap_servers="127.0.0.1:1"),
        Codec().framing,
        "worker",
        resolve=resolve,
        on_failure=lambda error: None,
    )
    engine._metadata = object()
    for fold in folds:
        partition = fold.state.partition
        engine.owned[partition] = Owned(fold, 1)
        engine.source._incarnations[partition] = 1
    return engine


def drained(engine: Any, triggers: int) -> Transaction:
    """Return a transaction of *triggers* and what invocations put beside them."""
    engine._building = Transaction(None, events=triggers)
    while engine._drain():
        pass
    built: Transaction = engine._building
    return built


def test_messages_with_large_contexts_do_not_fill_the_memory_with_one_transaction() -> None:
    built = drained(engine_of(Endless(0, size=250_000)), triggers=0)
    assert 16 * MIB <= built.drained_bytes < 18 * MIB


def test_a_drain_beside_a_few_triggers_leaves_them_the_machine() -> None:
    assert drained(engine_of(Endless(0)), triggers=0).drained >= 8_000
    assert drained(engine_of(Endless(0)), triggers=1).drained < 2_500 + SLICE


def test_a_drain_keeps_pace_with_an_import_into_its_mailing() -> None:
    assert drained(engine_of(Endless(0)), triggers=12_000).drained >= 12_000


def test_the_last_of_many_partitions_does_not_wait_until_the_first_are_empty() -> None:
    engine = engine_of(*map(Endless, range(20)))
    sent: Counter[int] = Counter()
    for _ in range(20):
        for partition, part in drained(engine, triggers=1).parts.items():
            sent[partition] += len(part.effects.sends)
    assert len(sent) == 20
    assert max(sent.values()) - min(sent.values()) <= SLICE


def test_who_came_before_an_event_of_an_unknown_schema_is_answered_while_a_registry_is_silent() -> (
    None
):
    asked, over = threading.Event(), threading.Event()

    def resolve(_: int) -> bool:
        asked.set()
        over.wait(WITHIN_S)
        return False

    async def story() -> list[int]:
        fold = Partition(framing=Codec().framing).fold
        engine = engine_of(fold, resolve=resolve)
        answered: list[int] = []
        engine.replier.send = lambda replies, _: answered.append(len(replies.acks))
        (email,) = at_home("a@b.org")
        key, value = triggered(email=email)
        assert value is not None
        unknown = (key, b"\x00" + (77).to_bytes(4, "big") + value[10:])
        chunk = Chunk(HOME, 1, log_of([defined(), (key, value), unknown]), 0)
        folding = asyncio.create_task(engine._fold_records(chunk, Fetch([chunk], object(), 0)))
        await asyncio.to_thread(asked.wait, WITHIN_S)
        before = list(answered)
        over.set()
        await folding
        return before

    assert asyncio.run(story()) == [1]


def test_a_partition_is_given_up_while_others_have_one_transaction_after_the_other() -> None:
    async def story() -> bool:
        engine = engine_of()
        first, second = asyncio.Event(), asyncio.Event()
        engine._shipping = asyncio.ensure_future(first.wait())
        release = asyncio.create_task(engine._release([0]))
        await asyncio.sleep(0)
        following = engine._shipping = asyncio.ensure_future(second.wait())
        first.set()
        await asyncio.wait({release}, timeout=WITHIN_S)
        second.set()
        await following
        return release.done()

    assert asyncio.run(story())


def test_a_worker_that_was_paused_while_it_gave_a_partition_up_does_not_end_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Waiting:
        """The end of a release, not there for the first second after a pause."""

        waited: ClassVar[list[float]] = []

        def result(self, timeout: float) -> None:
            self.waited.append(timeout)
            if len(self.waited) == 1:
                raise TimeoutError

    def later(coroutine: Any, _loop: object) -> Waiting:
        coroutine.close()
        return Waiting()

    async def story() -> None:
        engine = engine_of()
        engine._loop = asyncio.get_running_loop()
        engine.release([0])

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", later)
    asyncio.run(story())
    assert len(Waiting.waited) == 2
