"""What is asked of the workers: a few events, in two partitions, with pauses between them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from schemas.ids import mailing_key, recipient_key
from schemas.partition import partition_for
from schemas.topics import LOG
from tests.simulation.scheduler import NEVER, Actor
from tests.support.events import Event, defined, invoked, triggered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.world import World

PARTITIONS = 2
ORG, MID = 2, 1
# The partition that judges what is asked of the mailing.
HOME = partition_for(mailing_key(ORG, MID), PARTITIONS)
AWAY = 1 - HOME

Workload = "Sequence[tuple[float, int, Event]]"
"""(seconds after the one before, partition, event)"""


def address(partition: int, name: str) -> str:
    """An address that is at home in *partition*."""
    for tag in count():
        email = f"{name}+{tag}@b.org"
        if partition_for(recipient_key(ORG, email), PARTITIONS) == partition:
            return email
    raise AssertionError


def few() -> Workload:
    """A mailing, recipients in both partitions, two invocations and a duplicate between them."""
    home_a, home_b, away = address(HOME, "a"), address(HOME, "b"), address(AWAY, "c")

    def trigger(partition: int, email: str, call: str) -> tuple[int, Event]:
        return partition, triggered(ORG, MID, email=email, context=b"1", request_id=call)

    events = [
        (0.0, HOME, defined(ORG, MID, request_id="define")),
        (0.2, *trigger(HOME, home_a, "1")),
        (0.0, *trigger(AWAY, away, "2")),
        (0.02, *trigger(HOME, home_b, "3")),
        (0.2, *trigger(HOME, home_b, "4")),
        (0.0, HOME, invoked(ORG, MID, request_id="invoke 1")),
        (0.02, *trigger(AWAY, away, "5")),
        (0.2, HOME, invoked(ORG, MID, request_id="invoke 2")),
    ]
    return events


class Upstream(Actor):
    """Whoever produces events: without transactions, each at its time."""

    def __init__(self, world: World, workload: Workload) -> None:
        super().__init__("upstream")
        self._world = world
        self._left = list(workload)
        self._due: float | None = None

    def deadline(self) -> float:
        """When the next event is due."""
        if not self._left:
            return NEVER
        if self._due is None:
            self._due = self._world.scheduler.now + self._left[0][0]
        return self._due

    def ready(self, now: float) -> bool:
        """Whether an event is due."""
        return self.deadline() <= now

    def step(self) -> None:
        """Append it."""
        _, partition, (key, value) = self._left.pop(0)
        self._due = None
        self._world.broker.append((LOG, partition), key, value)
