"""What a client raises.

ClientError
├── NotSetUp         the topics are missing or not as they must be
├── LogChanged       the log is not the topic any more that the client has opened
├── LogUnavailable   the log did not take the events
├── Overloaded       too much is in flight already; nothing was produced
├── TriggerRejected  some entries of a call have no ID; the others were added
├── KeyReused        the idempotency key is another call's
├── UnknownMailing   there is no such mailing
├── UnknownRecipient there is no such recipient
├── RecipientRefused a recipient cannot be changed so; nothing was changed
├── ControlRefused   the mailing's state or type forbids the step
└── NotAcknowledged  no answer in time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from schemas.records import ControlOutcome, MailingPhase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.contract.errors import EntryError


class ClientError(Exception):
    """Base of this package's errors; *retriable* says whether the same call may succeed later."""

    retriable: ClassVar[bool] = False


class NotSetUp(ClientError):
    """The topics are missing or not as they must be; the text names the command that helps."""


class LogChanged(ClientError):
    """The log was recreated or got more partitions; nothing of the call was produced."""


class LogUnavailable(ClientError):
    """The log did not take the events of a call.

    *produced* False: certainly nothing of the call is in the log. True: some of it is, or may be.
    """

    retriable = True

    def __init__(self, detail: str, *, produced: bool) -> None:
        super().__init__(detail)
        self.produced = produced


class Overloaded(ClientError):
    """Too much is in flight already; nothing of the call was produced."""

    retriable = True


class TriggerRejected(ClientError):
    """Some entries of a call have no ID.

    *ids* is in request order with None at a rejected entry; it is empty when nothing was added.
    """

    def __init__(self, ids: Sequence[int | None], errors: Sequence[EntryError]) -> None:
        first = errors[0]
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        super().__init__(f"entry {first.index}: {first.code}, {first.detail}{more}")
        self.ids = tuple(ids)
        self.errors = tuple(errors)


class KeyReused(ClientError):
    """The idempotency key was used within the last day, for other entries; nothing was produced."""


class UnknownMailing(ClientError):
    """There is no such mailing in this organisation."""

    def __init__(self, *, orgid: int, mid: int) -> None:
        super().__init__(f"organisation {orgid} has no mailing {mid}")
        self.orgid = orgid
        self.mid = mid


class UnknownRecipient(ClientError):
    """There is no such recipient in this organisation; who was asked for is not repeated."""

    def __init__(self, *, orgid: int) -> None:
        super().__init__(f"organisation {orgid} has no such recipient")
        self.orgid = orgid


class RecipientRefused(ClientError):
    """A recipient cannot be changed so; nothing of it was changed."""

    def __init__(self, errors: Sequence[EntryError]) -> None:
        first = errors[0]
        field = f"{first.field}: " if first.field else ""
        super().__init__(f"{field}{first.code}, {first.detail}")
        self.errors = tuple(errors)


# What can be done about a state, where something can.
_CURES = {
    MailingPhase.CREATED: "resuming begins it",
    MailingPhase.SUSPENDED: "resuming lets it go on",
    MailingPhase.CANCELLED: "it is closed for good",
    MailingPhase.FINISHED: "it is closed for good",
}


class ControlRefused(ClientError):
    """A mailing's state or type forbids the step; *outcome* says which, *state* where it is."""

    def __init__(
        self, outcome: ControlOutcome, *, orgid: int, mid: int, state: MailingPhase | None = None
    ) -> None:
        where = f", it is {state.lower()}" if state is not None else ""
        if state is not None and outcome is ControlOutcome.WRONG_STATE and state in _CURES:
            where += f": {_CURES[state]}"
        super().__init__(f"mailing {mid} of organisation {orgid} refused: {outcome.name}{where}")
        self.outcome = outcome
        self.state = state
        self.orgid = orgid
        self.mid = mid


class NotAcknowledged(ClientError):
    """The request is in the log, but not every partition has answered in time."""

    retriable = True

    def __init__(self, *, answered: int, expected: int) -> None:
        super().__init__(f"{answered} of {expected} partitions answered in time")
        self.answered = answered
        self.expected = expected
