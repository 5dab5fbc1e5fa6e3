"""One producer on the way into the log: it gives up everything it has not delivered, or nothing."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message, Producer

    from producers.calls import Reports

log = logging.getLogger("mailing_trigger.client")
# The library calls the guarantee experimental whenever a producer is made.
_library_log = log.getChild("producer")
_library_log.addFilter(lambda record: "enable.gapless.guarantee" not in record.getMessage())

POLL_S = 0.1
# Events of so many moments are told apart within the patience, to know how old the oldest is.
MOMENTS = 16

_TOO_LATE = KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001 - has no public name
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001


class Fate:
    """Why a producer gives everything up; apart from it, or the producer would hold itself."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def on_error(self, error: KafkaError) -> None:
        """Seal it when *error* is fatal: a producer with one refuses everything for ever."""
        if error.fatal():
            self.seal(error)

    def seal(self, error: KafkaError) -> None:
        """Let everything that is not delivered fail with *error*; the first one stays."""
        if self.error is None:
            self.error = error


class Moment:
    """What was handed over within a moment, and how much of it was heard of.

    What is handed over is counted by the event loop alone, what is heard by the thread alone.
    """

    __slots__ = ("_fate", "_reports", "asked_for", "began_at", "handed_over", "heard_of", "told")

    def __init__(self, began_at: float, fate: Fate, reports: Reports) -> None:
        self.began_at = began_at
        self.handed_over = self.heard_of = 0
        # Those of them whose success is reported, too.
        self.asked_for = self.told = 0
        self._fate = fate
        self._reports = reports

    @property
    def done(self) -> bool:
        """Whether nothing of it is on its way."""
        return self.heard_of >= self.handed_over

    def note_failure(self, error: KafkaError | None, message: Message) -> None:
        """Count a delivery's report, and keep it when it failed."""
        self.heard_of += 1
        if error is not None:
            self._reports.append((message.value(), self._why(error)))

    def note_all(self, error: KafkaError | None, message: Message) -> None:
        """Count a delivery's report, and keep it."""
        self.heard_of += 1
        self.told += 1
        self._reports.append((message.value(), None if error is None else self._why(error)))

    def _why(self, error: KafkaError) -> KafkaError:
        return (self._fate.error if error.code() in _PURGED else None) or error


class Lane:
    """An idempotent producer that is given up as a whole, *patience_s* after its oldest event.

    An event that librdkafka gives up alone leaves a gap in its sequences. It closes the gap with a
    new epoch, and sends again under it what other partitions may have already: they cannot know
    it. So it may give up none, and half the patience before the end the lane is stale: what comes
    then goes another way, and what can still be delivered is.
    """

    def __init__(
        self,
        producer_of: Callable[..., Producer],
        config: dict[str, Any],
        reports: Reports,
        *,
        patience_s: float,
    ) -> None:
        self._fate = Fate()
        self._reports = reports
        self._patience_s = patience_s
        self._moments: deque[Moment] = deque()
        self._slow = False
        alone = {
            # No event is given up alone because of its time, nor because the broker refuses it.
            "message.timeout.ms": 0,
            "enable.gapless.guarantee": True,
        }
        self.producer = producer_of(
            {**config, **alone, "error_cb": self._fate.on_error}, logger=_library_log
        )

    # Of the event loop.

    @property
    def stale(self) -> bool:
        """Whether it should be handed nothing more."""
        return self._slow or self._failed

    @property
    def why(self) -> str:
        """Why it is stale."""
        return self._fate.error.name() if self._fate.error is not None else "late"

    def moment(self, now: float) -> Moment:
        """Return what counts the events that are handed over now."""
        moments = self._moments
        if not moments or (now - moments[-1].began_at) * MOMENTS > self._patience_s:
            moments.append(Moment(now, self._fate, self._reports))
        return moments[-1]

    # Of the thread.

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a success to be reported."""
        return any(moment.asked_for > moment.told for moment in [*self._moments])

    @property
    def empty(self) -> bool:
        """Whether nothing is in the producer."""
        return not len(self.producer)

    def serve(self) -> None:
        """Note the reports there are; waits for some where they are awaited."""
        try:
            self.producer.poll(POLL_S if self.awaited else 0)
        except KafkaException as exc:
            # A fatal error is raised here instead of being given to its callback.
            if not self._failed:
                log.warning("serving the producer failed: %s", exc.args[0].name())
            self._fate.on_error(exc.args[0])

    def judge(self, now: float) -> None:
        """Be stale when half the patience with the oldest event is over, and end when all is."""
        age_s = self._age_s(now)
        if age_s * 2 >= self._patience_s:
            self._slow = True
        if age_s >= self._patience_s:
            self._fate.seal(_TOO_LATE)
        if self._failed and not self.empty:
            # Not blocking: a thread of the library may hang in a name server, say.
            self.producer.purge(blocking=False)

    def flush(self, timeout_s: float) -> None:
        """Give what is queued a chance; blocks."""
        try:
            self.producer.flush(timeout_s)
        except KafkaException as exc:
            self._fate.on_error(exc.args[0])

    @property
    def _failed(self) -> bool:
        return self._fate.error is not None

    def _age_s(self, now: float) -> float:
        """Return for how long the oldest event has been on its way; up to a moment too much."""
        moments = self._moments
        # The last may get more yet.
        while len(moments) > 1 and moments[0].done:
            moments.popleft()
        return now - moments[0].began_at if moments and not moments[0].done else 0.0
