"""Our settings in the words of the parts that take them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailing_trigger import running
from mailing_trigger.errors import CommandError

if TYPE_CHECKING:
    from mailing_trigger.delivery.settings import DeliverySettings
    from mailing_trigger.settings import Settings
    from producers.bridge.settings import BridgeSettings
    from producers.settings import ClientSettings
    from streams.worker.settings import WorkerSettings


def broker_of(settings: Settings) -> str:
    """Return the Kafka to use: the one that is named, or the one `up` runs on this data folder."""
    found = settings.bootstrap_servers or running.address(settings.data_dir)
    if found:
        return found
    raise CommandError(
        "no Kafka is named and none of ours is running: give --bootstrap-servers HOST:PORT, "
        "or start everything with `mailing-trigger up`"
    )


def quiet(settings: Settings) -> dict[str, str]:
    """Return the properties of a connection for one question, whose failure is raised.

    librdkafka would print the same failure several times as well.
    """
    return {**settings.kafka, "log_level": "0"}


def client_settings(settings: Settings) -> ClientSettings:
    """Return what a client of the log needs."""
    from producers.settings import ClientSettings  # noqa: PLC0415 - help must not wait for it

    return ClientSettings(
        bootstrap_servers=broker_of(settings),
        topic_prefix=settings.topic_prefix,
        security=settings.kafka,
        schema_registry_url=settings.schema_registry_url,
    )


def worker_settings(settings: Settings) -> WorkerSettings:
    """Return what one worker process needs."""
    from streams.worker.settings import WorkerSettings  # noqa: PLC0415 - as above

    return WorkerSettings(
        bootstrap_servers=broker_of(settings),
        topic_prefix=settings.topic_prefix,
        security=settings.kafka,
        schema_registry_url=settings.schema_registry_url,
        group=settings.group,
        session_timeout_s=settings.session_timeout_s,
        data_dir=settings.data_dir / "worker",
        store=settings.store,
    )


def bridge_settings(settings: Settings) -> BridgeSettings:
    """Return what the bridge needs."""
    from producers.bridge.settings import BridgeSettings  # noqa: PLC0415 - as above

    return BridgeSettings(
        client=replace(client_settings(settings), ack_timeout_s=settings.ack_timeout_s),
        host=settings.host,
        port=settings.port,
        credentials=settings.credentials,
        insecure=settings.insecure,
    )


def delivery_settings(settings: Settings) -> DeliverySettings:
    """Return what a deliverer needs."""
    from mailing_trigger.delivery import settings as delivery  # noqa: PLC0415 - as above

    if not settings.outlet:
        raise CommandError(
            "no place is named where mails leave: give --outlet smtp://HOST:PORT, a URL or a folder"
        )
    mails = delivery.place_of(settings.outlet, "outlet")
    texts = delivery.place_of(settings.sms_outlet, "sms_outlet") if settings.sms_outlet else None
    if isinstance(texts, delivery.SmtpPlace):
        raise CommandError("a mail server takes no text messages: sms_outlet is a URL or a folder")
    if texts is None and isinstance(mails, delivery.FolderPlace):
        texts = mails
    if isinstance(mails, delivery.SmtpPlace) and not settings.sender:
        raise CommandError("mails need a sender: give --sender 'Shop <shop@example.com>'")
    return delivery.DeliverySettings(
        bootstrap_servers=broker_of(settings),
        group=settings.deliver_group or f"{settings.topic_prefix}mailing-trigger-deliver",
        mails=mails,
        texts=texts,
        sender=delivery.sender_of(settings.sender or delivery.NOBODY),
        topic_prefix=settings.topic_prefix,
        security=settings.kafka,
        schema_registry_url=settings.schema_registry_url,
        templates=settings.templates,
        session_timeout_s=settings.session_timeout_s,
        user=settings.smtp_user,
        password=settings.smtp_password,
        token=settings.webhook_token,
    )
