"""What follows from a record of the log, as the model says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from streams.verify.people import Says
    from streams.verify.records import Record


# What an accepted entry may be answered where the log that is left does not say which it was: of
# what is certain to be accepted, and of an unclear recipient or of what may be a repeat or refused.
UNSURE = frozenset({"KNOWN", "DUPLICATE"})
ACCEPTED = UNSURE | {"SUPPRESSED", "CREATED"}
REFUSED = frozenset(
    {
        "UNKNOWN_RECIPIENT",
        "EMAIL_MISMATCH",
        "UNKNOWN_MAILING",
        "MAILING_CLOSED",
        "NOT_TRIGGERED",
    }
)


class Ack(NamedTuple):
    """An entry's answer; without an outcome the log that is left does not say which it was.

    It is then one of a message or a duplicate; of an *unclear* recipient any that accepts. One that
    is *open* may be a refusal, or any answer that this recipient could have got before.
    """

    reply_partition: int
    request_id: str
    entry: int
    rid: int
    outcome: str | None
    unclear: bool = False
    open: bool = False

    def may_be(self, rid: int, outcome: str) -> bool:
        """Whether the entry may have been answered so."""
        if self.outcome is not None:
            return (self.rid, self.outcome) == (rid, outcome)
        if self.open and rid == 0 and outcome in REFUSED:
            return True
        accepted = ACCEPTED if self.open or self.unclear else UNSURE
        return rid == self.rid != 0 and outcome in accepted


class PersonAnswer(NamedTuple):
    """The answer to a question about a recipient or to a change; *shows* is all it shows."""

    reply_partition: int
    request_id: str
    entry: int
    outcome: str
    shows: Record
    sure: bool = True


class Answer(NamedTuple):
    """A control or query event's answer; *shown* are mailings, or (offset, rid) of who waits,
    or (index, rid, outcome) of a dry run's entries.

    A call's beginning is answered with its number and its time in *revision* and *messages*.
    """

    reply_partition: int
    request_id: str
    outcome: str
    revision: int = 0
    messages: int = 0
    shown: tuple[tuple[Any, ...], ...] = ()
    sure: bool = True


class Waits(NamedTuple):
    """A message that waits; *says* is all in it, *texted*: it has a number that takes SMS.

    Not *sure* when another may wait in its place; what it says is None when its recipient is
    unclear.
    """

    offset: int
    rid: int
    says: Says | None
    texted: bool
    sure: bool = True


class Send(NamedTuple):
    """A message by one channel; not *sure* when another may have gone in its place.

    What one says is None when its recipient is unclear.
    """

    offset: int
    rid: int
    invocation: int
    says: Says | None
    channel: str = "EMAIL"
    sure: bool = True

    def send_id(self, partition: int) -> str:
        """Return its name, given the log's *partition*."""
        return f"{self.rid}:{partition}:{self.offset}{':sms' if self.channel == 'SMS' else ''}"


class Copy(NamedTuple):
    """A request's copy: *made* for every other partition's log, or met in this one."""

    name: str
    orgid: int
    mid: int
    revision: int
    made: bool


class Dead(NamedTuple):
    """A record that is no event; whoever waits for it, as far as it can be read, may be told."""

    reply_partition: int = -1
    request_id: str = ""
    entry: int = 0


Out = Ack | Answer | PersonAnswer | Send | Copy | Dead


def copies(name: str, event: Record, revision: int) -> list[Out]:
    """Return the copies that a request makes, or the one that *event* is."""
    made = event["origin"] == "REQUEST"
    return [Copy(name, event["orgid"], event["mid"], revision if made else event["revision"], made)]


def ack(
    event: Record, rid: int, outcome: str | None, *, unclear: bool = False, open_: bool = False
) -> list[Out]:
    """Return an entry's answer, when somebody waits for it."""
    reply: int = event["reply_partition"]
    if reply < 0:
        return []
    return [Ack(reply, event["request_id"], event["index"], rid, outcome, unclear, open_)]


def answer(
    event: Record,
    outcome: str,
    revision: int = 0,
    messages: int = 0,
    *,
    shown: tuple[tuple[Any, ...], ...] = (),
    sure: bool = True,
) -> list[Out]:
    """Return a control or query event's answer, when somebody waits for it."""
    call = (event["reply_partition"], event["request_id"])
    told = Answer(*call, outcome, revision, messages, shown, sure)
    return [told] if event["reply_partition"] >= 0 else []
