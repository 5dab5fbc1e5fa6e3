"""The judge: what callers were told against the log, and the topics against a model of the log.

The recount says what the topics have to hold; this adds what only the callers know. Here are
triggers and transactions; `judge_mailings`, `judge_people`, `judge_sends` and `judge_keys` have the
rest. The numbers are those of docs/reliability.md.
"""

from __future__ import annotations

from collections import defaultdict
from heapq import merge
from typing import TYPE_CHECKING

from streams.verify.recount import recount
from tests.history.breaches import Breaches
from tests.history.judge_keys import KeyJudge
from tests.history.judge_mailings import MailingJudge
from tests.history.judge_people import PeopleJudge
from tests.history.judge_sends import SendJudge
from tests.history.meaning import Meaning, same
from tests.history.record import calls
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from producers.control import MailingView
    from tests.history.decoded import Event
    from tests.history.observer import Commit
    from tests.history.record import Call
    from tests.history.topics import Topics

# Of an entry that a worker judged, and what the model calls it; every other code is the contract's,
# and its entry was never produced.
_JUDGED = {
    "UNKNOWN_RECIPIENT": "UNKNOWN_RECIPIENT",
    "EMAIL_MISMATCH": "EMAIL_MISMATCH",
    "INVALID_MAILING": "UNKNOWN_MAILING",
    "MAILING_CLOSED": "MAILING_CLOSED",
    "FAILED": "FAILED",
}
# They speak for a whole call, also for entries that are wrong and never came into the log.
_OF_THE_MAILING = frozenset({"INVALID_MAILING", "MAILING_CLOSED"})


class Checker:
    """Judges one run."""

    def __init__(self, history: Path, topics: Topics, commits: list[Commit]) -> None:
        self.breaches = Breaches()
        self.calls = calls(history)
        self._topics = topics
        self._commits = commits
        self.meaning = Meaning.of(topics)
        self._told: dict[tuple[int, str, int], set[tuple[int, str]]] = defaultdict(set)
        for told in topics.told:
            self._told[told.asked].add((told.rid, told.outcome))
        self._of_entry: dict[tuple[int, int], list[Event]] = defaultdict(list)
        for event in topics.events:
            self._of_entry[event.call, event.index].append(event)

    def run(self, views: Iterable[MailingView] = ()) -> Breaches:
        """Return every promise that was not kept."""
        self._recount()
        self._nothing_from_nothing()
        self._answers_kept()
        self._identities()
        self._order()
        where = self.meaning, self._topics
        MailingJudge(*where, self.calls.values(), self.breaches).run()
        PeopleJudge(*where, self.calls, self.breaches).run()
        SendJudge(*where, self.breaches).run()
        KeyJudge(*where, self.calls, self.breaches).run()
        self._transactions()
        self._offsets()
        self._counters(views)
        return self.breaches

    def _recount(self) -> None:
        """I1 to I5, I9, I14 to I17: the topics are what a model makes of the log."""
        cluster = self._topics.cluster
        report = recount(cluster.bootstrap_servers, cluster.prefix)
        for breach in report.breaches:
            self.breaches.add(f"recount: {breach.kind.value}", breach.line())
        for place in report.laid_aside:
            self.breaches.add("recount: dead letter", f"nobody made one of {place}")
        if report.counts["events_not_yet"]:
            self.breaches.add("L1", f"{report.counts['events_not_yet']} events are left to fold")

    def _nothing_from_nothing(self) -> None:
        """I2, I15: each event of the log is an entry that somebody asked for, to the byte."""
        for event in self._topics.events:
            call = self.calls.get(event.call)
            if call is None or call.f != "trigger" or event.index >= len(call.entries):
                self.breaches.add("I2", f"nobody asked for {event}")
                continue
            who, sha = call.entries[event.index]
            fits = (call.org, call.mid) == (event.org, event.mid) and (
                who == event.rid if isinstance(who, int) else same(who) == same(event.email)
            )
            if not fits:
                self.breaches.add("I2", f"asked for {who}, the log has {event}")
            if sha != event.sha:
                self.breaches.add("I15", f"another context than asked for: {event}")
            if all(attempt.type == "fail" for attempt in call.attempts):
                self.breaches.add(
                    "I2", f"in the log, though its caller was told it is not: {event}"
                )

    def _answers_kept(self) -> None:
        """I1, I5, I8: what each caller was told is what the acknowledgement of its event says."""
        for call in self.calls.values():
            for attempt in call.attempts:
                if attempt.results and len(attempt.results) != len(call.entries):
                    self.breaches.add("I8", f"{len(attempt.results)} answers to {call.number}")
                for index, result in enumerate(attempt.results):
                    if result is not None:
                        self._entry_kept(call, index, result)

    def _entry_kept(self, call: Call, index: int, result: int | str) -> None:
        found = self._of_entry.get((call.number, index), [])
        said = {answer for event in found for answer in self._told[event.asked]}
        place = f"entry {index} of call {call.number}"
        if isinstance(result, int):
            if not found:
                self.breaches.add("I1", f"{place} was answered {result} and is not in the log")
            elif result not in {rid for rid, _ in said}:
                self.breaches.add("I8", f"{place} was answered {result}, right is {said}")
            return
        outcome = _JUDGED.get(result)
        nowhere = result == "UNKNOWN_RECIPIENT" and int(call.entries[index][0]) % 1024 >= PARTITIONS
        if outcome is None and found:
            self.breaches.add("I2", f"{place} was refused with {result} and is in the log")
        elif outcome and found and outcome not in {said_outcome for _, said_outcome in said}:
            self.breaches.add("I8", f"{place} was refused with {result}, right is {said}")
        elif outcome and not found and not nowhere and result not in _OF_THE_MAILING:
            self.breaches.add("I1", f"{place} was judged {result} and is not in the log")

    def _identities(self) -> None:
        """I3, I4: over the whole history an address has one ID, and an ID one address."""
        ids, addresses = defaultdict(set), defaultdict(set)
        for call in self.calls.values():
            for attempt in call.attempts:
                for (who, _), result in zip(call.entries, attempt.results, strict=False):
                    if not isinstance(result, int):
                        continue
                    if isinstance(who, int):
                        if who != result:
                            self.breaches.add("I8", f"asked for {who}, answered {result}")
                        continue
                    ids[call.org, same(who)].add(result)
                    addresses[result].add((call.org, same(who)))
        for whom, rids in ids.items():
            if len(rids) > 1:
                self.breaches.add("I3", f"one address, several IDs: {whom} {rids}")
        for rid, whose in addresses.items():
            if len(whose) > 1:
                self.breaches.add("I4", f"one ID, several addresses: {rid} {whose}")

    def _order(self) -> None:
        """The log has calls in the order of real time: none before one that had ended."""
        latest: dict[int, int] = defaultdict(int)
        for event in merge(self._topics.events, self._topics.changes, key=lambda each: each[:2]):
            call = self.calls.get(event.call)
            if call is None:
                continue
            if call.ended is not None and call.ended < latest[event.partition]:
                self.breaches.add("order", f"behind a call that began after its end: {event}")
            latest[event.partition] = max(latest[event.partition], call.invoked)

    def _transactions(self) -> None:
        """I12: a partition's transactions are all in its changelog, once each, in order."""
        seqs: dict[int, list[int]] = defaultdict(list)
        for partition, seq, _ in self._topics.metas:
            seqs[partition].append(seq)
        for partition, found in seqs.items():
            for place, seq in enumerate(found, 1):
                if seq != place:
                    self.breaches.add("I12", f"seq {seq} is the {place}th of partition {partition}")
                    break

    def _offsets(self) -> None:
        """I7, I12: no commit goes back, and each belongs to a state that is in the changelog."""
        applied = {(partition, seq): offset for partition, seq, offset in self._topics.metas}
        last: dict[int, Commit] = {}
        for commit in self._commits:
            before = last.get(commit.partition)
            if before and (commit.offset < before.offset or commit.seq < before.seq):
                self.breaches.add("I12", f"{commit} after {before}")
            last[commit.partition] = commit
            known = applied.get((commit.partition, commit.seq), -1)
            if known + 1 != commit.offset:
                self.breaches.add("I7", f"{commit}, whose state ends at {known}")

    def _counters(self, views: Iterable[MailingView]) -> None:
        """I16: every entry was counted as exactly one thing, and all that waited was sent."""
        for view in views:
            if view.triggered != view.created + view.known + view.duplicates + view.rejected:
                self.breaches.add("I16", f"{view}")
