"""A partition's changelog beside the model, when both have met the same events."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.verify.calls import Call
from streams.verify.mailing import COUNTERS, DEFINITION, FOR_EVER, drained
from streams.verify.reading import LOG, STATE
from streams.verify.report import Kind

if TYPE_CHECKING:
    from streams.verify.changelog import Table, Waiting
    from streams.verify.mailing import Mailing, MailingId
    from streams.verify.model import Model
    from streams.verify.records import Record
    from streams.verify.report import Report

# How long answers of a call's entries are kept: two hours longer than its key leads to it.
_KEPT_MS = 26 * 3_600_000


@dataclass(slots=True)
class StateCheck:
    """Compares *table* with *model*."""

    model: Model
    table: Table
    report: Report

    def run(self) -> None:
        """Report every difference."""
        self._recipients()
        self._erased()
        self._calls()
        counted = {ident for ident, mailing in self.model.mailings.items() if mailing.counted}
        told = self.model.caps.differences(self.table.counting, counted, self.model.now)
        for rid, detail in told:
            self._breach(Kind.COUNTER_MISMATCH, detail, rid=rid)
        open_messages, cut_messages = self._waiting()
        for ident in sorted(self.model.mailings.keys() | self.table.mailings.keys()):
            mailing, record = self.model.mailings.get(ident), self.table.mailings.get(ident)
            name = f"mailing {ident[1]} of organisation {ident[0]}"
            if record is None:
                self._breach(Kind.LOST, f"{name} is not in the changelog")
            elif mailing is None:
                self._breach(Kind.UNEXPECTED, f"{name} was never defined")
            else:
                if mailing.open < FOR_EVER:
                    self._mailing(name, mailing, record, cut_messages[ident])
                waits = open_messages[ident] + cut_messages[ident]["sent"]
                self._conservation(name, record, waits)

    def _calls(self) -> None:
        """Compare calls with idempotency keys, and what their entries were answered.

        A batch of answers may be forgotten once nobody can ask for them any more.
        """
        found = {key: Call(**record) for key, record in self.table.calls.items()}
        calls, now = self.model.calls, self.model.now
        for key in found.keys() | calls.known.keys():
            theirs, ours = found.get(key), calls.known.get(key)
            if theirs != ours and not calls.may_differ(theirs, ours, now):
                self._breach(Kind.CHANGED, "a call with an idempotency key is not as it began")
        told = {}
        for batch in self.table.once.values():
            for entry in batch["entries"]:
                told[entry["call"], entry["index"]] = entry["rid"], entry["outcome"]
        for entry, answer in self.model.once.items():
            kept, rid = told.pop(entry, None), answer.rid
            if kept is None and self.model.begun[entry] + _KEPT_MS > self.model.now:
                self._breach(Kind.LOST, f"call {entry[0]}: the answer of {entry[1]}", rid=rid)
            elif kept is not None and not answer.may_be(*kept):
                self._breach(Kind.CHANGED, f"call {entry[0]}: the answer of {entry[1]}", rid=rid)
        for call, index in told.keys() - self.model.before.once.keys():
            self._breach(Kind.UNEXPECTED, f"call {call}: nobody asked for {index}")

    def _recipients(self) -> None:
        keys, people = self.model.keys, self.model.people
        met: set[int] = set()
        stubs = {record["rid"] for record in self.table.erased.values()}
        for key, record in self.table.people():
            rid = record["rid"]
            mine = people.get(key)
            self.report.counts["recipients"] += 1
            if rid in met:
                self._breach(Kind.DOUBLED, "kept twice", rid=rid)
            elif mine is None:
                self._breach(Kind.UNEXPECTED, "no event created this recipient", rid=rid)
            elif keys.get(rid) != key:
                # It is somebody else's, or nobody's.
                kind = Kind.COLLIDING if rid in keys else Kind.CHANGED
                self._breach(kind, "its address has another rid in the log", rid=rid)
            elif key in self.model.perhaps and rid in stubs:
                self._breach(Kind.DOUBLED, "kept, and erased as well", rid=rid)
            elif key not in self.model.unclear and mine != self.model.of_state(record):
                self._breach(Kind.CHANGED, "status, address, profile or dates differ", rid=rid)
            met.add(rid)
        for rid in keys.keys() - met:
            if rid in stubs and keys[rid] in self.model.perhaps:
                continue
            offset = rid // 1024 - 1
            self.report.breach(
                Kind.LOST,
                LOG,
                self.model.partition,
                offset,
                rid=rid,
                detail="created here, and not in the changelog",
            )

    def _erased(self) -> None:
        """Compare what is left of those who were erased."""
        mine, found = self.model.erased, dict(self.table.erased)
        for key in self.model.perhaps:
            # Of one who is there it would be one too many.
            record = found.get(mine.digest(key))
            if record is not None and self.model.keys.get(record["rid"]) == key:
                del found[mine.digest(key)]
        if mine.secret != self.table.secret:
            self._breach(Kind.CHANGED, "what keys the stubs of the erased is not the first secret")
        for digest in mine.left.keys() | found.keys():
            left, record = mine.left.get(digest), found.get(digest)
            if left is None:
                self._breach(Kind.UNEXPECTED, "no event erased this recipient", rid=_rid(record))
            elif record is None:
                self._breach(Kind.LOST, "erased, and no stub keeps its rid", rid=left.rid)
            elif record["rid"] != left.rid or (left.sure and record != left.shown()):
                self._breach(Kind.CHANGED, "the stub of an erased recipient differs", rid=left.rid)

    def _waiting(self) -> tuple[Counter[MailingId], dict[MailingId, Counter[str]]]:
        """Compare the open queues; return how many wait in them, and what cut ones will count."""
        still = Counter[tuple[int, int]]()
        cut: dict[MailingId, Counter[str]] = defaultdict(Counter)
        asked = {}
        for ident, mailing in self.model.mailings.items():
            for send in mailing.queue:
                asked[send.offset] = (*ident, mailing.invocation + 1, send)
        for offset, waiting in self.table.waiting.items():
            ident = (waiting.orgid, waiting.mid)
            found = self.model.mailings.get(ident)
            if found is not None and waiting.invocation <= found.invocation:
                cut[ident].update(self._will_count(waiting))
                continue
            still[ident] += 1
            self.report.counts["pending"] += 1
            wanted = asked.pop(offset, None)
            if wanted is None:
                if found is None or not found.vague:
                    detail = f"offset {offset} of the log asks for no such message"
                    self._breach(Kind.UNEXPECTED, detail, rid=waiting.rid)
            elif waiting != (*wanted[:3], *wanted[3][1:4]) and wanted[3].sure:
                detail = f"its message, of offset {offset}, waits otherwise than the log has it"
                self._breach(Kind.CHANGED, detail, rid=waiting.rid)
        for offset, (orgid, mid, _, send) in asked.items():
            if send.sure and not self.model.mailings[orgid, mid].vague:
                self.report.breach(
                    Kind.LOST,
                    LOG,
                    self.model.partition,
                    offset,
                    rid=send.rid,
                    detail="accepted, and its message does not wait for the invocation",
                )
            else:
                self.report.counts["messages_unsure"] += 1
        return still, cut

    def _will_count(self, waiting: Waiting) -> tuple[str, ...]:
        """Return the counters that a message of a cut queue raises when it is sent."""
        record = self.table.mailings.get((waiting.orgid, waiting.mid))
        cuts = record["cuts"] if record is not None else ()
        for cut in cuts:
            if cut["invocation"] == waiting.invocation:
                return drained(cut["channels"], texted=waiting.texted)
        return ("sent",)

    def _mailing(self, name: str, mailing: Mailing, record: Record, unsent: Counter[str]) -> None:
        wanted = mailing.definition | {
            "state": mailing.state,
            "revision": mailing.revision,
            "invocation": mailing.invocation,
        }
        for field in (*DEFINITION, "state", "revision", "invocation"):
            if record[field] != wanted[field]:
                self._breach(Kind.CHANGED, f"{name}: {field} differs")
        for counter in COUNTERS:
            counted = mailing.counts[counter] - unsent[counter]
            if record[counter] == counted or (not mailing.counted and record[counter] > counted):
                continue
            detail = f"{name}: {counter} is {record[counter]}, the log says {counted}"
            self._breach(Kind.COUNTER_MISMATCH, detail)

    def _conservation(self, name: str, record: Record, waits: int) -> None:
        """Whoever was accepted was sent to, suppressed, or waits."""
        accepted = record["created"] + record["known"] - record["suppressed"]
        if accepted != record["sent"] + waits:
            detail = f"{name}: {accepted} accepted, {record['sent']} sent, {waits} waiting"
            self._breach(Kind.COUNTER_MISMATCH, detail)
        by_channel = record["sms_only"] + record["unreachable"]
        if by_channel > record["sent"] or record["sms_only"] > record["sms"]:
            detail = f"{name}: {by_channel} of {record['sent']} sent without an e-mail"
            self._breach(Kind.COUNTER_MISMATCH, detail)
        answered = sum(record[n] for n in ("created", "known", "duplicates", "rejected"))
        if answered != record["triggered"]:
            detail = f"{name}: {record['triggered']} triggered, {answered} answered"
            self._breach(Kind.COUNTER_MISMATCH, detail)

    def _breach(self, kind: Kind, detail: str, *, rid: int = 0) -> None:
        self.report.breach(kind, STATE, self.model.partition, -1, rid=rid, detail=detail)


def _rid(record: Record | None) -> int:
    return 0 if record is None else int(record["rid"])
