"""The loop between log and effects: take, fold, reply, ship; the next folds while the last ships.

Everything here runs on the event loop; only shipping waits on a thread. Between two awaits the
folds and the transaction being built are consistent, so a release may come at any await.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schemas.errors import RegistrySilent, UnknownFraming
from streams.core.transition import Fold
from streams.store.errors import StoreUnfit
from streams.worker.errors import WorkerError
from streams.worker.invocations import InvocationTimer
from streams.worker.retry import pauses
from streams.worker.shipping import Outcome, Replier, Shipped, Shipper
from streams.worker.source import Adoption, Chunk, Fetch, Membership, Source
from streams.worker.statistics_pace import StatisticsPace
from streams.worker.suspects import Suspects
from streams.worker.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.framing import Framing
    from streams.core.effects import Effects
    from streams.worker.settings import WorkerSettings

log = logging.getLogger("mailing_trigger.worker.engine")

# A transaction of this many events costs little more than one of a few; a larger one only makes
# its readers wait. Under a backlog one has about half as many, so that the fold need not wait when
# the one before takes twice its time.
_MAX_EVENTS = 32_000
_MAX_BYTES = 64 * 1024 * 1024
# From one transaction to the next. Answers do not wait for it, so where there is little to do it
# only decides how many calls share the 20 requests or so that one costs.
_SHIP_EVERY_S = 0.1
# Sends of an invocation between two looks at the log: some 3 ms of work, which triggers wait.
_DRAIN_SLICE = 250
# Sends in a transaction, of all partitions together. Less than a transaction has room for: where a
# drain filled it, no trigger would be folded until the one before is written. Beside triggers fewer
# again, for whoever waits for an answer shares processors and broker with them (`bench drain`).
_DRAINED_ALONE = 8_000
# And as many as there are events besides, or more would come than go.
_DRAINED_BESIDE = 2_500
_MOST_DRAINED_BYTES = 16 * 1024 * 1024
# Longer than a transaction takes to be written or given up. Second by second: while the process is
# paused the event loop has no time either, and that is not its fault.
_RELEASE_S = 60
# The shipper's own limits are shorter: 15 s to write. Whoever takes longer does not obey them.
_SHIP_LIMIT_S = 20.0
# Each shipper that is left behind keeps some five threads, eight files and 6 MiB.
_MAX_ABANDONED = 8
# Events in a registry's framing wait this long for it; the watchdog is a little slower.
_REGISTRY_S = 45.0


@dataclass(frozen=True, slots=True)
class Owned:
    """A partition of ours: its fold, and the incarnation whose chunks it takes."""

    fold: Fold
    incarnation: int


class Engine:
    """Folds what the source takes, and ships it. *resolve* asks a registry for a schema id."""

    def __init__(
        self,
        settings: WorkerSettings,
        framing: Framing,
        transactional_id: str,
        *,
        resolve: Callable[[int], bool],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._framing = framing
        self._resolve = resolve
        self._fail = on_failure
        self.replier = Replier(settings, framing)
        self._new_shipper = partial(Shipper, settings, framing, self.replier, transactional_id)
        self._shipper = self._new_shipper()
        self._abandoned = 0
        self.source = Source(settings, self, transactional_id)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ship")
        self._suspects = Suspects()
        self.owned: dict[int, Owned] = {}
        self._building: Transaction | None = None
        self._shipping: asyncio.Task[None] | None = None
        # The last transaction began a moment ago.
        self._pausing = False
        # A spent producer is being replaced, which waits for the broker; nothing is shipped.
        self._renewing: asyncio.Task[None] | None = None
        self._metadata: object = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup = asyncio.Event()
        self._stopping = False
        self._timer = InvocationTimer(framing, self.replier.send_event, time.monotonic)
        self._drained_last = -1
        self._statistics = StatisticsPace(time.monotonic)
        # Rows are due that no transaction may come to carry.
        self._rows_due = False
        self.running = False
        # What the watchdog looks at: grows with everything folded, shipped, taken or given up.
        self.progress = 0

    async def start(self) -> None:
        """Make transactions possible, then join the group."""
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._thread, self._shipper.renew)
        self.source.start()

    async def stop(self) -> None:
        """Ship what is folded, leave the group, and end."""
        self._stopping = True
        self._wakeup.set()
        await self._flush()
        await asyncio.get_running_loop().run_in_executor(None, self.source.stop)
        self._thread.shutdown()

    @property
    def busy(self) -> bool:
        """Whether there is work that should make progress."""
        if self._renewing is not None:
            # It has a limit of its own, and a broker that is away makes nobody guilty.
            return False
        return self.source.waiting() or self._building is not None or self._shipping is not None

    # The source's listener: these come from its thread.

    def wake(self) -> None:
        """There is something to take."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wakeup.set)

    def release(self, partitions: list[int]) -> None:
        """Give partitions up; returns when nothing of them is being shipped any more."""
        assert self._loop is not None  # noqa: S101 - the source starts after the engine
        done = asyncio.run_coroutine_threadsafe(self._release(partitions), self._loop)
        for _ in range(_RELEASE_S):
            with suppress(TimeoutError):
                done.result(1.0)
                return
        raise TimeoutError(f"partitions {partitions} were not given up in {_RELEASE_S} s")

    def fail(self, error: BaseException) -> None:
        """The process cannot go on."""
        self._fail(error)

    # What follows runs on the event loop.

    async def run(self) -> None:
        """Work until stopped."""
        self.running = True
        try:
            await self._work()
        finally:
            self.running = False

    def tick(self) -> None:
        """Invoke the mailings whose time has come, and see to rows of statistics."""
        if self.replier.is_late() and self._building is None and self._shipping is None:
            # Between two transactions, so that no reply is lost with it.
            self.replier.renew()
        self._timer.tick(owned.fold.state for owned in self.owned.values())
        if any(self._statistics.due(owned.fold.state) for owned in self.owned.values()):
            self._rows_due = True
            self._wakeup.set()

    async def _work(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            if await self._step():
                # Faust's own tasks get their turn between two fetches.
                await asyncio.sleep(0)
            else:
                await self._wakeup.wait()

    async def _step(self) -> bool:
        """Do the next piece of work; return whether to look for more at once.

        What is built while a transaction is being written, or has just been, is shipped when that
        is over: the wake-up comes with it.
        """
        taken = None
        if self._has_room():
            taken = self.source.take()
        elif self._shipping is not None:
            await asyncio.wait({self._shipping})
        if isinstance(taken, Adoption):
            self._adopt(taken)
        elif isinstance(taken, Membership):
            self._metadata = taken.group_metadata
        elif isinstance(taken, Fetch):
            self._metadata = taken.group_metadata
            for chunk in taken.chunks:
                await self._fold(chunk, taken)
        drained = self._drain()
        self._report()
        if self._building is not None and self._may_ship():
            self._ship()
        return taken is not None or drained

    def _has_room(self) -> bool:
        building = self._building
        return building is None or (building.events < _MAX_EVENTS and building.size < _MAX_BYTES)

    def _may_drain(self) -> bool:
        building = self._building
        if building is None:
            return True
        beside = building.events - building.drained
        most = max(_DRAINED_BESIDE, beside) if beside else _DRAINED_ALONE
        small = building.drained_bytes < _MOST_DRAINED_BYTES
        return building.drained < most and small and self._has_room()

    def _may_ship(self) -> bool:
        pausing = self._pausing and self._has_room()
        return self._shipping is None and self._renewing is None and not pausing

    def _adopt(self, adoption: Adoption) -> None:
        partition = adoption.state.partition
        if self.source.is_current(partition, adoption.incarnation):
            self._metadata = adoption.group_metadata
            fold = Fold(adoption.state, self._framing)
            self.owned[partition] = Owned(fold, adoption.incarnation)
            self.progress += 1

    async def _fold(self, chunk: Chunk, fetch: Fetch) -> None:
        first = chunk.records[0][0]
        if self._suspects.one_by_one(chunk.partition, first):
            for record in chunk.records:
                await self._flush()
                await self._fold_records(
                    Chunk(chunk.partition, chunk.incarnation, [record], 0), fetch
                )
                await self._flush()
        else:
            await self._fold_records(chunk, fetch)

    async def _fold_records(self, chunk: Chunk, fetch: Fetch) -> None:
        while (owned := self._owner(chunk)) is not None:
            if self._building is None:
                self._building = Transaction(fetch.group_metadata)
            building = self._building
            part = building.part(owned.fold, owned.incarnation)
            try:
                poison = self._suspects.poison(chunk.partition)
                owned.fold.state.recipients.prefetch(record[1] for record in chunk.records)
                owned.fold.apply(chunk.records, part.effects, poison)
            except UnknownFraming as exc:
                # Of the events before it; a stop may ship them while the registry is silent.
                self._reply(part.effects, building)
                await self._ask_registry(chunk, owned, exc)
                continue
            except StoreUnfit as exc:
                self._reply(part.effects, building)
                await self._give_back(exc)
                return
            if part.first is None:
                part.first = chunk.records[0][0]
            building.events += len(chunk.records)
            building.size += chunk.size
            self._reply(part.effects, building)
            self.progress += 1
            return

    async def _give_back(self, broken: StoreUnfit) -> None:
        """Take over anew, from the changelog, what is being built on a table that broke."""
        log.warning("partitions are taken over anew, for a database broke: %s", broken)
        await self._settle()
        if self._building is not None:
            self._take_back(self._building, Shipped(Outcome.BROKEN))

    def _owner(self, chunk: Chunk) -> Owned | None:
        owned = self.owned.get(chunk.partition)
        if owned is None or owned.incarnation != chunk.incarnation:
            return None
        return owned if self.source.is_current(chunk.partition, chunk.incarnation) else None

    async def _ask_registry(self, chunk: Chunk, owned: Owned, unknown: UnknownFraming) -> None:
        """Learn a schema id before going on; an id nobody knows makes its event a dead letter."""
        # Found before waiting: a failed transaction may take the fold back meanwhile.
        applied = owned.fold.state.applied
        offset = next(record[0] for record in chunk.records if record[0] > applied)
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(None, self._known, unknown.schema_id or 0)
        if known:
            for each in self.owned.values():
                each.fold.learn_framing()
            return
        self._suspects.condemn(chunk.partition, offset, unknown.reason)

    def _known(self, schema_id: int) -> bool:
        """Ask the registry; one that is silent is asked again, for its silence decides nothing."""
        tries = pauses(_REGISTRY_S)
        while True:
            try:
                return self._resolve(schema_id)
            except RegistrySilent as exc:
                pause = next(tries, None)
                if pause is None:
                    raise WorkerError(exc.detail) from exc
                log.warning("%s", exc.detail)
                time.sleep(pause)

    def _reply(self, effects: Effects, transaction: Transaction) -> None:
        replies = effects.take_replies()
        if replies:
            self.replier.send(replies, transaction.receipt)

    def _drain(self) -> bool:
        """Add a slice of each invocation under way to the transaction being built."""
        drained = False
        if self._metadata is None:
            return False
        waiting = [number for number, owned in self.owned.items() if owned.fold.state.drains]
        # Each partition in its turn, or those behind it would wait until the first are empty.
        last = self._drained_last
        for partition in sorted(waiting, key=lambda each: (each <= last, each)):
            if not self._may_drain():
                break
            owned = self.owned[partition]
            if self._building is None:
                self._building = Transaction(self._metadata)
            building, part = self._building, self._building.part(owned.fold, owned.incarnation)
            before = len(part.effects.sends)
            messages = owned.fold.drain(_DRAIN_SLICE, part.effects)
            building.events += messages
            building.drained += messages
            building.drained_bytes += sum([len(send) for _, send in part.effects.sends[before:]])
            self._drained_last = partition
            drained = True
        return drained

    def _report(self) -> None:
        """Let the transaction being built, or one of their own, carry the rows that are due."""
        # Whether the transaction on its way takes them along is known when it is committed.
        if not self._rows_due or self._shipping is not None or self._metadata is None:
            return
        self._rows_due = False
        for owned in self.owned.values():
            if self._statistics.due(owned.fold.state):
                if self._building is None:
                    self._building = Transaction(self._metadata)
                self._building.part(owned.fold, owned.incarnation)

    def _ship(self) -> None:
        """Close the transaction being built and start to write it."""
        transaction, self._building = self._building, None
        assert transaction is not None  # noqa: S101 - callers looked
        for part in transaction.parts.values():
            self._statistics.report(part)
            part.fold.seal(part.effects)
            part.applied = part.fold.state.applied
            transaction.offsets.append(self.source.stamped(part.fold.state))
        if not self._pausing:
            self._pausing = True
            asyncio.get_running_loop().call_later(_SHIP_EVERY_S, self._end_pause)
        self._shipping = asyncio.ensure_future(self._write(transaction))
        self._shipping.add_done_callback(self._written)

    def _end_pause(self) -> None:
        self._pausing = False
        self._wakeup.set()

    async def _write(self, transaction: Transaction) -> None:
        loop = asyncio.get_running_loop()
        ship = partial(
            self._shipper.ship, transaction, still_ours=partial(self._is_ours, transaction)
        )
        writing = loop.run_in_executor(self._thread, ship)
        try:
            shipped = await asyncio.wait_for(asyncio.shield(writing), _SHIP_LIMIT_S)
        except TimeoutError:
            shipped = self._abandon()
        self.progress += 1
        if shipped.outcome is Outcome.COMMITTED:
            for partition, part in transaction.parts.items():
                part.fold.commit()
                self._suspects.committed(partition, part.applied)
            return
        self._take_back(transaction, shipped)
        if shipped.outcome is Outcome.BROKEN and not self._stopping:
            # Not part of the shipping, or giving a partition up would wait for it.
            self._renewing = asyncio.ensure_future(self._renew())
            self._renewing.add_done_callback(self._renewed)

    def _abandon(self) -> Shipped:
        """Leave a shipper that does not come back to itself, and go on with a new one.

        librdkafka 2.16's `send_offsets_to_transaction` may wait for ever when the broker that
        coordinates the group is none of those it knows any more, whatever its timeout. The new
        producer has the same transactional id, so what the old one might still do is refused.
        """
        log.warning("a transaction was neither written nor refused in %.0f s", _SHIP_LIMIT_S)
        self._abandoned += 1
        if self._abandoned >= _MAX_ABANDONED:
            raise WorkerError(
                f"{self._abandoned} transactions were neither written nor refused: "
                "start the worker again, which frees what the client library holds on to; "
                "when it goes on, look at the network to the brokers"
            )
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ship")
        self._shipper = self._new_shipper()
        return Shipped(Outcome.BROKEN)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._shipper.renew)

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._renewing = None
        self._wakeup.set()
        self._fail_with(task)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._shipping = None
        self._wakeup.set()
        self._fail_with(task)

    def _fail_with(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _is_ours(self, transaction: Transaction) -> bool:
        return all(
            self.source.is_current(partition, part.incarnation)
            for partition, part in transaction.parts.items()
        )

    def _take_back(self, transaction: Transaction, shipped: Shipped) -> None:
        """Undo a transaction that was not written, and the one built on top of it."""
        building, self._building = self._building, None
        if shipped.replies_failed:
            # Here, between two events, so that no reply goes out ahead of one that was lost.
            self.replier.renew()
        # The membership may be what was refused.
        self._metadata = None
        self.source.ask_membership()
        for partition, part in transaction.parts.items():
            if shipped.error is not None and part.first is not None:
                self._suspects.failed(partition, part.first, part.applied, shipped.error)
        parts = transaction.parts | (building.parts if building is not None else {})
        for partition, part in parts.items():
            owned = self.owned.pop(partition, None)
            if owned is None or owned.fold is not part.fold:
                continue
            if shipped.outcome is Outcome.BROKEN and partition in transaction.parts:
                # Nobody knows whether it was written: only the changelog can say.
                self.source.rebuild(partition, owned.incarnation)
                continue
            part.fold.rollback()
            following = part.fold.state.applied + 1
            incarnation = self.source.rewind(partition, owned.incarnation, following)
            if incarnation is not None:
                self.owned[partition] = Owned(part.fold, incarnation)

    async def _settle(self) -> None:
        """Wait until nothing is being shipped."""
        while self._shipping is not None:
            await asyncio.wait({self._shipping})
            # The task's own callback, which clears it, runs after ours would.
            await asyncio.sleep(0)

    async def _flush(self) -> None:
        """Ship what is built, and wait for it."""
        await self._settle()
        while self._renewing is not None and not self._stopping:
            await asyncio.wait({self._renewing})
            await asyncio.sleep(0)
        if self._building is not None and self._renewing is None:
            self._ship()
            await self._settle()

    async def _release(self, partitions: list[int]) -> None:
        for partition in partitions:
            self.owned.pop(partition, None)
            if self._building is not None:
                self._building.parts.pop(partition, None)
        if self._building is not None and not self._building.parts:
            self._building = None
        # Later ones have no part of these partitions.
        if self._shipping is not None:
            await asyncio.wait({self._shipping})
        self.progress += 1
