"""Events of the log as producers write them, and logs made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.calls import call_key
from schemas.codec import Codec
from schemas.ids import mailing_key, recipient_key, rid_key
from schemas.records import (
    API_TRIGGERED,
    CALL_BEGUN,
    DRY_RUN_QUERIED,
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_QUERIED,
    MAILING_SWITCHED,
    PENDING_QUERIED,
    RECIPIENT_CHANGED,
    RECIPIENT_ERASED,
    RECIPIENT_QUERIED,
    RECIPIENT_TRIGGERED,
    TRIGGERED_ONCE,
    Channel,
    DedupPolicy,
    MailingPhase,
    Origin,
    UnknownRecipients,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.core.transition import LogRecord

Event = tuple[bytes | None, bytes | None]
"""(key, value)"""
START_MS = 1_700_000_000_000

CODEC = Codec()


def triggered(
    orgid: int = 2,
    mid: int = 1,
    *,
    email: str = "",
    rid: int = 0,
    context: bytes = b"",
    status: int = -1,
    request_id: str = "call",
    index: int = 0,
    reply_partition: int = 0,
    **profile: object,
) -> Event:
    """A recipient of a call; by *rid* when there is one, else by *email*."""
    record = {
        "orgid": orgid,
        "mid": mid,
        "request_id": request_id,
        "index": index,
        "reply_partition": reply_partition,
        "rid": rid,
        "status": status,
        "context": context,
        "email": email,
    }
    return _key_of(orgid, rid, email), CODEC.encode(RECIPIENT_TRIGGERED, record | profile)


def begun(
    orgid: int = 2,
    mid: int = 1,
    *,
    key: str = "key",
    digest: bytes = bytes(32),
    count: int = 1,
    request_id: str = "begin",
    reply_partition: int = 0,
) -> Event:
    """A call with an idempotency key begins."""
    record = _control(orgid, mid, request_id, reply_partition)
    record |= {"key": key, "digest": digest, "count": count}
    return call_key(orgid, mid, key), CODEC.encode(CALL_BEGUN, record)


def once(event: Event, *, call: int = 1025, begun_at: int = START_MS) -> Event:
    """The same trigger, as an entry of a call with an idempotency key."""
    key, value = event
    fields = CODEC.decode(value)[1] | {"call": call, "begun_at": begun_at}
    return key, CODEC.encode(TRIGGERED_ONCE, fields)


def defined(
    orgid: int = 2,
    mid: int = 1,
    *,
    dedup: DedupPolicy = DedupPolicy.RECIPIENT_CONTEXT,
    type: str = API_TRIGGERED,  # noqa: A002 - the field's name
    name: str = "A mailing",
    interval_s: int = 15,
    channels: Sequence[Channel] = (Channel.EMAIL,),
    unknown_recipients: UnknownRecipients = UnknownRecipients.CREATE,
    hourly_cap: int = 0,
    state: MailingPhase | None = None,
    origin: Origin = Origin.REQUEST,
    revision: int = 0,
    request_id: str = "define",
    reply_partition: int = 0,
) -> Event:
    """A mailing is defined or changed."""
    record = _control(orgid, mid, request_id, reply_partition) | {
        "origin": origin,
        "revision": revision,
        "name": name,
        "type": type,
        "dedup": dedup,
        "interval_s": interval_s,
        "channels": channels,
        "unknown_recipients": unknown_recipients,
        "hourly_cap": hourly_cap,
        "state": state,
    }
    return mailing_key(orgid, mid), CODEC.encode(MAILING_DEFINED, record)


def switched(
    state: MailingPhase,
    orgid: int = 2,
    mid: int = 1,
    *,
    origin: Origin = Origin.REQUEST,
    revision: int = 0,
    request_id: str = "switch",
    reply_partition: int = 0,
) -> Event:
    """A mailing is suspended, resumed, cancelled or finished."""
    record = _control(orgid, mid, request_id, reply_partition) | {
        "origin": origin,
        "revision": revision,
        "state": state,
    }
    return mailing_key(orgid, mid), CODEC.encode(MAILING_SWITCHED, record)


def pending_asked(
    orgid: int = 2,
    mid: int = 1,
    *,
    after: int = -1,
    limit: int = 100,
    request_id: str = "pending",
    reply_partition: int = 0,
) -> Event:
    """Who waits in a mailing is asked for."""
    record = _control(orgid, mid, request_id, reply_partition)
    record |= {"after": after, "limit": limit}
    return mailing_key(orgid, mid), CODEC.encode(PENDING_QUERIED, record)


def invoked(
    orgid: int = 2,
    mid: int = 1,
    *,
    origin: Origin = Origin.REQUEST,
    revision: int = 0,
    invocation: int = 0,
    request_id: str = "invoke",
    reply_partition: int = 0,
) -> Event:
    """A mailing is invoked: by request, by a copy of one, or by this partition's timer."""
    record = _control(orgid, mid, request_id, reply_partition) | {
        "origin": origin,
        "revision": revision,
        "invocation": invocation,
    }
    return mailing_key(orgid, mid), CODEC.encode(MAILING_INVOKED, record)


def queried(
    orgid: int = 2,
    mid: int = 0,
    *,
    after_mid: int = 0,
    limit: int = 100,
    request_id: str = "query",
    reply_partition: int = 0,
) -> Event:
    """One mailing is asked for, or a page of them."""
    record = _control(orgid, mid, request_id, reply_partition)
    record |= {"after_mid": after_mid, "limit": limit}
    return mailing_key(orgid, mid), CODEC.encode(MAILING_QUERIED, record)


def changed(
    orgid: int = 2,
    *,
    email: str = "",
    rid: int = 0,
    status: int = -1,
    request_id: str = "change",
    index: int = 0,
    reply_partition: int = 0,
    **profile: object,
) -> Event:
    """What is stored of a recipient is changed; by *rid* when there is one, else by *email*."""
    record = _of_a_recipient(orgid, rid, email, request_id, index, reply_partition)
    return _key_of(orgid, rid, email), CODEC.encode(
        RECIPIENT_CHANGED, record | {"status": status} | profile
    )


SECRET = bytes(range(32))


def erased(
    orgid: int = 2,
    *,
    email: str = "",
    rid: int = 0,
    secret: bytes = SECRET,
    request_id: str = "erase",
    index: int = 0,
    reply_partition: int = 0,
) -> Event:
    """A recipient is to be erased."""
    record = _of_a_recipient(orgid, rid, email, request_id, index, reply_partition)
    return _key_of(orgid, rid, email), CODEC.encode(RECIPIENT_ERASED, record | {"secret": secret})


def asked(
    orgid: int = 2,
    *,
    email: str = "",
    rid: int = 0,
    request_id: str = "ask",
    index: int = 0,
    reply_partition: int = 0,
) -> Event:
    """A recipient is asked for."""
    record = _of_a_recipient(orgid, rid, email, request_id, index, reply_partition)
    return _key_of(orgid, rid, email), CODEC.encode(RECIPIENT_QUERIED, record)


def tried(
    entries: Iterable[Mapping[str, Any]],
    orgid: int = 2,
    mid: int = 1,
    *,
    request_id: str = "try",
    reply_partition: int = 0,
) -> Event:
    """What would become of *entries* is asked; each has at least a rid or an address."""
    nobody = {"index": 0, "rid": 0, "status": -1, "context": b"", "email": ""}
    record = _control(orgid, mid, request_id, reply_partition)
    record |= {"entries": [nobody | {"index": at} | dict(e) for at, e in enumerate(entries)]}
    return None, CODEC.encode(DRY_RUN_QUERIED, record)


def log_of(events: Iterable[Event], *, start: int = 0) -> list[LogRecord]:
    """The events one after another from offset *start*, a second apart."""
    return [
        (offset, key, value, START_MS + 1000 * offset)
        for offset, (key, value) in enumerate(events, start)
    ]


def _key_of(orgid: int, rid: int, email: str) -> bytes:
    return rid_key(orgid, rid) if rid else recipient_key(orgid, email)


def _of_a_recipient(
    orgid: int, rid: int, email: str, request_id: str, index: int, reply_partition: int
) -> dict[str, object]:
    return {
        "orgid": orgid,
        "rid": rid,
        "request_id": request_id,
        "index": index,
        "reply_partition": reply_partition,
        "email": email,
    }


def _control(orgid: int, mid: int, request_id: str, reply_partition: int) -> dict[str, object]:
    return {
        "orgid": orgid,
        "mid": mid,
        "request_id": request_id,
        "index": 0,
        "reply_partition": reply_partition,
    }
