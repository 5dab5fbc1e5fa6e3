"""Real workers on real topics: starting them, and knowing when they serve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from producers.client import TriggerClient
from producers.settings import ClientSettings
from streams.worker.kafka import offsets_consumer
from streams.worker.settings import WorkerSettings
from tests.history.points import POINT
from tests.support.wait import WITHIN_S, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import MemberDescription

    from producers.control import MailingView
    from tests.support.processes import Processes, Running

T = TypeVar("T")

ORG, MID = 2, 1
# A killed worker's partitions move after this long; a busy machine must not lose a living one.
SESSION_S = 3.0
# Longer than a session, the start of a worker and a takeover together, on a slow machine too.
ACK_TIMEOUT_S = 60.0
ANSWER_WITHIN_S = 30.0
_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Cluster:
    """The topics under *prefix*, and the group of workers that serve them."""

    bootstrap_servers: str
    prefix: str
    directory: Path
    processes: Processes

    @property
    def group(self) -> str:
        return f"{self.prefix}workers"

    def topic(self, name: str) -> str:
        """Return the full name of a topic."""
        return self.prefix + name

    def environment(self, **more: str) -> dict[str, str]:
        """Return a worker's settings; *more* are names without our prefix, such as GROUP."""
        chosen = {
            "BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TOPIC_PREFIX": self.prefix,
            "GROUP": self.group,
            "SESSION_TIMEOUT_S": str(SESSION_S),
            "DATA_DIR": str(self.directory),
        }
        return {f"MAILING_TRIGGER_{name}": value for name, value in (chosen | more).items()}

    def start(self, *, processes: int = 1, **more: str) -> Running:
        """Start `mailing-trigger worker`."""
        env = self.environment(**more)
        return self.processes.start("worker", "--processes", str(processes), env=env)

    def start_at(self, point: str) -> Running:
        """Start a worker that ends or freezes itself at a point of `tests.history.points`."""
        env = self.environment() | {POINT: point}
        one = ("worker", "--processes", "1")
        return self.processes.start_module("tests.history.points", *one, env=env)

    def client(
        self, *, ack_timeout_s: float = ACK_TIMEOUT_S, schema_registry_url: str | None = None
    ) -> TriggerClient:
        """Return a client of these topics, to be entered."""
        settings = ClientSettings(
            self.bootstrap_servers,
            topic_prefix=self.prefix,
            ack_timeout_s=ack_timeout_s,
            schema_registry_url=schema_registry_url,
        )
        return TriggerClient(settings)

    def admin(self) -> AdminClient:
        """Return an administration client."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    def committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """Return *places* with the offsets that the worker group has committed for them.

        Asked as a worker asks: an administration client ends the process when the group's
        coordinator moves just then (confluentinc/librdkafka#5040).
        """
        settings = WorkerSettings(self.bootstrap_servers, group=self.group)
        consumer = offsets_consumer(settings, stable=False)
        try:
            return consumer.committed(places, ANSWER_WITHIN_S)
        finally:
            consumer.close()

    def members(self, group: str = "") -> dict[str, set[int]]:
        """Return which partitions each member of *group*, or of the worker group, has."""
        # In a tuple, for a group may have no members.
        (described,) = eventually(lambda: self._described(group or self.group))
        return {
            member.member_id: {
                place.partition for place in member.assignment.topic_partitions or ()
            }
            for member in described
        }

    def _described(self, group: str) -> tuple[list[MemberDescription]] | tuple[()]:
        """Return the members of *group*; nothing while its coordinator is just moving."""
        admin = self.admin()
        try:
            described = admin.describe_consumer_groups([group])[group].result(ANSWER_WITHIN_S)
        except KafkaException as exc:
            return ([],) if exc.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND else ()
        return (described.members,)


async def until(probe: Callable[[], Awaitable[T]], *, within_s: float = WITHIN_S) -> T:
    """Return the first truthy answer of *probe*; fail with its last answer after *within_s*."""
    answer = None
    try:
        async with asyncio.timeout(within_s):
            while not (answer := await probe()):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s; the last answer was {answer!r}") from None
    return answer


async def served(cluster: Cluster) -> None:
    """Return when a worker answers, for whoever has less patience with one that is starting."""
    async with cluster.client() as client:
        await client.mailings(ORG)


async def all_sent(client: TriggerClient, mid: int = MID, *, orgid: int = ORG) -> MailingView:
    """Invoke a mailing, and return it when everything in it has been sent."""
    await client.invoke(orgid, mid)
    return await drained(client, mid, orgid=orgid)


async def drained(
    client: TriggerClient, mid: int = MID, *, orgid: int = ORG, but: int = 0
) -> MailingView:
    """Return a mailing when nothing of it is pending, *but* so many that no invocation cut."""

    async def sent() -> MailingView | None:
        view = await client.mailing(orgid, mid)
        return view if view.pending == but else None

    view = await until(sent)
    assert view is not None
    return view
