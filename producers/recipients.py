"""Read, change and erase what is stored of one recipient: through the log, like everything else."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from producers.contract.changes import address_fixed
from producers.contract.errors import Code, EntryError
from producers.erasing import Erasure
from producers.errors import RecipientRefused, UnknownRecipient
from producers.events import check_mailing
from schemas.ids import partition_of_rid, recipient_key, rid_key
from schemas.moments import moment
from schemas.partition import partition_for
from schemas.records import (
    RECIPIENT_CHANGED,
    RECIPIENT_ERASED,
    RECIPIENT_QUERIED,
    RecipientOutcome,
    Status,
)
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.contract.changes import Change, Who
    from producers.exchange import Exchange

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class RecipientView:
    """A recipient as it is stored, after everything acknowledged before.

    *profile* has the fields that are given, under their documented names; `profileData` maps names
    to the JSON text of their scalars. *created* is None when the log did not say, *modified* when
    nothing was changed since.
    """

    orgid: int
    rid: int
    status: Status
    email: str = field(repr=False)
    profile: Mapping[str, object] = field(repr=False)
    created: datetime | None
    modified: datetime | None


class RecipientCalls:
    """Calls about one recipient over an exchange; its partition answers them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def read(self, orgid: int, who: Who) -> RecipientView:
        """Return a recipient; UnknownRecipient."""
        return _view(orgid, await self._ask(RECIPIENT_QUERIED, orgid, who, {}))

    async def change(self, orgid: int, change: Change) -> RecipientView:
        """Change a recipient and return it as it is then; UnknownRecipient, RecipientRefused."""
        status = Status.NOT_GIVEN if change.status is None else change.status
        fields = {**change.profile, "status": status}
        return _view(orgid, await self._ask(RECIPIENT_CHANGED, orgid, change.who, fields))

    async def erase(self, orgid: int, who: Who) -> Erasure:
        """Erase a recipient, or one again; UnknownRecipient."""
        # The log and the workers have no secrets of their own: whoever asks brings one.
        secret = secrets.token_bytes(_SECRET_BYTES)
        record = await self._ask(RECIPIENT_ERASED, orgid, who, {"secret": secret})
        erased = moment(record["erased"])
        # Whoever names an address has just written it into the log.
        last = erased if who.email is None else max(erased, datetime.now(UTC))
        return Erasure(orgid, record["rid"], erased, await self._exchange.retention.remains(last))

    async def _ask(
        self, name: str, orgid: int, who: Who, fields: Mapping[str, object]
    ) -> dict[str, Any]:
        check_mailing(orgid, 1)
        exchange = self._exchange
        rid, email = who.rid or 0, who.email or ""
        if rid:
            key, partition = rid_key(orgid, rid), partition_of_rid(rid)
        else:
            key = recipient_key(orgid, email)
            partition = partition_for(key, exchange.partitions)
        if partition >= exchange.partitions:
            # What any partition would answer: nobody has this rid.
            raise UnknownRecipient(orgid=orgid)
        request_id = uuid.uuid4().hex
        call = {"request_id": request_id, "reply_partition": exchange.reply_partition, "index": 0}
        record = {**fields, **call, "orgid": orgid, "rid": rid, "email": email}
        value = exchange.codec.encode(name, record)
        if len(value) > MAX_EVENT_BYTES:
            raise _refused(RecipientOutcome.TOO_LARGE)
        answer = await exchange.ask(request_id, 0, partition, (key, value))
        outcome = RecipientOutcome[answer["outcome"]]
        if outcome is RecipientOutcome.UNKNOWN_RECIPIENT:
            raise UnknownRecipient(orgid=orgid)
        if outcome is not RecipientOutcome.DONE:
            raise _refused(outcome)
        return exchange.codec.decode(answer["recipient"])[1]


def _refused(outcome: RecipientOutcome) -> RecipientRefused:
    if outcome is RecipientOutcome.EMAIL_MISMATCH:
        why = address_fixed()
        return RecipientRefused([EntryError(0, why.field, why.code, why.detail)])
    if outcome is RecipientOutcome.TOO_LARGE:
        detail = f"a recipient takes at most {MAX_EVENT_BYTES} bytes"
        return RecipientRefused([EntryError(0, None, Code.ENTRY_TOO_LARGE, detail)])
    detail = "the event could not be processed"
    return RecipientRefused([EntryError(0, None, Code.FAILED, detail)])


def _view(orgid: int, record: dict[str, Any]) -> RecipientView:
    created, modified = record.pop("created"), record.pop("modified")
    return RecipientView(
        orgid=orgid,
        rid=record.pop("rid"),
        status=Status(record.pop("status")),
        email=record.pop("email"),
        profile={name: value for name, value in record.items() if value is not None},
        created=moment(created) if created else None,
        modified=moment(modified) if modified else None,
    )
