"""A mailing is defined, switched to another state, invoked or asked for.

A request is judged in one place, the mailing's home partition, which gives it a revision and
copies it to every other partition; a partition ignores a revision it has. So copies may repeat,
and no two requests can leave partitions in different states.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from schemas.caps import MAX_HOURLY_CAP
from schemas.errors import BadRecord
from schemas.ids import mailing_key
from schemas.partition import partition_for
from schemas.records import (
    API_TRIGGERED,
    MAILING_ANSWER,
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_SWITCHED,
    PENDING_ANSWER,
    PENDING_QUERIED,
    Channel,
    ControlOutcome,
    DedupPolicy,
    MailingPhase,
    Origin,
    UnknownRecipients,
)
from schemas.topics import MAX_PAGE
from schemas.varint import decode_long
from streams.core.answers import answer
from streams.core.changelog import dedup_keys
from streams.core.partition import Cut, Mailing, PartitionState
from streams.core.phases import CLOSED, may_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.codec import Codec, Record
    from streams.core.effects import Effects

# Far below an answer's size limit, with MAX_PAGE mailings in one answer.
_MAX_NAME_CHARS = 500
_MAX_TYPE_CHARS = 50
# Other states are those of a mailing that was there before.
_NOT_DEFINED = frozenset({MailingPhase.SUSPENDED, MailingPhase.CANCELLED, MailingPhase.FINISHED})


class ControlFold:
    """Folds control and query events; *codec* writes answers and copies."""

    def __init__(self, state: PartitionState, codec: Codec) -> None:
        self._state = state
        self._codec = codec

    def apply(self, name: str, event: Record, at: tuple[int, int], effects: Effects) -> None:
        """Fold one event; *at* is its (offset, log time in ms)."""
        if name == MAILING_DEFINED:
            self._define(event, effects)
        elif name == MAILING_SWITCHED:
            self._switch(event, effects)
        elif name == MAILING_INVOKED:
            self._invoke(event, at, effects)
        elif name == PENDING_QUERIED:
            self._list_pending(event, effects)
        else:
            self._answer(event, effects, ControlOutcome.DONE, mailings=self._page(event))

    def fail(self, event: Record, effects: Effects) -> None:
        """Answer an event that became a dead letter, so that nobody waits for it."""
        self._answer(event, effects, ControlOutcome.FAILED)

    def _define(self, event: Record, effects: Effects) -> None:
        if not (
            1 <= len(event["name"]) <= _MAX_NAME_CHARS and len(event["type"]) <= _MAX_TYPE_CHARS
        ):
            raise BadRecord("BAD_FIELD", f"a name has 1 to {_MAX_NAME_CHARS} characters")
        if event["mid"] < 1 or event["interval_s"] < 0:
            raise BadRecord("BAD_FIELD", "mid or interval is out of range")
        if not 0 <= event["hourly_cap"] <= MAX_HOURLY_CAP:
            raise BadRecord("BAD_FIELD", f"a cap an hour is 0 to {MAX_HOURLY_CAP}")
        if event["origin"] == Origin.TIMER:
            raise BadRecord("BAD_FIELD", "no timer defines a mailing")
        if not event["channels"] or event["state"] in _NOT_DEFINED:
            raise BadRecord("BAD_FIELD", "no channel, or a state that no definition gives")
        mailing = self._state.mailings.get((event["orgid"], event["mid"]))
        revision = self._revision(event, mailing)
        if revision is None:
            return
        if mailing is not None and not _may_define(mailing, event["state"]):
            self._answer(event, effects, ControlOutcome.WRONG_STATE, mailing)
            return
        self._copy(MAILING_DEFINED, event, revision, effects)
        mailing = self._changed(mailing, event)
        mailing.revision = revision
        self._answer(event, effects, ControlOutcome.DONE, mailing)

    def _changed(self, mailing: Mailing | None, event: Record) -> Mailing:
        plain = ("name", "type", "interval_s", "hourly_cap")
        definition = {name: event[name] for name in plain}
        definition["channels"] = tuple(each for each in Channel if each in event["channels"])
        definition["unknown_recipients"] = UnknownRecipients(event["unknown_recipients"])
        if event["state"] is not None:
            definition["state"] = MailingPhase(event["state"])
        policy = DedupPolicy(event["dedup"])
        if mailing is None:
            mailing = Mailing(event["orgid"], event["mid"], dedup=policy, **definition)
            self._state.add_mailing(mailing)
            return mailing
        self._state.touch(mailing)
        for name, value in definition.items():
            setattr(mailing, name, value)
        if mailing.dedup is not policy:
            mailing.dedup = policy
            queue = self._state.queues.get(mailing.queue_id)
            if queue is not None:
                queue.seen = dedup_keys(mailing, queue)
        return mailing

    def _switch(self, event: Record, effects: Effects) -> None:
        if event["origin"] == Origin.TIMER:
            raise BadRecord("BAD_FIELD", "no timer switches a mailing")
        mailing = self._state.mailings.get((event["orgid"], event["mid"]))
        revision = self._revision(event, mailing)
        if revision is None:
            return
        wanted = MailingPhase(event["state"])
        if mailing is None:
            self._answer(event, effects, ControlOutcome.UNKNOWN_MAILING)
            return
        if not may_step(mailing.state, wanted):
            self._answer(event, effects, ControlOutcome.WRONG_STATE, mailing)
            return
        self._copy(MAILING_SWITCHED, event, revision, effects)
        self._state.touch(mailing)
        mailing.revision, mailing.state = revision, wanted
        self._answer(event, effects, ControlOutcome.DONE, mailing)

    def _invoke(self, event: Record, at: tuple[int, int], effects: Effects) -> None:
        mailing = self._state.mailings.get((event["orgid"], event["mid"]))
        if event["origin"] == Origin.TIMER:
            self._invoke_by_timer(mailing, event, at)
            return
        revision = self._revision(event, mailing)
        if revision is None:
            return
        outcome = _may_invoke(mailing)
        if mailing is None or outcome is not ControlOutcome.DONE:
            self._answer(event, effects, outcome, mailing)
            return
        self._copy(MAILING_INVOKED, event, revision, effects)
        self._state.touch(mailing)
        mailing.revision = revision
        count = self._cut(mailing, at)
        self._answer(event, effects, ControlOutcome.DONE, mailing, messages=count)

    def _invoke_by_timer(self, mailing: Mailing | None, event: Record, at: tuple[int, int]) -> None:
        # A doubled timer expects a number that has passed; a late one meets a suspended mailing.
        if (
            mailing is not None
            and _may_invoke(mailing) is ControlOutcome.DONE
            and event["invocation"] == mailing.invocation + 1
        ):
            self._state.touch(mailing)
            self._cut(mailing, at)

    def _cut(self, mailing: Mailing, at: tuple[int, int]) -> int:
        """Close the open queue: what is in it is sent, whatever comes after."""
        offset, log_time_ms = at
        queue_id = mailing.queue_id
        queue = self._state.queues.get(queue_id)
        mailing.invocation += 1
        mailing.invoked_at = log_time_ms
        if queue is None:
            return 0
        mailing.cuts += (Cut(mailing.invocation, offset, mailing.channels),)
        self._state.drains.append(queue_id)
        # Nothing joins a cut queue, so nothing in it can be doubled.
        queue.seen = set()
        return len(queue)

    def _revision(self, event: Record, mailing: Mailing | None) -> int | None:
        """Return the revision this event has here, or None when it is to be ignored."""
        known = mailing.revision if mailing is not None else 0
        home = partition_for(mailing_key(event["orgid"], event["mid"]), self._state.partitions)
        if event["origin"] == Origin.COPY:
            if self._state.partition == home:
                raise BadRecord("NOT_HOME", "the home partition judges, it takes no copies")
            revision: int = event["revision"]
            return revision if revision > known else None
        if self._state.partition != home:
            raise BadRecord("NOT_HOME", f"requests for this mailing belong on partition {home}")
        return known + 1

    def _copy(self, name: str, event: Record, revision: int, effects: Effects) -> None:
        if event["origin"] != Origin.REQUEST:
            return
        value = self._codec.encode(name, event | {"origin": Origin.COPY, "revision": revision})
        key = mailing_key(event["orgid"], event["mid"])
        effects.replies.copies += [
            (partition, key, value)
            for partition in range(self._state.partitions)
            if partition != self._state.partition
        ]

    def _page(self, event: Record) -> list[Mailing]:
        mailings = self._state.mailings
        orgid, mid = event["orgid"], event["mid"]
        if mid:
            return [mailings[orgid, mid]] if (orgid, mid) in mailings else []
        mids = sorted(m for o, m in mailings if o == orgid and m > event["after_mid"])
        return [mailings[orgid, m] for m in mids[: max(0, min(event["limit"], MAX_PAGE))]]

    def _list_pending(self, event: Record, effects: Effects) -> None:
        """Answer who waits in the open queue: a cut one is on its way, how far no log says."""
        mailing = self._state.mailings.get((event["orgid"], event["mid"]))
        queue = self._state.queues.get(mailing.queue_id) if mailing is not None else None
        limit = max(0, min(event["limit"], MAX_PAGE))
        waiting = islice(queue.after(event["after"]), limit) if queue is not None else ()
        outcome = ControlOutcome.UNKNOWN_MAILING if mailing is None else ControlOutcome.DONE
        messages = [
            {"offset": offset, "rid": decode_long(rid_bytes, 0)[0]}
            for offset, rid_bytes, _, _ in waiting
        ]
        place = self._state.partition
        answer(effects, self._codec, PENDING_ANSWER, event, place, outcome, messages=messages)

    def _answer(
        self,
        event: Record,
        effects: Effects,
        outcome: ControlOutcome,
        mailing: Mailing | None = None,
        *,
        messages: int = 0,
        mailings: Iterable[Mailing] = (),
    ) -> None:
        shown = list(mailings)
        if outcome is ControlOutcome.WRONG_STATE and mailing is not None:
            shown = [mailing]
        if event["mid"] and not shown and outcome is ControlOutcome.DONE and mailing is None:
            outcome = ControlOutcome.UNKNOWN_MAILING
        answer(
            effects,
            self._codec,
            MAILING_ANSWER,
            event,
            self._state.partition,
            outcome,
            revision=mailing.revision if mailing is not None else 0,
            messages=messages,
            mailings=[each.record() for each in shown],
        )


def _may_define(mailing: Mailing, wanted: str | None) -> bool:
    if wanted is None:
        return mailing.state not in CLOSED
    return may_step(mailing.state, MailingPhase(wanted))


def _may_invoke(mailing: Mailing | None) -> ControlOutcome:
    if mailing is None:
        return ControlOutcome.UNKNOWN_MAILING
    if mailing.type != API_TRIGGERED:
        return ControlOutcome.NOT_TRIGGERED
    return (
        ControlOutcome.DONE if mailing.state is MailingPhase.ACTIVE else ControlOutcome.WRONG_STATE
    )
