"""Recipients: read one, change one, erase one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from producers.bridge.gate import authorize
from producers.bridge.limits import read_body
from producers.bridge.trigger import query_of, refuse_compressed
from producers.contract import json_scan
from producers.contract.changes import Who, read_change
from producers.contract.errors import Code, ContractError
from producers.contract.fields import PROFILE_TEXTS
from producers.contract.media import kind_of
from producers.contract.parameters import RecipientParameters, read_recipient_parameters
from producers.errors import RecipientRefused
from schemas.moments import iso_text

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from producers.bridge.limits import Admission
    from producers.bridge.ports import Client
    from producers.bridge.resources import Handler
    from producers.erasing import Erasure
    from producers.recipients import RecipientView

# What holds where nothing is stored.
_TEXT_HTML = 1
_SMS_WELCOME = True


class Recipients:
    """Handles calls about what is stored of one recipient."""

    def __init__(self, client: Client, admission: Admission) -> None:
        self._client = client
        self._admission = admission

    def verbs(self) -> dict[str, Handler]:
        """Return the handler of each verb."""
        return {"GET": self.read, "PUT": self.change, "DELETE": self.erase}

    async def read(self, request: Request) -> Response:
        """Answer the recipient, as of every call acknowledged before."""
        asked = _named(request)
        with self._admission.ticket():
            view = await self._client.recipient(asked.orgid, rid=asked.rid, email=asked.email)
        return _json(_document(view))

    async def erase(self, request: Request) -> Response:
        """Erase the recipient; answer what still holds something of it, and until when."""
        asked = _named(request)
        with self._admission.ticket():
            erasure = await self._client.erase_recipient(
                asked.orgid, rid=asked.rid, email=asked.email
            )
        return _json(_remains(erasure))

    async def change(self, request: Request) -> Response:
        """Change the fields that the body gives; answer the recipient as it is then."""
        asked = _admitted(request)
        content_type = request.headers.get("content-type")
        kind_of(content_type)
        refuse_compressed(request)
        with self._admission.ticket() as ticket:
            body = await read_body(request, ticket, self._admission.limits)
            who = Who(asked.rid, asked.email)
            change, errors = read_change(body, content_type=content_type, who=who)
            if change is None:
                raise RecipientRefused(errors)
            view = await self._client.submit_change(asked.orgid, change)
        return _json(_document(view))


def _admitted(request: Request) -> RecipientParameters:
    asked = read_recipient_parameters(query_of(request))
    authorize(request, asked.orgid)
    return asked


def _named(request: Request) -> RecipientParameters:
    asked = _admitted(request)
    if asked.rid is None and asked.email is None:
        raise ContractError(400, Code.MISSING_PARAMETER, "rid or email is missing")
    return asked


def _remains(erasure: Erasure) -> dict[str, object]:
    return {
        "rid": erasure.rid,
        "erasedDate": _date(erasure.erased),
        "remains": [{"topic": each.topic, "until": _date(each.until)} for each in erasure.remains],
    }


def _document(view: RecipientView) -> dict[str, object]:
    """Return all fields of a recipient under their documented names; it may be sent back whole."""
    local, _, domain = view.email.rpartition("@")
    given = view.profile
    data = given.get("profileData")
    return {
        "rid": view.rid,
        "status": int(view.status),
        "email": view.email,
        "localPart": local,
        "domainName": domain,
        **{name: given.get(name) for name in PROFILE_TEXTS},
        "contentType": given.get("contentType", _TEXT_HTML),
        "smsSubscribed": given.get("smsSubscribed", _SMS_WELCOME),
        "profileData": {n: _scalar(t) for n, t in data.items()}
        if isinstance(data, Mapping)
        else {},
        "createdDate": _date(view.created),
        "modifiedDate": _date(view.modified or view.created),
    }


def _scalar(text: str) -> object:
    """Return the JSON text of a scalar as it is; what a foreign producer wrote may be none."""
    if text.lstrip()[:1] in {"[", "{"}:
        return text
    try:
        json_scan.value(text)
    except ValueError:
        return text
    return msgspec.Raw(text.encode())


def _date(date: datetime | None) -> str | None:
    return None if date is None else iso_text(date)


def _json(document: object) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(document), headers=headers, media_type="application/json")
