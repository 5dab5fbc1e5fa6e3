"""The sends of one partition, beside the messages that its log asks for.

Compiled where there is a C compiler: every send passes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.verify.people import Says
from streams.verify.reading import LOG, SENDS
from streams.verify.report import Kind

if TYPE_CHECKING:
    from streams.verify.changelog import Waiting
    from streams.verify.consequences import Send
    from streams.verify.mailing import MailingId
    from streams.verify.model import Model
    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Records
    from streams.verify.report import Report


# What an SMS has behind the name that its message's e-mail has.
_SUFFIXES: Final = {"EMAIL": "", "SMS": ":sms"}
_Sent = tuple[Says, int, int]
"""(what it says, invocation, offset in the topic)"""


class Sends:
    """What was sent: `take` it all, `expect` each message in the order of the cuts, then `finish`.

    A send is kept as a digest of what it says, by its channel and its event's offset. Sends are
    written once and in the order of their cuts, so where retention has taken the oldest,
    everything after the first that is still there has to be there too.
    """

    def __init__(self, topics: Topics, records: Records, report: Report, model: Model) -> None:
        self._topics, self._records, self._report, self._model = topics, records, report, model
        self._partition = model.partition
        self._log_begin = topics.begins[LOG, self._partition]
        self._some_gone = topics.begins[SENDS, self._partition] > 0
        # By twice the event's offset, and one more for an SMS.
        self._found: dict[int, _Sent] = {}
        # Of each mailing's invocation the first and the last event of which a message is here;
        # where the log has no beginning, this helps to find one.
        self.seen: dict[tuple[MailingId, int], tuple[int, int]] = {}

    def take(self, raw: Raw) -> None:
        """Take a record of the topic."""
        self._report.counts["sends"] += 1
        try:
            name, send = self._records.read(raw.value)
            named = send["send_id"].split(":")
            rid, partition, offset = int(named[0]), int(named[1]), int(named[2])
        except (ValueError, KeyError, IndexError):
            name, send, rid, partition, offset = "", {}, 0, 0, 0
        if (
            name != "RecipientSend"
            or rid != send["rid"]
            or partition != self._partition
            or send["send_id"] != f"{rid}:{partition}:{offset}{_SUFFIXES[send['channel']]}"
        ):
            self._breach(Kind.UNEXPECTED, raw.offset, 0, "no send of this partition")
            return
        if offset < self._log_begin:
            # Its event is gone; that the recipient is known, or was, is all there is to say.
            self._report.counts["sends_of_gone_events"] += 1
            if rid not in self._model.keys and self._model.erased.of_rid(rid) is None:
                self._breach(Kind.UNEXPECTED, raw.offset, rid, "sent to a recipient nobody knows")
            return
        if self._log_begin:
            queue = (send["orgid"], send["mid"]), send["invocation"]
            first, last = self.seen.get(queue, (offset, offset))
            self.seen[queue] = min(first, offset), max(last, offset)
        sent: _Sent = (self._model.said(send), send["invocation"], raw.offset)
        says, invocation, place = self._found.setdefault(_key(offset, send["channel"]), sent)
        if place != raw.offset:
            equal = (says, invocation) == (sent[0], sent[1])
            kind = Kind.DOUBLED if equal else Kind.UNEQUAL_REPEAT
            self._breach(kind, raw.offset, rid, f"sent before, at offset {place}")

    def expect(self, send: Send, waiting: Waiting | None, *, required: bool) -> None:
        """Look for a message that was cut; *waiting* is what the changelog still has of it."""
        found = self._found.pop(_key(send.offset, send.channel), None)
        if required and not send.sure:
            self._report.counts["messages_unsure"] += 1
        if found is None:
            if waiting is not None:
                self._report.counts["sends_not_yet"] += 1
            elif required and send.sure:
                self._missing(send)
            return
        says, invocation, place = found
        self._some_gone = False
        differs = send.says is not None and says != send.says
        if differs or (send.sure and invocation != send.invocation):
            detail = f"it is not what {LOG}[{self._partition}]@{send.offset} asks for"
            self._breach(Kind.CHANGED, place, send.rid, detail)
        if waiting is not None and self._partition in self._topics.at_rest:
            detail = "sent, and waits in the changelog to be sent again"
            self._breach(Kind.DOUBLED, place, send.rid, detail)

    def finish(self) -> None:
        """Report what was sent and never asked for."""
        for key, (_, _, place) in self._found.items():
            detail = f"{LOG}[{self._partition}]@{key // 2} asks for no such message"
            self._breach(Kind.UNEXPECTED, place, 0, detail)

    def _missing(self, send: Send) -> None:
        if self._some_gone:
            self._report.counts["sends_gone"] += 1
            return
        detail = f"cut by invocation {send.invocation}, neither sent by {send.channel} nor waiting"
        self._report.breach(
            Kind.LOST, LOG, self._partition, send.offset, rid=send.rid, detail=detail
        )

    def _breach(self, kind: Kind, offset: int, rid: int, detail: str) -> None:
        self._report.breach(kind, SENDS, self._partition, offset, rid=rid, detail=detail)


def _key(offset: int, channel: str) -> int:
    return 2 * offset + (channel == "SMS")
