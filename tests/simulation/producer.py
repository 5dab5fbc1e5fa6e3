"""`confluent_kafka.Producer` as the worker uses it, on the simulated broker.

`produce` only queues. The network is an actor that delivers what is queued for one partition at a
time, in order; `poll` and `commit_transaction` tell of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

from schemas.topics import ACKS, SENDS, STATE
from tests.simulation.broker import Place, refusal
from tests.simulation.scheduler import Gone, Steps
from tests.simulation.workload import TOO_LARGE

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition

    from tests.simulation.broker import Identity, Txn
    from tests.simulation.group import Membership
    from tests.simulation.process import Process


class _Queued(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    on_delivery: Any


class SimProducer:
    """A producer of *process*, made with librdkafka's own configuration."""

    def __init__(self, process: Process, config: dict[str, Any]) -> None:
        self._process, self._world = process, process.world
        self._broker, self._scheduler = process.world.broker, process.world.scheduler
        self._queues: dict[Place, deque[_Queued]] = {}
        self._reports: deque[tuple[Any, KafkaError | None, Message | None]] = deque()
        self._identity: Identity | None = None
        self._epoch = -1
        self._in_transaction = False
        self._txn: Txn | None = None
        self._fatal: KafkaError | None = None
        self._abortable: KafkaError | None = None
        name = config.get("transactional.id")
        if name is not None:
            self._identity = self._broker.identity(name, config["transaction.timeout.ms"] / 1000)
        else:
            assert config["enable.idempotence"] is True
        role = "effects" if name is not None else "replies"
        self._network = self._scheduler.add(
            Steps(f"{process.name} delivers {role}", process, self._can_deliver, self._deliver)
        )
        process.producers.append(self)

    @property
    def transactional(self) -> bool:
        """Whether it writes transactions."""
        return self._identity is not None

    @property
    def open(self) -> Txn | None:
        """The transaction the broker knows to be open."""
        return self._txn

    def undelivered(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queues)

    def ghost(self) -> None:
        """Let what is queued arrive although its process has died or has given it up."""
        left, self._queues = self._queues, {}
        txn = self._txn if self.transactional else None

        def arrive() -> None:
            place = next(iter(left))
            for each in left.pop(place):
                try:
                    self._broker.append(place, each.key, each.value, each.headers, txn)
                except KafkaException:
                    self._broker.saw["late write refused"] += 1
                else:
                    self._broker.saw["late write arrived"] += 1
            if not left:
                self._scheduler.remove(late)

        # A first record of a transaction would need the coordinator, whom nobody asks any more.
        if left and (not self.transactional or txn is not None):
            late = self._scheduler.add(Steps("late write", None, lambda: True, arrive))

    # Producing

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Any = None,
        headers: Any = None,
    ) -> None:
        """Queue a record."""
        self._check()
        assert partition >= 0
        self._process.changed = True
        queue = self._queues.setdefault((topic, partition), deque())
        queue.append(_Queued(key, value, tuple(headers or ()), on_delivery))

    def poll(self, timeout: float) -> None:
        """Tell of what was delivered, waiting *timeout* s for something."""
        self._check()
        if timeout and not self._reports:
            self._scheduler.wait(lambda: bool(self._reports), timeout, "waits for deliveries")
            self._check()
        while self._reports:
            on_delivery, error, message = self._reports.popleft()
            on_delivery(error, message)

    def purge(self, *, blocking: bool) -> None:
        """Forget what is queued; what was on its way may arrive all the same."""
        assert not blocking
        if self._queues and self._world.choose("purge", "arrives late"):
            self.ghost()
        self._queues.clear()
        self._scheduler.remove(self._network)

    def flush(self, timeout: float) -> None:
        """What was purged is never told of."""

    def _can_deliver(self) -> bool:
        if not self._queues or self._fatal is not None:
            return False
        return self._identity is None or not self._completing

    @property
    def _completing(self) -> bool:
        # CONCURRENT_TRANSACTIONS, asked again until the markers of the last one are written.
        identity = self._identity
        return identity is not None and identity.completing and identity.txn is not self._txn

    def _deliver(self) -> None:
        place = next(iter(self._queues))
        queue = self._queues.pop(place)
        about = f"{self._network.name} to {place[0]}[{place[1]}]"
        fault = self._world.choose(about, "fails" if self.transactional else "is out of order")
        if fault == "is out of order":
            # The idempotent producer has lost count of its records: fatal, for all it has.
            self._broker.saw["delivery of replies failed"] += 1
            error = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost count", fatal=True)
            self._queues[place] = queue
            self._fail(error)
            return
        if fault == "fails":
            self._broker.saw["delivery of effects failed"] += 1
            self._abortable = KafkaError(KafkaError._MSG_TIMED_OUT, "late", txn_requires_abort=True)
            return
        if place[0] in (STATE, SENDS) and any(TOO_LARGE in (each.value or b"") for each in queue):
            self._broker.saw["record too large"] += 1
            self._abortable = KafkaError(
                KafkaError.MSG_SIZE_TOO_LARGE, "too large", txn_requires_abort=True
            )
            return
        offset = -1
        for each in queue:
            try:
                offset = self._broker.append(
                    place,
                    each.key,
                    each.value,
                    each.headers,
                    self._begin() if self.transactional else None,
                )
            except KafkaException as exc:
                self._refused()
                self._fatal = exc.args[0]
                self._queues.clear()
                return
            self._process.acks_since_commit += place[0] == ACKS
            if each.on_delivery is not None:
                message = Message(topic=place[0], partition=place[1], offset=offset)
                self._reports.append((each.on_delivery, None, message))

    def _fail(self, error: KafkaError) -> None:
        self._fatal = error
        for queue in self._queues.values():
            for each in queue:
                if each.on_delivery is not None:
                    self._reports.append((each.on_delivery, error, None))
        self._queues.clear()

    def _begin(self) -> Txn:
        assert self._identity is not None
        if self._txn is None:
            self._txn = self._broker.begin(self._identity, self._epoch)
        return self._txn

    def _refused(self) -> None:
        self._broker.saw["fenced producer refused"] += 1
        if self._process.was_paused:
            self._broker.saw["zombie write refused"] += 1

    # Transactions

    def init_transactions(self, timeout: float) -> None:
        """End whatever the transactional.id left open, and get a new epoch."""
        self._check()
        assert self._identity is not None
        if self._world.call(self._process, "initialises transactions", "is not answered"):
            raise refusal(KafkaError._TIMED_OUT, "init not answered", retriable=True)
        identity, deadline = self._identity, self._scheduler.now + timeout
        while not self._broker.fence(identity):
            left = deadline - self._scheduler.now
            if not self._scheduler.wait(lambda: not identity.completing, left, "waits to begin"):
                raise refusal(KafkaError._TIMED_OUT, "init took too long", retriable=True)
            self._check()
        self._epoch = identity.epoch

    def begin_transaction(self) -> None:
        """Begin; the broker hears of it with the first record."""
        self._check()
        self._raise_fatal()
        assert not self._in_transaction
        self._in_transaction, self._txn, self._abortable = True, None, None

    def send_offsets_to_transaction(
        self, offsets: list[TopicPartition], metadata: Membership, timeout: float
    ) -> None:
        """AddOffsetsToTxn and TxnOffsetCommit."""
        self._raise_fatal()
        fault = self._world.call(self._process, "sends offsets", "is not answered")
        self._wait_for_markers(timeout)
        try:
            self._broker.add_offsets(
                self._begin(),
                {each.partition: (each.offset, each.metadata or "") for each in offsets},
                metadata,
            )
        except KafkaException as exc:
            if exc.args[0].fatal():
                self._fatal = exc.args[0]
                self._refused()
            elif self._process.was_paused:
                self._broker.saw["zombie write refused"] += 1
            raise
        if fault:
            raise refusal(KafkaError._TIMED_OUT, "offsets not answered", retriable=True)

    def commit_transaction(self, timeout: float) -> None:
        """Deliver everything, then EndTxn."""
        self._raise_fatal()
        assert self._in_transaction
        if self._process.engine._building is not None:
            self._broker.saw["two transactions' worth in flight"] += 1
        delivered = self._scheduler.wait(
            lambda: not self._queues or self._failed(), timeout, "delivers, to commit"
        )
        self._check()
        self._raise_fatal()
        if self._abortable is not None:
            raise KafkaException(self._abortable)
        if not delivered:
            raise refusal(KafkaError._TIMED_OUT, "not delivered", retriable=True)
        fault = self._world.call(
            self._process, "commits", "is not asked", "is not answered", "is refused", "marks late"
        )
        if fault == "is refused":
            raise refusal(KafkaError.INVALID_TXN_STATE, "refused", abort=True)
        if fault == "is not asked":
            self._unknown("commit of unknown outcome, not applied", timeout)
        try:
            assert self._identity is not None
            late = fault == "marks late"
            self._broker.end(self._identity, self._epoch, self._txn, commit=True, late=late)
        except KafkaException as exc:
            self._fatal = exc.args[0]
            self._refused()
            raise
        self._process.acks_since_commit = 0
        if fault == "is not answered":
            self._unknown("commit of unknown outcome, applied", timeout)
        self._in_transaction, self._txn = False, None

    def _unknown(self, what: str, timeout: float) -> None:
        self._broker.saw[what] += 1
        self._scheduler.sleep(timeout)
        self._check()
        raise refusal(KafkaError._TIMED_OUT, "commit not answered", retriable=True)

    def abort_transaction(self, timeout: float) -> None:
        """Forget what is queued, then EndTxn."""
        self._raise_fatal()
        assert self._in_transaction
        self._queues.clear()
        if self._world.call(self._process, "aborts", "is not answered"):
            raise refusal(KafkaError._TIMED_OUT, "abort not answered", retriable=True)
        try:
            assert self._identity is not None
            self._broker.end(self._identity, self._epoch, self._txn, commit=False)
        except KafkaException as exc:
            self._fatal = exc.args[0]
            self._refused()
            raise
        self._broker.saw["transaction aborted"] += 1
        self._in_transaction, self._txn, self._abortable = False, None, None

    def _wait_for_markers(self, timeout: float) -> None:
        if self._completing and not self._scheduler.wait(
            lambda: not self._completing, timeout, "waits for the last transaction's markers"
        ):
            raise refusal(KafkaError._TIMED_OUT, "concurrent transactions", retriable=True)
        self._check()

    def _failed(self) -> bool:
        return self._fatal is not None or self._abortable is not None

    def _raise_fatal(self) -> None:
        self._check()
        if self._fatal is not None:
            raise KafkaException(self._fatal)

    def _check(self) -> None:
        if self._process.dead:
            raise Gone
