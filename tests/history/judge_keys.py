"""Calls with an idempotency key: made again by anybody, counted once, answered alike.

K1 and K2 of docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.history.breaches import Breaches
    from tests.history.decoded import Event
    from tests.history.meaning import Meaning
    from tests.history.record import Call, Result
    from tests.history.topics import Topics


class KeyJudge:
    """Judges what became of calls under a key."""

    def __init__(
        self, meaning: Meaning, topics: Topics, calls: Mapping[int, Call], breaches: Breaches
    ) -> None:
        self._meaning, self._topics = meaning, topics
        self._calls, self._breaches = calls, breaches

    def run(self) -> None:
        """Note every breach."""
        entries: dict[tuple[int, int], list[Event]] = defaultdict(list)
        for event in self._topics.events:
            if event.once:
                entries[event.call, event.index].append(event)
        self._one_call_a_key(entries)
        self._answered_alike(entries)
        self._told_alike(entries)
        self._counted_once()

    def _one_call_a_key(self, entries: dict[tuple[int, int], list[Event]]) -> None:
        """K2: one of the calls that were made under a key has it, and one number of the log."""
        callers: dict[object, set[int]] = defaultdict(set)
        numbers: dict[int, set[int]] = defaultdict(set)
        for (number, _), events in entries.items():
            call = self._calls.get(number)
            numbers[number] |= {event.once for event in events}
            if call is not None:
                callers[call.org, call.mid, call.key].add(number)
                if not call.key:
                    self._breaches.add("K2", f"call {number} has no key, its event has a number")
        for key, found in callers.items():
            if len(found) > 1:
                self._breaches.add("K2", f"several calls have the key {key}: {found}")
        for number, once in numbers.items():
            if len(once) > 1:
                self._breaches.add("K2", f"call {number} was begun anew: {once}")

    def _answered_alike(self, entries: dict[tuple[int, int], list[Event]]) -> None:
        """K1: every event of an entry was told the same."""
        for entry, events in entries.items():
            places = [(event.partition, event.offset) for event in events]
            known = self._meaning.outcomes
            told = {known[place] for place in places if place in known}
            if len(told) > 1:
                self._breaches.add("K1", f"entry {entry} was told {told}")

    def _told_alike(self, entries: dict[tuple[int, int], list[Event]]) -> None:
        """K1: every caller was answered alike, entry by entry."""
        for call in self._calls.values():
            if not call.key or call.f != "trigger":
                continue
            found: dict[int, set[Result]] = defaultdict(set)
            for attempt in call.attempts:
                for index, result in enumerate(attempt.results):
                    # What is wrong with an entry that never comes into the log may be said in
                    # another way: for the call as a whole, when the mailing takes none of it.
                    if result is not None and (call.number, index) in entries:
                        found[index].add(result)
            for index, results in found.items():
                if len(results) > 1:
                    text = f"entry {index} of call {call.number} was answered {results}"
                    self._breaches.add("K1", text)

    def _counted_once(self) -> None:
        """K2: a mailing's counters have each entry once, however often its call was made."""
        right: Counter[tuple[int, int]] = Counter()
        for event in self._topics.events:
            place = event.partition, event.offset
            mailing = self._meaning.mailings.get((event.partition, event.org, event.mid))
            if place not in self._meaning.again and mailing and mailing.state_at(event.offset):
                right[event.org, event.mid] += 1
        last = {
            (each.partition, each.record["orgid"], each.record["mid"]): each.record["triggered"]
            for each in self._topics.mailings
        }
        counted: Counter[tuple[int, int]] = Counter()
        for (_, *ident), triggered in last.items():
            counted[ident[0], ident[1]] += triggered
        for mailing_id in right | counted:
            if right[mailing_id] != counted[mailing_id]:
                text = f"{mailing_id}: {right[mailing_id]} entries, {counted[mailing_id]} counted"
                self._breaches.add("K2", text)
