"""`verify`: the recount, and what a person reads of it."""

from __future__ import annotations

import gc
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from mailing_trigger.adapters import broker_of
from mailing_trigger.errors import CommandError
from mailing_trigger.one_line import one_line
from mailing_trigger.output import console, say
from mailing_trigger.progress import reading
from mailing_trigger.worker import cores
from streams.verify.records import nothing_registered
from streams.verify.recount import recount

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings
    from schemas.framing import Framing
    from schemas.registry import Registry
    from streams.verify.records import Registered
    from streams.verify.report import Report

BREACHED = 1
# In this order, where there are any: (what is counted, its name).
COUNTED = (
    ("events", "events"),
    ("events_not_yet", "events not processed yet"),
    ("recipients", "recipients"),
    ("pending", "messages waiting"),
    ("sends_not_yet", "messages being sent"),
    ("sends", "sends"),
    ("acks", "acknowledgements"),
    ("acks_repeated", "of them repeated, equal"),
    ("answers", "answers about mailings"),
    ("answers_repeated", "of them repeated, equal"),
    ("dead_letters", "dead letters"),
    ("dead_letters_settled", "of them redriven or dropped"),
)


class NotVerified(CommandError):
    """The topics could not be compared, so nothing is known of them."""

    exit_code: ClassVar[int] = 2


def run(settings: Settings, *, as_json: bool) -> int:
    """Compare everything, say what was found, and return the exit status."""
    began = time.monotonic()
    try:
        report = _recount(settings)
    except Exception as exc:  # an error must not pass for a breach
        raise NotVerified(one_line(exc)) from exc
    if as_json:
        console.print_json(json.dumps(report.as_dict()), indent=None)
    else:
        _say(report, time.monotonic() - began)
    return BREACHED if report.found else 0


def _recount(settings: Settings) -> Report:
    # See `streams.verify.side_by_side`: nothing here has cycles worth looking for.
    gc.disable()
    with reading() as progress:
        return recount(
            broker_of(settings),
            settings.topic_prefix,
            security=settings.kafka,
            registered=schemas_of(settings.schema_registry_url),
            progress=progress,
            processes=settings.processes or cores(),
        )


def schemas_of(url: str | None) -> Registered:
    """Return what finds the schema text of an id in the registry at *url*."""
    return nothing_registered if url is None else _Registry(url)


@dataclass(slots=True)
class _Registry:
    """Finds schema texts at *url*; several processes may each have a copy."""

    url: str = field(repr=False)
    _found: tuple[Registry, Framing] | None = field(default=None, repr=False)

    def __call__(self, schema_id: int) -> str | None:
        from producers.registry import registry_at  # noqa: PLC0415 - half a second
        from schemas.framing import CONFLUENT_MAGIC, Framing  # noqa: PLC0415

        if self._found is None:
            self._found = registry_at(self.url), Framing()
        registry, framing = self._found
        if not registry.resolve(framing, schema_id):
            return None
        return framing.writers[CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")].text


def _say(report: Report, took_s: float) -> None:
    for name, shown in COUNTED:
        if report.counts[name]:
            say(f"{report.counts[name]:>13,} {shown}")
    events = report.counts["events"] + report.counts["events_not_yet"]
    say(f"{took_s:>13,.1f} s, {events / took_s:,.0f} events a second")
    for limit in report.limits:
        say(f"not checked: {limit}")
    for partition, offset, reason in report.laid_aside:
        say(f"laid aside: event {offset} of partition {partition}, {reason}")
    for breach in report.breaches:
        say(breach.line())
    total = report.found.total()
    if total > len(report.breaches):
        say(f"and {total - len(report.breaches):,} more")
    if total:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(report.found.items()))
        say(f"{total:,} breaches: {kinds}")
    else:
        say("nothing is lost, doubled or changed")
