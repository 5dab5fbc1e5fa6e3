"""Sends: each is of an invocation, to who was subscribed, by the channels of that moment, once.

M3, R3, C1 and K2 of docs/reliability.md, and I1 once more without the model.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.history.meaning import TAKEN

if TYPE_CHECKING:
    from tests.history.breaches import Breaches
    from tests.history.decoded import Event, Sent
    from tests.history.meaning import Cut, Meaning, Person
    from tests.history.topics import Topics

_E164 = re.compile(r"\+[0-9]{8,15}")
_SMS = ":sms"


class Due(NamedTuple):
    """What has to become of the message of an event; *cut* None: it waits for ever.

    *left* says that the recipient unsubscribed before the cut, *texted* that it goes by SMS too
    where the mailing does, *opted_out* that it did not for an opt-out before the cut. *sure* False:
    whether there is a message was not told.
    """

    event: Event
    cut: tuple[int, Cut] | None
    left: bool
    texted: bool
    opted_out: bool
    sure: bool

    @property
    def channels(self) -> frozenset[str]:
        """By which channels it has to go."""
        if self.cut is None or self.left:
            return frozenset()
        return self.cut[1].channels if self.texted else self.cut[1].channels - {"SMS"}


def dues(meaning: Meaning, topics: Topics) -> dict[tuple[int, int], Due]:
    """Return what has to become of each message, by the place of its event."""
    found = {}
    for event in topics.events:
        place = event.partition, event.offset
        told = meaning.outcomes.get(place)
        mailing = meaning.mailings.get((event.partition, event.org, event.mid))
        if place in meaning.again or mailing is None or (told and told[1] not in TAKEN):
            continue
        cut = mailing.cut_after(event.offset)
        who = event.rid or event.email
        person = meaning.people.get(told[0]) if told else meaning.person(event.org, who)
        if person is not None and person.versions[0].offset <= event.offset:
            end = cut[1].offset if cut else 2**62
            found[place] = _due(event, person, cut, end, sure=told is not None)
    return found


def _due(event: Event, person: Person, cut: tuple[int, Cut] | None, end: int, *, sure: bool) -> Due:
    stored, later = person.at(event.offset), person.between(event.offset, end)
    number = stored.number if event.number is None else event.number
    # Who opted out stays out, whatever a trigger says.
    texts = stored.texts if event.texts is None or not stored.texts else event.texts
    reachable = bool(number and _E164.fullmatch(number)) and texts
    opted_out = reachable and not all(each.texts for each in later)
    left = any(each.status == 0 for each in later)
    return Due(event, cut, left, reachable and not opted_out, opted_out, sure)


class SendJudge:
    """Judges what was sent."""

    def __init__(self, meaning: Meaning, topics: Topics, breaches: Breaches) -> None:
        self._meaning, self._topics, self._breaches = meaning, topics, breaches

    def run(self) -> None:
        """Note every breach."""
        due = dues(self._meaning, self._topics)
        found = Counter(sent.send_id for sent in self._topics.sends)
        for send_id, times in found.items():
            if times > 1:
                self._breaches.add("I1", f"sent {times} times: {send_id}")
        for sent in self._topics.sends:
            self._sent(sent, due)
        for place, each in due.items():
            rid, _ = self._meaning.outcomes.get(place, (0, ""))
            for channel in each.channels if each.sure else ():
                send_id = f"{rid}:{place[0]}:{place[1]}{_SMS if channel == 'SMS' else ''}"
                if send_id not in found:
                    self._breaches.add("I1", f"never sent: {send_id} of {each}")

    def _sent(self, sent: Sent, due: dict[tuple[int, int], Due]) -> None:
        rid, partition, offset = map(int, sent.send_id.removesuffix(_SMS).split(":"))
        place = partition, offset
        each = due.get(place)
        if place in self._meaning.again:
            self._breaches.add("K2", f"an entry that was made again has a message: {sent}")
        elif each is None or (sent.org, sent.mid) != (each.event.org, each.event.mid):
            self._breaches.add("I2", f"no trigger was taken for it: {sent}")
        elif rid != sent.rid or sent.send_id.endswith(_SMS) != (sent.channel == "SMS"):
            self._breaches.add("C1", f"named otherwise than it is: {sent}")
        elif each.cut is None or each.cut[0] != sent.invocation:
            mailing = self._meaning.mailings[partition, sent.org, sent.mid]
            text = f"cut by {each.cut}, sent with {sent.invocation}; the mailing is {mailing.state}"
            self._breaches.add("M3", f"{text}: {sent}")
        elif each.left:
            self._breaches.add("R3", f"cut after its recipient unsubscribed: {sent}")
        elif sent.channel == "SMS" and each.opted_out:
            self._breaches.add("R3", f"cut after its recipient opted out of SMS: {sent}")
        elif sent.channel not in each.channels:
            self._breaches.add("C1", f"the mailing, or its recipient, has no such channel: {sent}")
