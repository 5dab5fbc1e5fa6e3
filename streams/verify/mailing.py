"""A mailing as the model has it: what its states allow, what waits in it, what is not known."""

from __future__ import annotations

from collections.abc import MutableSet  # noqa: TC003 - a compiled dataclass looks for its types
from dataclasses import dataclass, field
from typing import Any

from streams.verify.consequences import Send, Waits

# The last few depend on how far a drain is, which no log says.
DRAINED = ("sent", "sms", "sms_only", "unreachable")
ENTRIES = ("triggered", "created", "known", "duplicates", "suppressed", "rejected")
COUNTERS = (*ENTRIES, *DRAINED)
DEFINITION = ("name", "type", "dedup", "interval_s", "channels", "unknown_recipients", "hourly_cap")
# What an answer shows of a mailing and the log decides, in the order it is compared.
SHOWN = ("orgid", "mid", "revision", "state", *DEFINITION, "invocation", *ENTRIES)
MailingId = tuple[int, int]
API_TRIGGERED = "api-triggered"
# An offset that no log reaches.
FOR_EVER = 2**63
# Where a mailing may go from each state, beside where it is.
STEPS = {
    "CREATED": ("ACTIVE", "CANCELLED"),
    "ACTIVE": ("SUSPENDED", "CANCELLED", "FINISHED"),
    "SUSPENDED": ("ACTIVE", "CANCELLED", "FINISHED"),
    "CANCELLED": (),
    "FINISHED": (),
}
# Those in which it takes triggers.
TAKING = ("ACTIVE", "SUSPENDED")


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(COUNTERS, 0)


@dataclass(slots=True)
class Mailing:
    """A mailing; *vague* while messages may wait in it that the log that is left does not have.

    Where that log begins within its life, there are offsets up to which that says too little: up to
    *doubted* how far the mailing is, up to *open* even whether it takes triggers, up to *guessed*
    its definition. It is vague until it was cut after those; not *counted* when its counters began
    before. Of those who *may_wait*, a message waits or not.
    """

    definition: dict[str, Any]
    revision: int = 0
    invocation: int = 0
    vague: bool = False
    doubted: int = -1
    open: int = -1
    guessed: int = -1
    counted: bool = True
    state: str = "ACTIVE"
    counts: dict[str, int] = field(default_factory=_no_counts)
    queue: list[Waits] = field(default_factory=list)
    rids: MutableSet[int] = field(default_factory=set)
    pairs: MutableSet[bytes] = field(default_factory=set)
    may_wait: MutableSet[int] = field(default_factory=set)

    def take_back(self, rid: int) -> None:
        """Forget the messages of who unsubscribes before their cut, but for their number."""
        self.rids.discard(rid)
        self.pairs = {pair for pair in self.pairs if not pair.startswith(b"%d:" % rid)}
        if self.vague:
            # They may have been cut before.
            self.queue = [m._replace(sure=m.sure and m.rid != rid) for m in self.queue]
            return
        self.counts["suppressed"] += sum(m.sure for m in self.queue if m.rid == rid)
        self.queue = [message for message in self.queue if message.rid != rid]
        self.may_wait.discard(rid)

    def take_sms_out(self, rid: int) -> None:
        """Let no message say that SMS are welcome to who opted out before its cut."""
        for at, message in enumerate(self.queue):
            if message.rid == rid and message.says is not None:
                muted = message._replace(says=(message.says[0], False), texted=False)
                self.queue[at] = message._replace(says=None, sure=False) if self.vague else muted

    def refusal(self) -> str | None:
        """Return why no trigger is taken."""
        if self.definition["type"] != API_TRIGGERED:
            return "NOT_TRIGGERED"
        return None if self.state in TAKING else "MAILING_CLOSED"

    def cut(self, offset: int) -> list[Send]:
        """Take everything out that waits, and return what is sent for it."""
        self.invocation += 1
        certain = offset > max(self.doubted, self.guessed)
        channels = self.definition["channels"] if certain else ["EMAIL", "SMS"]
        cut, self.queue = self.queue, []
        self.rids, self.pairs, self.may_wait = set(), set(), set()
        if self.vague:
            # Perhaps another cut took them along.
            cut = [message._replace(sure=False) for message in cut]
            self.vague = not certain
        for message in cut:
            for counter in drained(channels, texted=message.texted) if message.sure else ():
                self.counts[counter] += 1
        return [
            Send(message.offset, message.rid, self.invocation, message.says, channel, message.sure)
            for message in cut
            for channel in channels
            if channel == "EMAIL" or message.texted
        ]


def shown_as(orgid: int, mid: int, mailing: Mailing) -> tuple[Any, ...]:
    """Return a mailing as an answer shows it, but for what is sent, which no log says."""
    definition = (mailing.definition[name] for name in DEFINITION)
    counts = (mailing.counts[name] for name in ENTRIES)
    return (orgid, mid, mailing.revision, mailing.state, *definition, mailing.invocation, *counts)


def may_be(now: str, wanted: str | None) -> bool:
    """Whether a mailing in the state *now* may come into another; None: whether it may change."""
    return wanted == now or wanted in STEPS[now] if wanted else bool(STEPS[now])


def drained(channels: list[str], *, texted: bool) -> tuple[str, ...]:
    """Return the counters that one message raises when it is sent."""
    if "SMS" not in channels or not texted:
        return ("sent",) if "EMAIL" in channels else ("sent", "unreachable")
    return ("sent", "sms") if "EMAIL" in channels else ("sent", "sms", "sms_only")
