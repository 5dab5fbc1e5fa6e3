"""`explain`: a recipient's life, as a person or a program reads it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mailing_trigger.adapters import broker_of
from mailing_trigger.errors import CommandError
from mailing_trigger.masking import masked_address
from mailing_trigger.output import console, say
from mailing_trigger.progress import counting
from mailing_trigger.verify import schemas_of
from schemas.moments import iso_text
from streams.verify.life import NotThere, life_of, size_of
from streams.verify.reading import Topics
from streams.verify.records import Records

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings
    from streams.verify.life import Happening, Life

_STATUS = {0: "unsubscribed", 1: "subscribed", 3: "external"}


def run(settings: Settings, rid: int, *, personal: bool, as_json: bool) -> None:
    """Print the life of the recipient *rid*; addresses and contexts only when *personal*."""
    topics = Topics(broker_of(settings), settings.topic_prefix, settings.kafka)
    records = Records(schemas_of(settings.schema_registry_url))
    try:
        with counting(size_of(rid, topics)) as read_to:
            life = life_of(rid, topics, records, read_to)
    except NotThere as exc:
        raise CommandError(str(exc)) from None
    if as_json:
        console.print_json(json.dumps(_told(life, personal=personal), default=_text), indent=None)
        return
    for line in lines(life, personal=personal):
        say(line)


def lines(life: Life, *, personal: bool) -> list[str]:
    """Return a life, a line each."""
    email = life.email if personal else masked_address(life.email)
    status = _STATUS.get(life.status, str(life.status))
    who = f"{email}, {status}"
    if life.erased is not None:
        who = f"erased at {iso_text(life.erased)}, was {status}"
    back = f"offset {life.reaches_back_to}, {iso_text(life.reaches_back_ms)}"
    told = [
        f"recipient {life.rid} of organisation {life.orgid}, {who}",
        f"partition {life.partition}, whose log reaches back to {back}",
        "",
    ]
    told += [_line(each, personal=personal) for each in life.happenings]
    told += [f"waits for the next invocation: {send_id}" for send_id in life.waiting]
    return told + [f"not told: {limit}" for limit in life.limits]


def _line(each: Happening, *, personal: bool) -> str:
    facts = each.facts | (each.personal if personal else {})
    shown = " ".join(f"{name}={_text(value)}" for name, value in facts.items())
    place = f"{each.topic}[{each.partition}]@{each.offset}"
    return f"{iso_text(each.time_ms)} {each.what:<10} {place} {shown}".rstrip()


def _told(life: Life, *, personal: bool) -> dict[str, Any]:
    told = asdict(life)
    if not personal:
        told["email"] = masked_address(life.email)
        for happening in told["happenings"]:
            del happening["personal"]
    return told


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
