"""What goes into one Kafka transaction: a fold's effects, for each partition it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.core.effects import Effects

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, TopicPartition

    from streams.core.transition import Fold


class Receipt:
    """Whether the replies of a transaction have been delivered.

    `expect` is called where replies are produced, the callback wherever the producer is polled:
    a count on one side and a list that only grows on the other need no lock.
    """

    def __init__(self) -> None:
        self._expected = 0
        self._delivered: list[KafkaError | None] = []

    def expect(self) -> None:
        """One more delivery will be reported."""
        self._expected += 1

    def on_delivery(self, error: KafkaError | None, _message: object) -> None:
        """Take a delivery report."""
        self._delivered.append(error)

    @property
    def complete(self) -> bool:
        """Whether every reply has been delivered or has failed."""
        return len(self._delivered) >= self._expected

    @property
    def error(self) -> KafkaError | None:
        """Why a reply was not delivered."""
        return next((error for error in self._delivered if error is not None), None)


@dataclass(slots=True)
class Part:
    """One partition's share of a transaction: the events *first* to *applied*, and drains."""

    fold: Fold
    incarnation: int
    effects: Effects = field(default_factory=Effects)
    first: int | None = None
    applied: int = -1
    changelog_offset: int = -1

    def on_state_delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take the delivery report of the last changelog record."""
        if error is None:
            self.changelog_offset = message.offset() or 0

    def keep(self) -> None:
        """Let the table keep what is in the changelog now."""
        self.fold.state.recipients.keep(self.effects.state, self.changelog_offset)


@dataclass(slots=True)
class Transaction:
    """Effects of several partitions that are written together or not at all.

    *group_metadata* is the membership under which the first of its records was fetched; *drained*
    are the messages of invocations among its *events*, and *drained_bytes* is their size, which
    *size*, of what was fetched, has no part of.
    """

    group_metadata: object
    parts: dict[int, Part] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)
    offsets: list[TopicPartition] = field(default_factory=list)
    events: int = 0
    drained: int = 0
    drained_bytes: int = 0
    size: int = 0

    def part(self, fold: Fold, incarnation: int) -> Part:
        """Return the share of *fold*'s partition, begun when it is new here."""
        partition = fold.state.partition
        found = self.parts.get(partition)
        if found is None:
            fold.begin()
            found = self.parts[partition] = Part(fold, incarnation)
        return found
