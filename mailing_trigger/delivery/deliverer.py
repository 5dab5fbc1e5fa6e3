"""From the topic to the outlets: many messages at once, each delivered, or laid aside, once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing_trigger.delivery.errors import Later, NoSuchAddress, Refused
from mailing_trigger.delivery.handover import Underway
from mailing_trigger.delivery.message import send_of
from mailing_trigger.delivery.source import RELEASE_S, Source
from schemas.errors import UnknownFraming, WireError
from schemas.records import Channel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from confluent_kafka import Consumer, Message

    from mailing_trigger.delivery.handover import Handover
    from mailing_trigger.delivery.message import Send
    from mailing_trigger.delivery.offsets import Offsets
    from mailing_trigger.delivery.rendering import Renderer
    from mailing_trigger.delivery.settings import DeliverySettings
    from mailing_trigger.delivery.source import Positions
    from mailing_trigger.delivery.undelivered import Undelivered
    from schemas.codec import Codec

log = logging.getLogger("mailing_trigger.deliver")

# Underway at once: those that wait for another try are among them.
_OPEN_MESSAGES = 2_000
_OPEN_BYTES = 64 * 1024 * 1024
_COMMIT_EVERY_S = 0.5
_SAY_EVERY_S = 30.0
# The topic has each message once; repeats come from partitions that moved in disorder.
_REMEMBERED = 100_000


@dataclass(slots=True, eq=False)
class _Open:
    """A message that was read and is not done."""

    message: Message
    offsets: Offsets
    underway: Underway = field(default_factory=Underway)
    task: asyncio.Task[None] | None = None

    @property
    def partition(self) -> int:
        return self.message.partition() or 0

    @property
    def size(self) -> int:
        return len(self.message.value() or b"")


class Deliverer:
    """Delivers until `stop` is called.

    *learn* makes the codec understand a registry's schema id, and says whether it could.
    *unsubscribe* hears of each message whose address takes none, and says whether it could.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        renderer: Renderer,
        handovers: Mapping[Channel, Handover],
        undelivered: Undelivered,
        codec: Codec,
        *,
        deaf: Callable[[Consumer, Mapping[int, int]], bool],
        learn: Callable[[int], bool] = lambda _: False,
        unsubscribe: Callable[[Send], Awaitable[bool]] | None = None,
        again: bool = False,
    ) -> None:
        self._renderer, self._handovers = renderer, handovers
        self._undelivered, self._codec, self._learn = undelivered, codec, learn
        self._unsubscribe = unsubscribe
        topic = settings.undelivered if again else settings.sends
        self._source = Source(settings, topic, self._release, deaf=deaf, bounded=again)
        self._open: set[_Open] = set()
        self._open_bytes = 0
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._committed: Positions = {}
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self.counts: Counter[str] = Counter()

    def stop(self) -> None:
        """End soon, in good order."""
        self._stopping.set()

    async def run(self) -> None:
        """Deliver until stopped, or until what lay aside is through; raises what ends it."""
        said_at = committed_at = time.monotonic()
        try:
            await self._source.start()
            while not (self._stopping.is_set() or self._failure or self._source.is_over()):
                for message in await self._source.take(self._full()):
                    self._begin(message)
                now = time.monotonic()
                if now - committed_at >= _COMMIT_EVERY_S:
                    committed_at = now
                    await self._commit()
                if now - said_at >= _SAY_EVERY_S:
                    said_at = now
                    log.info("so far", extra=dict(self.counts))
        finally:
            await self._end()
        if self._failure is not None:
            raise self._failure

    def _full(self) -> set[int]:
        """Return the partitions of which nothing more is to be read for the moment."""
        parts = self._source.offsets
        if len(self._open) >= _OPEN_MESSAGES or self._open_bytes >= _OPEN_BYTES:
            return set(parts)
        return {partition for partition, offsets in parts.items() if not offsets.room}

    def _begin(self, message: Message) -> None:
        offsets = self._source.offsets.get(message.partition() or 0)
        if offsets is None or not offsets.take(message.offset() or 0):
            return
        opened = _Open(message, offsets)
        self._open.add(opened)
        self._open_bytes += opened.size
        opened.task = asyncio.create_task(self._see_through(opened))

    async def _see_through(self, opened: _Open) -> None:
        try:
            await self._deliver(opened)
        except Exception as exc:  # noqa: BLE001 - raised by `run`; the message stays to be delivered
            self._failure = self._failure or exc
        else:
            opened.offsets.end(opened.message.offset() or 0)
        finally:
            self._open.discard(opened)
            self._open_bytes -= opened.size

    async def _deliver(self, opened: _Open) -> None:
        message, underway = opened.message, opened.underway
        try:
            send = await self._read(message)
            if send.send_id in self._recent:
                self.counts["repeated"] += 1
                return
            content = self._renderer.render(send)
            try:
                await self._handover(send).deliver(send, content, underway)
            except NoSuchAddress:
                await self._bounced(send)
                raise
        except (Refused, Later) as exc:
            with underway.handing_over():
                await self._undelivered.keep(message, exc, underway.tries)
            self.counts[exc.reason] += 1
            place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
            log.warning("%s laid aside: %s after %d tries", place, exc.reason, underway.tries)
            return
        self._remember(send.send_id)
        self.counts["delivered"] += 1

    async def _bounced(self, send: Send) -> None:
        if self._unsubscribe is not None:
            done = await self._unsubscribe(send)
            self.counts["unsubscribed" if done else "not_unsubscribed"] += 1

    async def _read(self, message: Message) -> Send:
        try:
            try:
                _, record = self._codec.decode(message.value())
            except UnknownFraming as exc:
                if exc.schema_id is None or not await asyncio.to_thread(self._learn, exc.schema_id):
                    raise
                _, record = self._codec.decode(message.value())
            return send_of(record, message.timestamp()[1])
        except (WireError, KeyError, ValueError) as exc:
            if getattr(exc, "retriable", False):
                raise  # the registry is away
            reason = exc.reason if isinstance(exc, WireError) else "NOT_A_SEND"
            raise Refused(reason, "the record is no send that this release can read") from exc

    def _handover(self, send: Send) -> Handover:
        if send.channel is Channel.SMS and send.profile.get("smsSubscribed") is False:
            raise Refused("OPTED_OUT", "the recipient takes no text messages")
        if send.channel is Channel.SMS and not send.phone:
            raise Refused("NO_PHONE", "the recipient has no smsContact")
        if send.channel not in self._handovers:
            raise Refused("NO_OUTLET", f"no outlet is named for {send.channel}")
        return self._handovers[send.channel]

    def _remember(self, send_id: str) -> None:
        self._recent[send_id] = None
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    async def _commit(self) -> None:
        positions = {
            partition: offsets.to_commit() for partition, offsets in self._source.offsets.items()
        }
        changed = {p: at for p, at in positions.items() if self._committed.get(p) != at}
        if await self._source.commit(changed):
            self._committed |= changed

    async def _release(self, partitions: list[int]) -> Positions:
        """End what can be ended of *partitions*, and return how far they are."""
        theirs = [opened for opened in self._open if opened.partition in partitions]
        await self._drain(theirs)
        return {
            partition: offsets.to_commit()
            for partition in partitions
            if (offsets := self._source.offsets.get(partition)) is not None
        }

    async def _drain(self, opened: list[_Open]) -> None:
        """Wait for what is in hand; what waits for another try is left for a successor."""
        tasks = [each.task for each in opened if each.task is not None]
        for each in opened:
            if each.task is not None and not each.underway.in_hand:
                each.task.cancel()
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=RELEASE_S)
            for task in hanging:
                task.cancel()

    async def _end(self) -> None:
        await self._drain([*self._open])
        await self._source.close()
        for handover in set(self._handovers.values()):
            await handover.close()
        log.info("stopped", extra=dict(self.counts))
