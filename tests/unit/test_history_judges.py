"""The judges of the history checker, each on a small log with one thing wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.history.breaches import Breaches
from tests.history.decoded import Change, Control, Event, Kept, Sent, Told
from tests.history.judge_keys import KeyJudge
from tests.history.judge_mailings import MailingJudge
from tests.history.judge_people import PeopleJudge
from tests.history.judge_sends import SendJudge
from tests.history.meaning import Meaning
from tests.history.record import Attempt, Call
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

ORG, MID = 2, 1
A, B, C = "a@b.org", "b@b.org", "c@b.org"
NUMBER = "+4915112345678"


@dataclass
class World:
    """Topics and calls; everything but copies happens in partition 0, where the mailing is home."""

    events: list[Event] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    mailings: list[Kept] = field(default_factory=list)
    calls: dict[int, Call] = field(default_factory=dict)
    offset: int = -1
    revision: int = 0
    invocation: int = 0
    triggered: int = 0
    ns: int = 0

    def call(self, f: str, *, key: str = "", type_: str = "ok", **said: Any) -> Attempt:
        """A call that is made after every other has ended."""
        number = len(self.calls) + 1
        attempt = Attempt(number, "http", self.ns + 1, type_, self.ns + 2)
        self.calls[number] = Call(number, f, ORG, MID, [], key, said, [attempt])
        self.ns += 2
        return attempt

    def control(self, name: str, after: str, **fields: Any) -> None:
        """A request that is legal, and its copies."""
        self.offset += 1
        self.revision += 1
        record = {"orgid": ORG, "mid": MID, "revision": 0, "origin": "REQUEST"} | fields
        record["request_id"] = f"event {self.offset}"
        self.controls.append(Control(0, self.offset, name, record))
        copied = record | {"origin": "COPY", "revision": self.revision}
        for partition in range(1, PARTITIONS):
            self.controls.append(Control(partition, self.offset, name, copied))
        kept = {"orgid": ORG, "mid": MID, "revision": self.revision, "state": after}
        for partition in range(PARTITIONS):
            mine = {"triggered": self.triggered if not partition else 0, "cuts": [], "sent": 0}
            self.mailings.append(Kept(partition, self.offset + 1, kept | mine))

    def define(self, *channels: str) -> None:
        self.call("define").shown = {"state": "ACTIVE", "revision": self.revision + 1}
        self.control("MailingDefined", "ACTIVE", state=None, channels=[*channels])

    def switch(self, state: str) -> None:
        shown = {"state": state, "revision": self.revision + 1}
        self.call("switch", state=state).shown = shown
        self.control("MailingSwitched", state, state=state)

    def invoke(self) -> None:
        self.call("invoke").shown = {"revision": self.revision + 1}
        self.control("MailingInvoked", "ACTIVE", invocation=0)
        self.invocation += 1

    def trigger(self, email: str, outcome: str, rid: int = 0, **more: Any) -> Sent:
        """A trigger in a call of its own, its answer, and the message that may be sent for it."""
        attempt = self.call("trigger")
        return self.entry(len(self.calls), attempt, email, outcome, rid, **more)

    def entry(
        self,
        number: int,
        attempt: Attempt,
        email: str,
        outcome: str,
        rid: int = 0,
        *,
        once: int = 0,
        sms: str | None = None,
    ) -> Sent:
        self.offset += 1
        self.triggered += 1
        rid = rid or (self.offset + 1) * 1024
        asked = (0, f"event {self.offset}", 0)
        who = (0, self.offset, number, 0, ORG, MID, 0, email, "")
        self.events.append(Event(*who, asked, once, -1, None, sms, None))
        self.told.append(Told(asked, rid, outcome))
        attempt.results = [rid]
        send_id = f"{rid}:0:{self.offset}"
        return Sent(send_id, ORG, MID, self.invocation + 1, rid, "EMAIL")

    def change(self, email: str, **fields: Any) -> None:
        attempt = self.call("change", who=email, fields=fields)
        self.offset += 1
        place = (0, self.offset, len(self.calls), ORG, 0, email)
        texts = fields.get("smsSubscribed")
        stored = (fields.get("status", -1), None, None, texts)
        self.changes.append(Change(*place, *stored, f"event {self.offset}"))
        self.controls.sort(key=lambda each: each[:2])
        person = Meaning.of(self).person(ORG, email)  # type: ignore[arg-type]
        assert person is not None
        last = person.versions[-1]
        attempt.shown = self.shows(person.rid, last.call, last.status, last.number, last.texts)

    @staticmethod
    def shows(
        rid: int, call: int, status: int, number: str | None = None, texts: bool = True
    ) -> dict[str, Any]:
        shown = {"rid": rid, "status": status, "firstName": None, "lastName": f"call {call}"}
        return shown | {"smsContact": number, "smsSubscribed": texts}

    def judge(self) -> set[str]:
        """Return which promises were broken."""
        # Partition by partition, as the topics are read.
        self.controls.sort(key=lambda each: each[:2])
        breaches, meaning = Breaches(), Meaning.of(self)  # type: ignore[arg-type]
        topics: Any = self
        MailingJudge(meaning, topics, self.calls.values(), breaches).run()
        PeopleJudge(meaning, topics, self.calls, breaches).run()
        SendJudge(meaning, topics, breaches).run()
        KeyJudge(meaning, topics, self.calls, breaches).run()
        return set(breaches.counts)


def told_story() -> World:
    """A story in which everything that is promised is kept."""
    world = World()
    world.define("EMAIL", "SMS")
    world.switch("SUSPENDED")
    first = world.trigger(A, "CREATED", sms=NUMBER)
    left = world.trigger(B, "CREATED")
    world.change(B, status=0)
    world.trigger(B, "SUPPRESSED", left.rid)
    world.switch("ACTIVE")
    world.invoke()
    sms = first._replace(send_id=f"{first.send_id}:sms", channel="SMS")
    world.sends += [first, sms]
    attempt = world.call("trigger", key="key")
    number = len(world.calls)
    keyed = world.entry(number, attempt, C, "CREATED", once=9, sms=NUMBER)
    world.change(C, smsSubscribed=False)
    world.invoke()
    world.sends.append(keyed)
    world.entry(number, attempt, C, "CREATED", keyed.rid, once=9, sms=NUMBER)
    # Made again, so counted once.
    world.triggered -= 1
    wrote = world.changes[-1].call
    world.call("read", who=C).shown = world.shows(keyed.rid, wrote, 1, NUMBER, texts=False)
    world.switch("CANCELLED")
    return world


def test_a_story_without_a_fault_breaks_nothing() -> None:
    assert told_story().judge() == set()


def _sent_while_suspended(world: World) -> None:
    world.sends[0] = world.sends[0]._replace(invocation=0)


def _sent_after_it_was_closed(world: World) -> None:
    world.controls = [
        each for each in world.controls if each.name != "MailingInvoked" or each.offset < 9
    ]


def _not_resumed_in_one_partition(world: World) -> None:
    last = max(each.offset for each in world.controls)
    world.controls.remove(next(c for c in world.controls if c[:2] == (3, last)))


def _kept_in_another_state(world: World) -> None:
    last = world.mailings[-1]
    world.mailings[-1] = last._replace(record=last.record | {"state": "ACTIVE"})


def _taken_by_a_closed_mailing(world: World) -> None:
    world.trigger(A, "KNOWN", world.sends[0].rid)


def _told_of_an_older_revision(world: World) -> None:
    world.call("look").shown = {"state": "ACTIVE", "revision": 1}


def _refused_a_legal_step(world: World) -> None:
    world.calls[2].attempts[0].shown = {"code": "WRONG_STATE", "state": "ACTIVE"}


def _answered_and_not_in_the_log(world: World) -> None:
    world.call("switch", state="FINISHED").shown = {"state": "CANCELLED", "revision": 99}


def _mailed_who_left(world: World) -> None:
    left = world.events[1]
    rid = (left.offset + 1) * 1024
    world.sends.append(Sent(f"{rid}:0:{left.offset}", ORG, MID, 1, rid, "EMAIL"))


def _texted_who_opted_out(world: World) -> None:
    keyed = world.sends[2]
    world.sends.append(keyed._replace(send_id=f"{keyed.send_id}:sms", channel="SMS"))


def _texted_without_a_number(world: World) -> None:
    world.events[0] = world.events[0]._replace(number="12345")


def _subscribed_by_a_trigger(world: World) -> None:
    asked = world.events[2].asked
    world.told = [
        told._replace(outcome="KNOWN") if told.asked == asked else told for told in world.told
    ]


def _read_what_was(world: World) -> None:
    rid, wrote = world.sends[2].rid, world.events[3].call
    world.call("read", who=C).shown = world.shows(rid, wrote, 1, NUMBER)


def _read_another_profile(world: World) -> None:
    rid, wrote = world.sends[2].rid, world.changes[-1].call
    world.call("read", who=C).shown = world.shows(rid, wrote, 0, NUMBER, texts=False)


def _change_out_of_nothing(world: World) -> None:
    again = {"offset": world.offset + 1, "request_id": "another"}
    world.changes.append(world.changes[-1]._replace(**again))


def _sent_twice(world: World) -> None:
    world.sends.append(world.sends[0])


def _never_sent(world: World) -> None:
    del world.sends[1]


def _another_answer_under_a_key(world: World) -> None:
    world.told[-1] = world.told[-1]._replace(outcome="DUPLICATE")


def _begun_anew_under_a_key(world: World) -> None:
    world.events[-1] = world.events[-1]._replace(once=10)


def _counted_again_under_a_key(world: World) -> None:
    last = next(each for each in reversed(world.mailings) if each.partition == 0)
    again = last.record | {"triggered": last.record["triggered"] + 1}
    world.mailings.append(last._replace(record=again))


def _sent_again_under_a_key(world: World) -> None:
    again = world.events[-1]
    world.sends.append(world.sends[2]._replace(send_id=f"{world.sends[2].rid}:0:{again.offset}"))


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (_sent_while_suspended, "M3"),
        (_sent_after_it_was_closed, "M3"),
        (_not_resumed_in_one_partition, "M1"),
        (_kept_in_another_state, "M1"),
        (_taken_by_a_closed_mailing, "M2"),
        (_told_of_an_older_revision, "M2"),
        (_refused_a_legal_step, "M2"),
        (_answered_and_not_in_the_log, "I2"),
        (_mailed_who_left, "R3"),
        (_texted_who_opted_out, "R3"),
        (_texted_without_a_number, "C1"),
        (_subscribed_by_a_trigger, "R2"),
        (_read_what_was, "R1"),
        (_read_another_profile, "R1"),
        (_change_out_of_nothing, "I2"),
        (_sent_twice, "I1"),
        (_never_sent, "I1"),
        (_another_answer_under_a_key, "K1"),
        (_begun_anew_under_a_key, "K2"),
        (_counted_again_under_a_key, "K2"),
        (_sent_again_under_a_key, "K2"),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else each,
)
def test_a_fault_is_seen(spoil: Callable[[World], None], broken: str) -> None:
    world = told_story()
    spoil(world)
    assert broken in world.judge()
