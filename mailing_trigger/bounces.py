"""Recipients whose address takes no mail for good are unsubscribed, through the log."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from producers.errors import ClientError, NotAcknowledged, UnknownRecipient
from schemas.records import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mailing_trigger.delivery.message import Send

log = logging.getLogger("mailing_trigger.deliver")

_TRIES = 5
_FIRST_PAUSE_S = 1.0
# Other messages to the same address bounce soon after, and need not say it again.
_REMEMBERED = 10_000


class Client(Protocol):
    """`producers.TriggerClient`, as far as it is needed here."""

    async def change_recipient(
        self, orgid: int, fields: Mapping[str, object], *, rid: int | None = None
    ) -> object:
        """See `TriggerClient.change_recipient`."""


class Bounces:
    """Unsubscribes by *client*, each recipient once; *sleep* waits between tries."""

    def __init__(
        self, client: Client, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._client, self._sleep = client, sleep
        self._done: OrderedDict[tuple[int, int], None] = OrderedDict()

    async def unsubscribe(self, send: Send) -> bool:
        """Unsubscribe the recipient of *send*; whether it is so now.

        Where it could not be, whoever delivers the message again will be refused again, and try.
        """
        who = send.orgid, send.rid
        if who in self._done:
            return True
        for number in range(_TRIES):
            try:
                await self._client.change_recipient(
                    send.orgid, {"status": int(Status.UNSUBSCRIBED)}, rid=send.rid
                )
            except (NotAcknowledged, UnknownRecipient):
                # In the log, and so as good as done; or erased meanwhile.
                break
            except ClientError as exc:
                if not exc.retriable or number + 1 == _TRIES:
                    log.warning("rid %d could not be unsubscribed: %s", send.rid, exc)
                    return False
                pause = _FIRST_PAUSE_S * 2**number
                await self._sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311 - jitter
            else:
                break
        self._done[who] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        return True
