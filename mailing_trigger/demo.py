"""`demo`: the seed's own call, answered, repeated, invoked and sent, on a system made for it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from mailing_trigger import seed
from mailing_trigger.adapters import client_settings
from mailing_trigger.deliver import renderer_of
from mailing_trigger.delivery.message import send_of
from mailing_trigger.errors import CommandError
from mailing_trigger.output import progress, say
from mailing_trigger.sends import read_sends
from mailing_trigger.settings import Settings
from mailing_trigger.system import started
from producers.sync import SyncTriggerClient
from streams.embedded.ports import free_port

if TYPE_CHECKING:
    from mailing_trigger.delivery.message import Send
    from mailing_trigger.system import System

CALL_WITHIN_S = 30.0
SEND_WITHIN_S = 30.0
# The demo invokes the mailing itself: its timer must not come between the two calls.
INTERVAL_S = 3600
SHOWN = ("send_id", "rid", "email", "firstName", "lastName", "context")


def run(settings: Settings) -> int:
    """Show the main job from call to send; return 0 when every step was as promised."""
    with tempfile.TemporaryDirectory(prefix="mailing-trigger-demo-") as folder:
        fresh = Settings(
            data_dir=Path(folder),
            port=free_port(),
            processes=1,
            jars=settings.jars,
            log_level=settings.log_level,
        )
        with started(fresh, progress) as system:
            _show(system)
            progress("stopping bridge, worker and broker")
    say("")
    say("The demo is over: one call, the same call again, one ID, one send.")
    return 0


def _show(system: System) -> None:
    seed.define(system.settings, interval_s=INTERVAL_S)
    say("")
    say(f"PUT {seed.PATH}")
    say(f"Content-Type: {seed.CONTENT_TYPE}")
    say("")
    say(seed.BODY)
    rid = _call(system)
    say("")
    say("The same call again: the same ID, and no second message.")
    again = _call(system)
    _expect(again == rid, f"the second call was answered {again}, the first {rid}")
    say("")
    say(f"Invoking mailing {seed.MID}:")
    with SyncTriggerClient(client_settings(system.settings)) as client:
        client.invoke(seed.ORGID, seed.MID)
        record = next(read_sends(system.settings, within_s=SEND_WITHIN_S, check=system.check))
        send = {name: record[name] for name in SHOWN} | {"context": record["context"].decode()}
        say(json.dumps(send, ensure_ascii=False, indent=2))
        _expect(send["rid"] == rid, f"the send is for {send['rid']}, not for {rid}")
        _expect(send["context"] == '"XYZ-123"', f"the send's context is {send['context']}")
        view = client.mailing(seed.ORGID, seed.MID)
    counted = (view.triggered, view.duplicates, view.sent)
    _expect(counted == (2, 1, 1), f"triggered, duplicates and sent are {counted}")
    _show_mail(send_of(record, sent_at_ms=0))


def _call(system: System) -> int:
    answer = httpx.put(
        system.url + seed.PATH,
        content=seed.BODY.encode(),
        headers={"Content-Type": seed.CONTENT_TYPE},
        timeout=CALL_WITHIN_S,
        trust_env=False,
    )
    say("")
    say(f"{answer.status_code} {answer.reason_phrase}")
    say(answer.text)
    _expect(answer.status_code == httpx.codes.OK, f"the call was answered {answer.status_code}")
    ids: list[int] = answer.json()
    _expect(len(ids) == 1, f"one recipient got {len(ids)} IDs")
    return ids[0]


def _show_mail(send: Send) -> None:
    content = renderer_of(None).render(send)
    say("")
    say("The mail that `mailing-trigger deliver` makes of it, with the template that is built in:")
    say("")
    say(f"To: {send.name} <{send.email}>")
    say(f"Subject: {content.subject}")
    say("")
    say((content.plain or "").rstrip())


def _expect(kept: bool, otherwise: str) -> None:
    if not kept:
        raise CommandError(f"the demo failed: {otherwise}; please report it with this output")
