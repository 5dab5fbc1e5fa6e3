"""The simulated broker answers as Kafka does: one story, told to both."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.worker import kafka as clients
from streams.worker.settings import WorkerSettings
from tests.simulation import seams
from tests.simulation.explore import SCENARIOS
from tests.simulation.process import Process
from tests.simulation.schedule import Schedule
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.scheduler import Actor
    from tests.support.brokers import Broker

pytestmark = pytest.mark.embedded_will_do

TRIES = 200
WITHIN_S = 30.0
# Of who waits for a transaction that stays open for longer.
_IN_VAIN_S = 2.0


def story(settings: WorkerSettings) -> list[object]:
    """A transaction with offsets is left open, seen from all sides, and fenced."""
    told: list[object] = []
    member = _joined(settings)
    dead = clients.effects_producer(settings, "one id")
    dead.init_transactions(WITHIN_S)
    dead.begin_transaction()
    delivered: list[object] = []
    dead.produce(
        settings.state, b"value", b"key", 0, on_delivery=lambda error, _: delivered.append(error)
    )

    def arrived() -> bool:
        dead.poll(0.1)
        return bool(delivered)

    _until(arrived)
    dead.send_offsets_to_transaction(
        [TopicPartition(settings.log, 0, 7, "note")], member.consumer_group_metadata(), WITHIN_S
    )
    told += ["while it is open", _offset(settings, stable=False)]
    told.append(_offset(settings, stable=True, within_s=_IN_VAIN_S))
    reader = clients.state_consumer(settings)
    reader.assign([TopicPartition(settings.state, 0, 0)])
    told.append(_next(reader))

    clients.fencing_producer(settings, "one id").init_transactions(WITHIN_S)
    told += ["once it is fenced", _offset(settings, stable=True), _next(reader)]
    told.append(_refusal(lambda: dead.commit_transaction(WITHIN_S)))

    alive = clients.effects_producer(settings, "another id")
    alive.init_transactions(WITHIN_S)
    alive.begin_transaction()
    before = member.consumer_group_metadata()
    offsets = [TopicPartition(settings.log, 0, 8, "note")]
    alive.send_offsets_to_transaction(offsets, before, WITHIN_S)
    alive.commit_transaction(WITHIN_S)
    told.append("by a member")
    told.append(_offset(settings, stable=True))
    member.close()
    alive.begin_transaction()
    told += [
        "by one that left",
        _refusal(lambda: alive.send_offsets_to_transaction(offsets, before, WITHIN_S)),
    ]
    alive.abort_transaction(WITHIN_S)
    reader.close()
    return told


EXPECTED = [
    "while it is open",
    (-1001, ""),
    "_TIMED_OUT",
    ("end", 0),
    "once it is fenced",
    (-1001, ""),
    ("end", 2),
    ("_FENCED", True, False),
    "by a member",
    (8, "note"),
    "by one that left",
    ("UNKNOWN_MEMBER_ID", False, True),
]


class _Storyteller(Process):
    """A process without a worker, to which nothing happens."""

    engine: Any = SimpleNamespace(_building=None)
    loop: Any = None

    def faults(self, actor: Actor) -> tuple[str, ...]:
        """Nothing."""
        return ()


def test_the_simulated_broker_tells_the_story() -> None:
    world = World(SCENARIOS["few"], Schedule())
    process = world.processes["w1"] = _Storyteller(world, "w1")
    told: list[object] = []
    world.scheduler.start(
        "storyteller",
        process,
        lambda: told.extend(story(WorkerSettings(bootstrap_servers="w1"))),
    )
    world.schedule.healed = True
    with seams.installed(world):
        world.scheduler.run(lambda: bool(told))
    assert told == EXPECTED


@pytest.mark.kafka
def test_kafka_tells_the_same_story(kafka: Broker, topics: str) -> None:
    servers = kafka.bootstrap_servers
    assert story(WorkerSettings(bootstrap_servers=servers, topic_prefix=topics)) == EXPECTED


def _joined(settings: WorkerSettings) -> Any:
    consumer = clients.source_consumer(settings)
    assigned: list[object] = []
    consumer.subscribe(
        [settings.log],
        on_assign=lambda c, _: (c.incremental_assign([]), assigned.append(True)),
        on_revoke=lambda c, _: c.incremental_unassign([]),
        on_lost=lambda c, _: c.incremental_unassign([]),
    )
    _until(lambda: consumer.poll(0.1) or assigned)
    return consumer


def _offset(settings: WorkerSettings, *, stable: bool, within_s: float = WITHIN_S) -> object:
    asked = clients.offsets_consumer(settings, stable=stable)
    try:
        (found,) = asked.committed([TopicPartition(settings.log, 0)], within_s)
    except KafkaException as exc:
        return exc.args[0].name()
    finally:
        asked.close()
    return found.offset, found.metadata or ""


def _next(reader: Any) -> object:
    message: Any = None

    def found() -> bool:
        nonlocal message
        message = reader.poll(0.1)
        return message is not None

    _until(found)
    if message.error() is None:
        return "record", message.value()
    assert message.error().code() == KafkaError._PARTITION_EOF
    return "end", message.offset()


def _refusal(call: Any) -> object:
    with pytest.raises(KafkaException) as caught:
        call()
    error = caught.value.args[0]
    return error.name(), error.fatal(), error.txn_requires_abort()


def _until(happened: Any) -> None:
    for _ in range(TRIES):
        if happened():
            return
    raise AssertionError("it never happened")
