"""The calls under way, by request id: where answers and delivery reports find them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from producers.peek import place_of_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import KafkaError

    from producers.waiting import Waiting
    from schemas.framing import Framing

    # An event as it was produced, and why it was not delivered; None: it was.
    Reports = list[tuple[bytes | None, KafkaError | None]]
    # A request id, and answers by index.
    Answered = tuple[str, list[tuple[int, Any]]]


class Calls:
    """Changed in the event loop alone; other threads only ask what is in it."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._waiting: dict[str, Waiting[Any]] = {}

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._waiting

    @contextmanager
    def expecting(self, request_id: str, waiting: Waiting[Any]) -> Iterator[None]:
        """Hand what concerns *request_id* to *waiting* while the block runs, then forget it."""
        if request_id in self._waiting:
            raise ValueError("a call with this request_id is under way")
        self._waiting[request_id] = waiting
        try:
            yield
        finally:
            del self._waiting[request_id]

    def answered(self, batch: list[Answered], at: float) -> None:
        """Tell the calls of their answers, which were read at *at*, monotonic."""
        for request_id, answers in batch:
            waiting = self._waiting.get(request_id)
            if waiting is not None:
                waiting.take(answers, at=at)

    def reported(self, reports: Reports) -> None:
        """Tell the calls what became of their events on the way into the log."""
        for value, error in reports:
            request_id, index = place_of_event(self._framing, value)
            waiting = self._waiting.get(request_id)
            if waiting is None:
                continue
            if error is None:
                waiting.take([(index, None)], at=time.monotonic())
            else:
                waiting.fail(index, error)
