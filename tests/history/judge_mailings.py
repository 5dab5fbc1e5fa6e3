"""Mailings: one state in all partitions, what a state allows, and what callers saw of it.

M1, M2 of docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tests.history.meaning import TAKES, may_be
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.history.breaches import Breaches
    from tests.history.meaning import Mailing, Meaning, Step
    from tests.history.record import Attempt, Call
    from tests.history.topics import Topics

_ASKING = {"MailingInvoked": "invoke", "MailingSwitched": "switch", "MailingDefined": "define"}
_REFUSALS = frozenset({"MAILING_CLOSED", "UNKNOWN_MAILING"})


class MailingJudge:
    """Judges what became of mailings."""

    def __init__(
        self, meaning: Meaning, topics: Topics, calls: Iterable[Call], breaches: Breaches
    ) -> None:
        self._meaning, self._topics, self._breaches = meaning, topics, breaches
        self._calls = [call for call in calls if call.f in {*_ASKING.values(), "look"}]

    def run(self) -> None:
        """Note every breach."""
        self._one_state()
        self._asked_for()
        self._allowed()
        for ident, made in self._by_mailing().items():
            home = self._meaning.homes.get(ident)
            if home is not None:
                self._seen(self._meaning.mailings[home, *ident], made)

    def _one_state(self) -> None:
        """M1: at rest all partitions have a mailing in one state, which is the log's."""
        kept: dict[tuple[int, int], dict[int, tuple[int, str]]] = defaultdict(dict)
        for each in self._topics.mailings:
            ident = each.record["orgid"], each.record["mid"]
            kept[ident][each.partition] = each.record["revision"], each.record["state"]
        for ident, home in self._meaning.homes.items():
            judged = self._meaning.mailings[home, *ident]
            if not judged.steps:
                continue
            right = judged.revision, judged.state
            for partition in range(PARTITIONS):
                copied = self._meaning.mailings.get((partition, *ident))
                said = (copied.revision, copied.state) if copied is not None else None
                here = kept[ident].get(partition)
                if not said == here == right:
                    text = f"{ident} is {right} at home; partition {partition}: log {said}, {here}"
                    self._breaches.add("M1", text)

    def _asked_for(self) -> None:
        """I2: no more requests in the log than were made, and each that was answered is there.

        One may stand twice under its request id, as changes may (`judge_people`).
        """
        met: set[str] = set()
        most, least, found = Counter[object](), Counter[object](), Counter[object]()
        for call in self._calls:
            if call.f == "look":
                continue
            (attempt,) = call.attempts
            what = call.f, call.org, call.mid, call.said.get("state")
            most[what] += attempt.type != "fail"
            least[what] += attempt.type == "ok"
        for control in self._topics.controls:
            record = control.record
            if record["origin"] == "REQUEST" and record["request_id"] not in met:
                met.add(record["request_id"])
                wanted = record["state"] if control.name == "MailingSwitched" else None
                found[_ASKING[control.name], record["orgid"], record["mid"], wanted] += 1
        for what in most | found:
            if not least[what] <= found[what] <= most[what]:
                text = f"{what}: {most[what]} asked, {least[what]} answered, {found[what]} there"
                self._breaches.add("I2", text)

    def _allowed(self) -> None:
        """M2: a trigger is taken, or refused, as the state in its partition says."""
        for event in self._topics.events:
            place = event.partition, event.offset
            told = self._meaning.outcomes.get(place)
            if told is None or place in self._meaning.again:
                continue
            mailing = self._meaning.mailings.get((event.partition, event.org, event.mid))
            state = mailing.state_at(event.offset) if mailing is not None else ""
            right = "" if state in TAKES else "MAILING_CLOSED" if state else "UNKNOWN_MAILING"
            if right != (told[1] if told[1] in _REFUSALS else ""):
                text = f"the mailing is {state or 'not there'}, and {event} was told {told[1]}"
                self._breaches.add("M2", text)

    def _by_mailing(self) -> dict[tuple[int, int], list[Call]]:
        made: dict[tuple[int, int], list[Call]] = defaultdict(list)
        for call in self._calls:
            if call.attempts[0].type == "ok":
                made[call.org, call.mid].append(call)
        return made

    def _seen(self, home: Mailing, made: list[Call]) -> None:
        """M2: what callers were told of a mailing is what it was, in the order of real time."""
        for call, floor in _with_floors(made):
            (attempt,) = call.attempts
            why = _wrong(home.steps, call, attempt, floor)
            if why:
                self._breaches.add("M2", f"{why}: {call.f} {call.said} told {attempt.shown}")


def _with_floors(made: list[Call]) -> Iterator[tuple[Call, int]]:
    """Yield each call with the revision that somebody had been told of before it was made."""
    moments = [(call.attempts[0].invoked, 0, call) for call in made]
    moments += [(call.attempts[0].ended, 1, call) for call in made]
    floor = 0
    for _, ended, call in sorted(moments, key=lambda moment: moment[:2]):
        if ended:
            floor = max(floor, call.attempts[0].shown.get("revision", 0))
        else:
            yield call, floor


def _wrong(steps: list[Step], call: Call, attempt: Attempt, floor: int) -> str:
    """Return what is wrong with an answer; nothing when it is right."""
    shown, wanted = attempt.shown, call.said.get("state")
    state, revision = shown.get("state"), shown.get("revision")
    # As it was when the first of those began that nobody had been told of, and after each.
    since = [step for step in steps if step.revision >= floor]
    if "code" in shown:
        if shown["code"] != "WRONG_STATE":
            return f"refused with {shown['code']}"
        if state not in {step.state for step in since}:
            return f"it was {state} before revision {floor} alone"
        if wanted and may_be(str(state), wanted):
            return "refused, though it was legal"
        return "refused, though it was active" if call.f == "invoke" and state == "ACTIVE" else ""
    if revision is None:
        # The closing calls over HTTP show the state alone, which is for good.
        return "" if state == wanted else "closed, and it is not"
    if revision < floor:
        return f"somebody had been told of revision {floor} before"
    at = next((step for step in steps if step.revision == revision), None)
    if at is None:
        return "there is no such revision"
    if state is not None and at.state != state:
        return f"revision {revision} was {at.state}"
    asked = {"invoke": "INVOKED", "define": "DEFINED", "switch": wanted}.get(call.f)
    if asked and asked not in {s.wanted for s in since if floor < s.revision <= revision}:
        return "answered, and not in the log"
    return ""
