"""`deliver`: outlets, templates and a deliverer, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from jinja2 import FileSystemLoader, PackageLoader

from mailing_trigger.adapters import client_settings, delivery_settings
from mailing_trigger.delivery.deliverer import Deliverer
from mailing_trigger.delivery.handover import Handover
from mailing_trigger.delivery.outage import Outage
from mailing_trigger.delivery.outlet import outlet_at
from mailing_trigger.delivery.rendering import Renderer
from mailing_trigger.delivery.source import consumer_properties
from mailing_trigger.delivery.undelivered import Undelivered
from mailing_trigger.errors import CommandError
from mailing_trigger.logs import configure
from producers.hearing import Hearing
from schemas.codec import Codec
from schemas.framing import Framing
from schemas.records import Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from mailing_trigger.delivery.message import Send
    from mailing_trigger.delivery.settings import DeliverySettings
    from mailing_trigger.settings import Settings
    from producers.settings import ClientSettings

log = logging.getLogger("mailing_trigger.deliver")

# A partition that moves to another broker is asked for in vain for a moment.
_DEAF_LOOKS = 5


def run(settings: Settings, *, again: bool) -> int:
    """Deliver until SIGTERM or SIGINT, with *again* what was laid aside; return the exit status."""
    configure(settings.log_level)
    delivery = delivery_settings(settings)
    client = client_settings(settings) if settings.unsubscribe_bounces else None
    asyncio.run(_deliver(delivery, renderer_of(delivery.templates), client, again=again))
    return 0


def renderer_of(templates: Path | None) -> Renderer:
    """Return the renderer of a folder of templates, or of the ones built in."""
    if templates is None:
        return Renderer(PackageLoader("mailing_trigger.delivery", "standard"), by_mailing=False)
    if not templates.is_dir():
        raise CommandError(f"the folder of templates {templates} is not there: see --templates")
    renderer = Renderer(FileSystemLoader(templates))
    mistakes = renderer.mistakes()
    if mistakes:
        raise CommandError(f"templates in {templates} cannot be used", evidence=mistakes)
    return renderer


async def _deliver(
    settings: DeliverySettings,
    renderer: Renderer,
    client: ClientSettings | None,
    *,
    again: bool,
) -> None:
    codec, learn = _codec(settings.schema_registry_url)
    async with AsyncExitStack() as stack:
        topic = settings.undelivered if again else settings.sends
        hearing = Hearing(topic, consumer_properties(settings), patience=_DEAF_LOOKS)
        deliverer = Deliverer(
            settings,
            renderer,
            _handovers(settings),
            Undelivered(settings),
            codec,
            deaf=hearing.deaf,
            learn=learn,
            unsubscribe=await stack.enter_async_context(_unsubscribing(client)) if client else None,
            again=again,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, deliverer.stop)
        log.info("delivering %s in group %s", topic, settings.group)
        await deliverer.run()


@asynccontextmanager
async def _unsubscribing(
    settings: ClientSettings,
) -> AsyncIterator[Callable[[Send], Awaitable[bool]]]:
    from mailing_trigger.bounces import Bounces  # noqa: PLC0415 - for those who want it
    from producers.client import TriggerClient  # noqa: PLC0415

    async with TriggerClient(settings) as client:
        yield Bounces(client).unsubscribe


def _handovers(settings: DeliverySettings) -> dict[Channel, Handover]:
    places = {Channel.EMAIL: settings.mails, Channel.SMS: settings.texts}
    names = {Channel.EMAIL: "outlet", Channel.SMS: "sms_outlet"}
    return {
        channel: Handover(
            outlet_at(place, settings),
            Outage(names[channel], settings.patience.outage_s),
            settings.patience,
        )
        for channel, place in places.items()
        if place is not None
    }


def _codec(url: str | None) -> tuple[Codec, Callable[[int], bool]]:
    """Return what reads sends, and what makes it understand one more schema of the registry."""
    if url is None:
        return Codec(), lambda _: False
    from producers.registry import registry_at  # noqa: PLC0415 - half a second

    registry, framing = registry_at(url), Framing()
    return Codec(framing), partial(registry.resolve, framing)
