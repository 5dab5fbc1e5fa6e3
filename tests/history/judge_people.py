"""Recipients: who reads sees every write answered before, and a trigger changes nothing stored.

R1 and R2 of docs/reliability.md; R3, who may be sent what, is judged with the sends.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.history.meaning import same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.history.breaches import Breaches
    from tests.history.meaning import Meaning, Person, Version
    from tests.history.record import Call
    from tests.history.topics import Topics

_TOLD = frozenset({"CREATED", "KNOWN", "DUPLICATE", "SUPPRESSED"})


class _Moment(NamedTuple):
    """When a call about a recipient began or ended, and which of its versions it is about."""

    ns: int
    ended: bool
    rid: int
    # How many versions were seen: at least when it ended, at most when it began.
    seen: int
    call: Call | None


class PeopleJudge:
    """Judges what became of recipients."""

    def __init__(
        self, meaning: Meaning, topics: Topics, calls: Mapping[int, Call], breaches: Breaches
    ) -> None:
        self._meaning, self._topics = meaning, topics
        self._calls, self._breaches = calls, breaches

    def run(self) -> None:
        """Note every breach."""
        self._nothing_from_nothing()
        self._never_subscribed_again()
        self._seen()

    def _nothing_from_nothing(self) -> None:
        """I2: each change of the log was asked for, as it stands there, and once.

        Under one request id it may stand twice, which the evidence counts: the client library may
        give its producer a new epoch, and send again what other partitions have already.
        """
        met: dict[int, str] = {}
        for change in self._topics.changes:
            call = self._calls.get(change.call)
            again = met.setdefault(change.call, change.request_id) != change.request_id
            if call is None or call.f != "change" or again:
                self._breaches.add("I2", f"nobody asked for {change}")
                continue
            who, fields = call.said["who"], call.said["fields"]
            whose = who == change.rid if isinstance(who, int) else same(who) == same(change.email)
            given = (change.status, change.first_name, change.number, change.texts)
            asked = (
                fields.get("status", -1),
                fields.get("firstName"),
                _number(fields.get("smsContact")),
                fields.get("smsSubscribed"),
            )
            if not whose or call.org != change.org or given != asked:
                self._breaches.add("I2", f"asked for {who} {fields}, the log has {change}")
            if call.attempts[0].type == "fail":
                self._breaches.add("I2", f"in the log, though its caller was told not: {change}")
        for call in self._calls.values():
            if call.f == "change" and call.attempts[0].type == "ok" and call.number not in met:
                self._breaches.add("I1", f"answered, and not in the log: {call}")

    def _never_subscribed_again(self) -> None:
        """R2: who has unsubscribed is suppressed until a change, no trigger, subscribes them."""
        for event in self._topics.events:
            place = event.partition, event.offset
            rid, outcome = self._meaning.outcomes.get(place, (0, ""))
            person = self._meaning.people.get(rid)
            if outcome not in _TOLD or person is None or place in self._meaning.again:
                continue
            left = person.at(event.offset).status == 0
            if left != (outcome == "SUPPRESSED"):
                text = f"{'un' if left else ''}subscribed, and told {outcome}: {event}"
                self._breaches.add("R2", text)

    def _seen(self) -> None:
        """R1: each answer is what was stored, and no older than what was answered before."""
        moments = self._creations()
        for call in self._calls.values():
            if call.f not in {"read", "change"} or call.attempts[0].type != "ok":
                continue
            (attempt,) = call.attempts
            person = self._meaning.person(call.org, call.said["who"])
            shown = attempt.shown
            if "code" in shown:
                seen = 0, 0
                if shown["code"] != "UNKNOWN_RECIPIENT":
                    self._breaches.add("R1", f"refused with {shown['code']}: {call.said}")
                    continue
            else:
                seen = self._version(call, person, shown)
                if not seen[1]:
                    continue
            if person is not None:
                moments.append(_Moment(attempt.invoked, False, person.rid, seen[1], call))
                moments.append(_Moment(attempt.ended, True, person.rid, seen[0], call))
        floors: dict[int, int] = defaultdict(int)
        for moment in sorted(moments, key=lambda each: each[:2]):
            if moment.ended:
                floors[moment.rid] = max(floors[moment.rid], moment.seen)
            elif moment.seen < floors[moment.rid]:
                text = f"{floors[moment.rid]} writes had been answered, {moment.seen} were seen"
                self._breaches.add("R1", f"{text}: {moment.call}")

    def _creations(self) -> list[_Moment]:
        """Return when it was first answered that somebody is there."""
        found = []
        for person in self._meaning.people.values():
            first = person.versions[0]
            call = self._calls.get(first.call)
            found += [
                _Moment(attempt.ended, True, person.rid, 1, None)
                for attempt in (call.attempts if call is not None else ())
                if attempt.results[first.index : first.index + 1] == [person.rid]
            ]
        return found

    def _version(self, call: Call, person: Person | None, shown: dict[str, Any]) -> tuple[int, int]:
        """Return how many versions an answer knows at least, and at most; 0: there was no such."""
        number = str(shown.get("lastName") or "").removeprefix("call ")
        versions = person.versions if person is not None else []
        places = [at for at, each in enumerate(versions, 1) if str(each.call) == number]
        if not places or person is None or person.rid != shown.get("rid"):
            self._breaches.add("R1", f"nobody wrote what was read: {shown} of {call.said['who']}")
            return 0, 0
        version = versions[places[-1] - 1]
        written = self._calls.get(version.call)
        if call.f == "change" and version.call != call.number:
            self._breaches.add("R1", f"a change shows another's: {call} {shown}")
        elif _as_shown(version) != _shown(shown):
            self._breaches.add("R1", f"stored was {version}, read was {shown}")
        elif written is not None and written.invoked > call.attempts[0].ended:
            self._breaches.add("R1", f"read before it was written: {shown}")
        return places[0], places[-1]


def _as_shown(version: Version) -> tuple[object, ...]:
    return (version.status, version.first_name, version.number, version.texts)


def _shown(shown: dict[str, Any]) -> tuple[object, ...]:
    return tuple(shown.get(name) for name in ("status", "firstName", "smsContact", "smsSubscribed"))


def _number(text: str | None) -> str | None:
    return None if text is None else text.replace(" ", "")
