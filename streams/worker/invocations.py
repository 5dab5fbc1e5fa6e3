"""The timer that invokes mailings: it appends an event, the fold decides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import uuid4

from schemas.codec import Codec
from schemas.ids import mailing_key
from schemas.records import MAILING_INVOKED, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from schemas.framing import Framing
    from streams.core.partition import Mailing, PartitionState

log = logging.getLogger("mailing_trigger.worker.invocations")


class InvocationTimer:
    """Invokes a mailing in a partition when something has waited there for its interval.

    *append* takes key, event and partition; *now* is a monotonic clock in seconds.
    """

    def __init__(
        self,
        framing: Framing,
        append: Callable[[bytes, bytes, int], None],
        now: Callable[[], float],
    ) -> None:
        self._codec = Codec(framing)
        self._append = append
        self._now = now
        # Since when messages wait: by partition, mailing and the invocation that is to come.
        self._waiting: dict[tuple[int, int, int, int], float] = {}

    def tick(self, states: Iterable[PartitionState]) -> None:
        """Look at the partitions of this worker once."""
        now = self._now()
        waiting: dict[tuple[int, int, int, int], float] = {}
        for state in states:
            for mailing in state.waiting():
                place = (state.partition, *mailing.queue_id)
                since = self._waiting.get(place, now)
                if now - since >= mailing.interval_s:
                    self._invoke(mailing, state.partition)
                    since = now
                waiting[place] = since
        self._waiting = waiting

    def _invoke(self, mailing: Mailing, partition: int) -> None:
        event = {
            "orgid": mailing.orgid,
            "mid": mailing.mid,
            "request_id": uuid4().hex,
            "index": 0,
            "reply_partition": -1,
            "origin": Origin.TIMER,
            "revision": 0,
            "invocation": mailing.invocation + 1,
        }
        key = mailing_key(mailing.orgid, mailing.mid)
        self._append(key, self._codec.encode(MAILING_INVOKED, event), partition)
