"""Real workers on real topics: starting them, and knowing when they serve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka.admin import AdminClient

from producers.client import TriggerClient
from producers.settings import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from producers.control import MailingView
    from tests.support.processes import Processes, Running

T = TypeVar("T")

ORG, MID = 2, 1
# A killed worker's partitions move after this long; a busy machine must not lose a living one.
SESSION_S = 3.0
# Longer than a session, the start of a worker and a takeover together.
ACK_TIMEOUT_S = 40.0
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

    def members(self, group: str = "") -> dict[str, set[int]]:
        """Return which partitions each member of *group*, or of the worker group, has."""
        group = group or self.group
        admin = self.admin()
        described = admin.describe_consumer_groups([group])[group].result(10)
        return {
            member.member_id: {
                place.partition for place in member.assignment.topic_partitions or ()
            }
            for member in described.members
        }


async def until(probe: Callable[[], Awaitable[T]], *, within_s: float = 60.0) -> T:
    """Return the first truthy answer of *probe*; fail with its last answer after *within_s*."""
    answer = None
    try:
        async with asyncio.timeout(within_s):
            while not (answer := await probe()):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s; the last answer was {answer!r}") from None
    return answer


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
