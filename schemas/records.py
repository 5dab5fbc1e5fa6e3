"""Names and small enumerations of the records; the fields themselves stand in ``avro/*.avsc``."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

RECIPIENT_TRIGGERED: Final = "RecipientTriggered"
MAILING_DEFINED: Final = "MailingDefined"
MAILING_INVOKED: Final = "MailingInvoked"
MAILING_QUERIED: Final = "MailingQueried"
RECIPIENT_QUERIED: Final = "RecipientQueried"
RECIPIENT_CHANGED: Final = "RecipientChanged"
RECIPIENT_ERASED: Final = "RecipientErased"
CALL_BEGUN: Final = "CallBegun"
TRIGGERED_ONCE: Final = "RecipientTriggeredOnce"
CALL_ANSWER: Final = "CallAnswer"
CALL_STATE: Final = "CallState"
ONCE_STATE: Final = "OnceState"
ACKNOWLEDGEMENT: Final = "Acknowledgement"
MAILING_ANSWER: Final = "MailingAnswer"
RECIPIENT_ANSWER: Final = "RecipientAnswer"
RECIPIENT_SEND: Final = "RecipientSend"
DEAD_LETTER: Final = "DeadLetter"
DEAD_LETTER_SETTLED: Final = "DeadLetterSettled"
RECIPIENT_STATE: Final = "RecipientState"
RECIPIENT_BATCH: Final = "RecipientBatch"
ERASED_RECIPIENT: Final = "ErasedRecipient"
STUB_KEY: Final = "StubKey"
MAILING_STATE: Final = "MailingState"
PENDING_STATE: Final = "PendingState"
PARTITION_META: Final = "PartitionMeta"
POISON_STATE: Final = "PoisonState"
MAILING_SWITCHED: Final = "MailingSwitched"
PENDING_QUERIED: Final = "PendingQueried"
PENDING_ANSWER: Final = "PendingAnswer"
MAILING_STATISTICS: Final = "MailingStatistics"
CAP_STATE: Final = "CapState"
DRY_RUN_QUERIED: Final = "DryRunQueried"
DRY_RUN_ANSWER: Final = "DryRunAnswer"

NAMES: Final = (
    RECIPIENT_TRIGGERED,
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_QUERIED,
    RECIPIENT_QUERIED,
    RECIPIENT_CHANGED,
    ACKNOWLEDGEMENT,
    MAILING_ANSWER,
    RECIPIENT_ANSWER,
    RECIPIENT_SEND,
    DEAD_LETTER,
    DEAD_LETTER_SETTLED,
    RECIPIENT_STATE,
    RECIPIENT_BATCH,
    MAILING_STATE,
    PENDING_STATE,
    PARTITION_META,
    POISON_STATE,
    MAILING_SWITCHED,
    PENDING_QUERIED,
    PENDING_ANSWER,
    CALL_BEGUN,
    TRIGGERED_ONCE,
    CALL_ANSWER,
    CALL_STATE,
    ONCE_STATE,
    MAILING_STATISTICS,
    RECIPIENT_ERASED,
    ERASED_RECIPIENT,
    STUB_KEY,
    CAP_STATE,
    DRY_RUN_QUERIED,
    DRY_RUN_ANSWER,
)

API_TRIGGERED: Final = "api-triggered"


class Status(IntEnum):
    """A recipient's subscription, with the numbers of the call."""

    NOT_GIVEN = -1
    UNSUBSCRIBED = 0
    SUBSCRIBED = 1
    EXTERNAL = 3


class Outcome(IntEnum):
    """What became of one entry; the numbers are the places of the symbols in the schema."""

    CREATED = 0
    KNOWN = 1
    DUPLICATE = 2
    SUPPRESSED = 3
    UNKNOWN_RECIPIENT = 4
    EMAIL_MISMATCH = 5
    UNKNOWN_MAILING = 6
    MAILING_CLOSED = 7
    NOT_TRIGGERED = 8
    FAILED = 9

    @property
    def accepted(self) -> bool:
        """Whether the entry has an ID; everything else is a rejection."""
        return self <= Outcome.SUPPRESSED


class ControlOutcome(IntEnum):
    """What became of a control or query event in one partition."""

    DONE = 0
    UNKNOWN_MAILING = 1
    WRONG_STATE = 2
    NOT_TRIGGERED = 3
    FAILED = 4


class RecipientOutcome(IntEnum):
    """What became of a question about a recipient, or of a change."""

    DONE = 0
    UNKNOWN_RECIPIENT = 1
    EMAIL_MISMATCH = 2
    TOO_LARGE = 3
    FAILED = 4


class CallOutcome(IntEnum):
    """What became of a call's idempotency key; its entries follow after the first two."""

    BEGUN = 0
    KNOWN = 1
    OTHER_CALL = 2
    TOO_MANY = 3
    FAILED = 4


class DryRunOutcome(IntEnum):
    """What became of a question what would become of entries."""

    DONE = 0
    FAILED = 1


class Origin(StrEnum):
    """Who wrote a control event: a caller, the home partition's fold, or a timer."""

    REQUEST = "REQUEST"
    COPY = "COPY"
    TIMER = "TIMER"


class DedupPolicy(StrEnum):
    """What makes two pending messages of a mailing one."""

    RECIPIENT_CONTEXT = "RECIPIENT_CONTEXT"
    RECIPIENT = "RECIPIENT"
    NONE = "NONE"


class MailingPhase(StrEnum):
    """Where a mailing is in its life; docs/adr/0016 says what each state allows."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CANCELLED = "CANCELLED"
    FINISHED = "FINISHED"
    CREATED = "CREATED"


class Channel(StrEnum):
    """A way by which a message reaches its recipient."""

    EMAIL = "EMAIL"
    SMS = "SMS"


class UnknownRecipients(StrEnum):
    """What becomes of a triggered address that nobody in the organisation has."""

    CREATE = "CREATE"
    REJECT = "REJECT"
