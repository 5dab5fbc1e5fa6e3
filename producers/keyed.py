"""Calls with an idempotency key, as their producer sees them: first the key, then the entries."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from producers.contract.entries import KnownEntry
from producers.errors import ClientError, KeyReused, Overloaded
from producers.events import Begun, check_mailing
from schemas.calls import DIGEST_BYTES, MAX_KEY_CHARS, call_key
from schemas.partition import partition_for
from schemas.records import CALL_BEGUN, CallOutcome
from schemas.varint import encode_bytes, encode_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.contract.entries import TriggerCall
    from producers.exchange import Exchange


async def begin(
    exchange: Exchange, call: TriggerCall, *, orgid: int, mid: int, key: str, request_id: str
) -> Begun:
    """Return what the entries of *call* have to carry, so that each of them counts once.

    It is the same whenever the same call is made under its key, within a day. KeyReused when
    another call was, Overloaded when too many calls are kept already; ValueError for a bad key.
    """
    if not 1 <= len(key) <= MAX_KEY_CHARS:
        raise ValueError(f"an idempotency key has 1 to {MAX_KEY_CHARS} characters")
    check_mailing(orgid, mid)
    log_key = call_key(orgid, mid, key)
    home = partition_for(log_key, exchange.partitions)
    event = {
        "orgid": orgid,
        "mid": mid,
        "request_id": request_id,
        "index": home,
        "reply_partition": exchange.reply_partition,
        "key": key,
        "digest": digest_of(call),
        "count": len(call.entries),
    }
    value = exchange.codec.encode(CALL_BEGUN, event)
    answer = await exchange.ask(request_id, home, home, (log_key, value))
    outcome = CallOutcome[answer["outcome"]]
    if outcome is CallOutcome.OTHER_CALL:
        raise KeyReused("the idempotency key was used for another call within the last day")
    if outcome is CallOutcome.TOO_MANY:
        raise Overloaded("too many calls with idempotency keys were made within the last day")
    if outcome is CallOutcome.FAILED:
        raise ClientError("the call's beginning could not be processed")
    return Begun(answer["call"], answer["begun_at"])


def digest_of(call: TriggerCall) -> bytes:
    """Return what tells the entries of a call from any others, however the body was written."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for part in _parts(call):
        digest.update(part)
    return digest.digest()


def _parts(call: TriggerCall) -> Iterator[bytes]:
    yield encode_long(call.size)
    for entry in call.entries:
        who = entry.rid if isinstance(entry, KnownEntry) else entry.status
        yield encode_long(entry.index)
        # None is a status that was not given, and 0 no rid: the kinds are told apart.
        yield repr((type(entry).__name__, who, entry.email)).encode()
        yield encode_bytes(entry.context)
        yield encode_bytes(entry.profile)
    for error in call.errors:
        yield repr((error.index, error.field, error.code)).encode()
