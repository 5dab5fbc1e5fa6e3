"""The worker group at its coordinator: members, generations, cooperative rebalances (KIP-429)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from tests.simulation.scheduler import NEVER, Steps

if TYPE_CHECKING:
    from tests.simulation.scheduler import Scheduler


class Membership(NamedTuple):
    """What `consumer_group_metadata` hands out: opaque to the worker, checked by the broker."""

    member_id: str
    generation: int


@dataclass
class Member:
    """A member as the coordinator knows it; *owned* is what it said it has when it joined."""

    owned: set[int] = field(default_factory=set)
    joined: bool = False
    assigned: set[int] = field(default_factory=set)
    # Its heartbeats have stopped: when it will be removed.
    expires: float = NEVER


class Group:
    """One group with one topic of *partitions*, assigned by `cooperative-sticky`.

    Join and sync are one step: when the last member has joined again, the generation grows and
    everybody's assignment is there to be fetched. A partition that moves is given to nobody until
    its owner has let go of it and joined once more.
    """

    def __init__(self, scheduler: Scheduler, partitions: int) -> None:
        self._scheduler = scheduler
        self._partitions = partitions
        self.members: dict[str, Member] = {}
        self.generation = 0
        # PreparingRebalance: members find out by their heartbeats, and keep what they have.
        self.preparing = False
        scheduler.add(_Sessions(self, scheduler))

    def join(self, member_id: str, owned: set[int]) -> None:
        """JoinGroup, first or again."""
        member = self.members.setdefault(member_id, Member())
        member.owned, member.joined = set(owned), True
        self.preparing = True
        self._complete()

    def leave(self, member_id: str) -> None:
        """LeaveGroup, or the end of a session."""
        if self.members.pop(member_id, None) is not None and self.members:
            self.preparing = True
            self._complete()

    def check(self, membership: Membership) -> None:
        """Refuse a commit by whoever is no member, or is one of another generation."""
        if membership.member_id not in self.members:
            raise KafkaException(
                KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "unknown member", txn_requires_abort=True)
            )
        if membership.generation != self.generation:
            raise KafkaException(
                KafkaError(KafkaError.ILLEGAL_GENERATION, "generation", txn_requires_abort=True)
            )

    def silent(self, member_id: str, expires: float) -> None:
        """Hear no more heartbeats; the session lasts until *expires*."""
        if member_id in self.members:
            self.members[member_id].expires = expires

    def expire(self, now: float) -> None:
        """Remove the members whose sessions are over."""
        for member_id in [m for m, member in self.members.items() if member.expires <= now]:
            self.leave(member_id)

    def _complete(self) -> None:
        if not all(member.joined for member in self.members.values()):
            return
        self.preparing = False
        self.generation += 1
        self._assign()
        for member in self.members.values():
            member.joined = False

    def _assign(self) -> None:
        names = sorted(self.members)
        low, more = divmod(self._partitions, len(names))
        quota = {name: low + (index < more) for index, name in enumerate(self._by_owned(names))}
        owned = {p for member in self.members.values() for p in member.owned}
        for name in names:
            member = self.members[name]
            member.assigned = set(sorted(member.owned)[: quota[name]])
        free = [p for p in range(self._partitions) if p not in owned]
        for name in names:
            member = self.members[name]
            while free and len(member.assigned) < quota[name]:
                member.assigned.add(free.pop(0))

    def _by_owned(self, names: list[str]) -> list[str]:
        # Sticky: whoever has more keeps more.
        return sorted(names, key=lambda name: (-len(self.members[name].owned), name))


class _Sessions(Steps):
    """The coordinator's look at members it does not hear."""

    def __init__(self, group: Group, scheduler: Scheduler) -> None:
        super().__init__(
            "group session",
            None,
            lambda: scheduler.now >= self.deadline(),
            lambda: group.expire(scheduler.now),
        )
        self._group = group

    def deadline(self) -> float:
        """When the next session ends."""
        return min((member.expires for member in self._group.members.values()), default=NEVER)
