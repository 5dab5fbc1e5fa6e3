"""What happens to the workers by plan: a few events, with pauses between them, and a new worker."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from schemas.calls import call_key
from schemas.ids import mailing_key, recipient_key, rid_of
from schemas.partition import partition_for
from schemas.records import Channel, MailingPhase
from schemas.topics import LOG
from tests.simulation.consumer import LOG_TIME_MS
from tests.simulation.scheduler import NEVER, Actor
from tests.support.events import (
    Event,
    asked,
    begun,
    changed,
    defined,
    invoked,
    once,
    switched,
    triggered,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

PARTITIONS = 2
# At home in the partition that moves when a second worker joins.
ORG, MID = 2, 3
HOME = partition_for(mailing_key(ORG, MID), PARTITIONS)
AWAY = 1 - HOME

NUMBER = "+4915112345678"
# The events of one entry under a key.
AGAIN = ("entry", "entry again", "entry after an invocation")

# What no broker takes in state or sends, however often it is tried.
TOO_LARGE = b'"too large"'


class Join(NamedTuple):
    """One more worker starts."""


class Append(NamedTuple):
    """An event is produced."""

    partition: int
    event: Event


Workload = tuple[tuple[float, Append | Join], ...]
"""(seconds after the one before, what happens)"""


def few() -> Workload:
    """A mailing, recipients in both partitions, two invocations, a duplicate; a worker joins.

    The home partition's first invocation finds two batches, which are two slices of a drain.
    """
    home_a, home_b, away = address(HOME, "a"), address(HOME, "b"), address(AWAY, "c")
    return (
        (0.0, Append(HOME, defined(ORG, MID, request_id="define"))),
        (0.2, _trigger(HOME, home_a, "1")),
        (0.0, _trigger(AWAY, away, "2")),
        (0.2, _trigger(HOME, home_b, "3")),
        (0.01, _trigger(HOME, home_b, "4")),
        (0.2, Append(HOME, invoked(ORG, MID, request_id="invoke 1"))),
        (0.02, _trigger(AWAY, away, "5")),
        (0.15, Join()),
        (0.1, Append(HOME, invoked(ORG, MID, request_id="invoke 2"))),
        (0.0, _trigger(HOME, home_a, "6")),
    )


def poisoned() -> Workload:
    """One event among others whose effects no broker takes; nobody waits for its answer."""
    home_a, home_b = address(HOME, "a"), address(HOME, "b")
    large = triggered(
        ORG, MID, email=address(HOME, "p"), context=TOO_LARGE, request_id="2", reply_partition=-1
    )
    return (
        (0.0, Append(HOME, defined(ORG, MID, request_id="define"))),
        (0.2, _trigger(HOME, home_a, "1")),
        (0.0, Append(HOME, large)),
        (0.0, _trigger(HOME, home_b, "3")),
        (0.1, Join()),
        (0.1, Append(HOME, invoked(ORG, MID, request_id="invoke"))),
    )


def changing() -> Workload:
    """A mailing is suspended, resumed and closed, recipients change, a call is made again.

    The invocation of the suspended mailing cuts nothing; before the next, one recipient has left
    and another wants no SMS any more. The entry under a key comes three times: twice before that
    invocation, by two workers perhaps, and once after it.
    """
    leaving, staying, away = address(HOME, "a"), address(HOME, "b"), address(AWAY, "c")
    channels = (Channel.EMAIL, Channel.SMS)
    key = next(
        text
        for text in map(str, count())
        if partition_for(call_key(ORG, MID, text), PARTITIONS) == HOME
    )
    # The home partition gets no copies, so the offsets there are those of this plan.
    begin = Append(HOME, begun(ORG, MID, key=key, request_id="begin"))
    number = rid_of(1, HOME)

    def entry(call: str) -> Append:
        event = triggered(ORG, MID, email=staying, smsContact=NUMBER, request_id=call)
        return Append(HOME, once(event, call=number, begun_at=LOG_TIME_MS))

    return (
        (0.0, Append(HOME, defined(ORG, MID, channels=channels, request_id="define"))),
        (0.0, begin),
        (0.2, entry(AGAIN[0])),
        (0.0, _trigger(AWAY, away, "2", smsContact=NUMBER)),
        (0.0, _trigger(HOME, leaving, "3")),
        (0.2, Append(HOME, switched(MailingPhase.SUSPENDED, ORG, MID, request_id="suspend"))),
        (0.02, Append(HOME, invoked(ORG, MID, request_id="invoke 1"))),
        (0.0, Append(HOME, changed(ORG, email=leaving, status=0, request_id="leave"))),
        (0.15, Join()),
        (0.1, entry(AGAIN[1])),
        (0.0, Append(AWAY, changed(ORG, email=away, smsSubscribed=False, request_id="no sms"))),
        (0.0, Append(HOME, switched(MailingPhase.ACTIVE, ORG, MID, request_id="resume"))),
        (0.1, Append(HOME, invoked(ORG, MID, request_id="invoke 2"))),
        (0.0, _trigger(HOME, leaving, "5", status=1)),
        (0.0, entry(AGAIN[2])),
        (0.1, Append(HOME, asked(ORG, email=leaving, request_id="ask"))),
        (0.0, Append(HOME, switched(MailingPhase.CANCELLED, ORG, MID, request_id="cancel"))),
        (0.2, _trigger(AWAY, away, "7")),
    )


def address(partition: int, name: str) -> str:
    """Return an address that is at home in *partition*."""
    tagged = (f"{name}+{tag}@b.org" for tag in count())
    return next(e for e in tagged if partition_for(recipient_key(ORG, e), PARTITIONS) == partition)


def _trigger(partition: int, email: str, call: str, **more: object) -> Append:
    event = triggered(ORG, MID, email=email, context=b"1", request_id=call, **more)  # type: ignore[arg-type]
    return Append(partition, event)


class Upstream(Actor):
    """Whoever produces events, without transactions, and starts workers: each at its time."""

    def __init__(self, world: World, workload: Workload) -> None:
        super().__init__("upstream")
        self._world = world
        self._left = list(workload)
        self._due: float | None = None
        self.ended = NEVER

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
        """Let it happen."""
        _, what = self._left.pop(0)
        self._due = None
        self.ended = self._world.scheduler.now
        if isinstance(what, Join):
            self._world.join()
        else:
            self._world.broker.append((LOG, what.partition), *what.event)
