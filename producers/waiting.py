"""What one call waits for: an answer to each of its indexes, the first one of an index wins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from confluent_kafka import KafkaError

T = TypeVar("T")


class Waiting(Generic[T]):
    """The answers of one call, as they arrive; lives in one event loop.

    *enough* may end the wait before every index is answered.
    """

    __slots__ = ("_done", "_enough", "answers", "last_at", "missing", "undelivered")

    def __init__(
        self, indexes: Iterable[int], *, enough: Callable[[T], bool] | None = None
    ) -> None:
        self.missing = set(indexes)
        self.answers: dict[int, T] = {}
        # Indexes whose events certainly or possibly never reached the log.
        self.undelivered: dict[int, KafkaError] = {}
        # When the last answer was read, by the monotonic clock; 0 before the first.
        self.last_at = 0.0
        self._enough = enough
        self._done = asyncio.get_running_loop().create_future()
        self._check()

    def take(self, answers: Iterable[tuple[int, T]], *, at: float) -> None:
        """Keep the answers to indexes that have none yet; *at* is when they were read."""
        missing = self.missing
        for index, answer in answers:
            if index in missing:
                missing.discard(index)
                self.answers[index] = answer
                if self._enough is not None and self._enough(answer):
                    self.give_up()
        self.last_at = at
        self._check()

    def fail(self, index: int, error: KafkaError) -> None:
        """Stop waiting for *index*: its event was not delivered."""
        if index in self.missing:
            self.missing.discard(index)
            self.undelivered[index] = error
            self._check()

    @property
    def over(self) -> bool:
        """Whether the wait has ended."""
        return self._done.done()

    def give_up(self) -> None:
        """End the wait, whatever is missing."""
        if not self._done.done():
            self._done.set_result(None)

    async def done(self) -> None:
        """Wait until nothing is missing, or `give_up`, which the caller has to see to."""
        await self._done

    def _check(self) -> None:
        if not self.missing:
            self.give_up()
