"""What follows from a record of the log, as the model says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from streams.verify.people import Says
    from streams.verify.records import Record


class Ack(NamedTuple):
    """An entry's answer; without an outcome the log that is left does not say which it was.

    It is then one of a message or a duplicate; of an *unclear* recipient also of none.
    """

    reply_partition: int
    request_id: str
    entry: int
    rid: int
    outcome: str | None
    unclear: bool = False


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
