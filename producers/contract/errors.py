"""What can be wrong with a trigger call: every code a caller may meet, in one place.

ContractError   the whole call is refused; nothing was added
EntryError      one entry is refused or lost; the others are not touched by it
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The word for machines in an answer; the comment says when it is given."""

    # The call cannot be read (400)
    MALFORMED_BODY = "MALFORMED_BODY"  # neither JSON nor JSON5, or not a form
    MALFORMED_TEXT = "MALFORMED_TEXT"  # the body is not UTF-8
    TOO_DEEP = "TOO_DEEP"  # nested deeper than 64
    MISSING_PARAMETER = "MISSING_PARAMETER"
    INVALID_PARAMETER = "INVALID_PARAMETER"
    UNKNOWN_PARAMETER = "UNKNOWN_PARAMETER"
    REPEATED_PARAMETER = "REPEATED_PARAMETER"
    INVALID_KEY = "INVALID_KEY"  # Idempotency-Key is no string of 1 to 255 characters
    # The call is too much (413) or of another kind (415)
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    TOO_MANY_ENTRIES = "TOO_MANY_ENTRIES"
    DRY_RUN_TOO_LARGE = "DRY_RUN_TOO_LARGE"  # too many may be one recipient
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    UNSUPPORTED_CHARSET = "UNSUPPORTED_CHARSET"
    # The mailing takes none (404, 409, 409)
    INVALID_MAILING = "INVALID_MAILING"
    MAILING_CLOSED = "MAILING_CLOSED"
    NOT_TRIGGERED = "NOT_TRIGGERED"
    # A recipient cannot be changed so (409)
    ADDRESS_FIXED = "ADDRESS_FIXED"  # its address is another one, and never changes
    # An entry is unacceptable (422; 404 when the body is that one entry)
    INVALID_ENTRY = "INVALID_ENTRY"  # neither a rid nor an object
    ENTRY_TOO_LARGE = "ENTRY_TOO_LARGE"  # would not fit an event
    INVALID_RID = "INVALID_RID"
    UNKNOWN_RECIPIENT = "UNKNOWN_RECIPIENT"
    EMAIL_MISMATCH = "EMAIL_MISMATCH"  # `email` is not that of `rid`
    MISSING_EMAIL = "MISSING_EMAIL"
    INVALID_EMAIL = "INVALID_EMAIL"
    ADDRESS_CONFLICT = "ADDRESS_CONFLICT"  # `localPart`, `domainName` say another than `email`
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    REPEATED_FIELD = "REPEATED_FIELD"  # the same name twice, or in two spellings
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_VALUE = "INVALID_VALUE"
    INVALID_CHARACTER = "INVALID_CHARACTER"  # control characters, lone surrogates
    INVALID_CONTEXT = "INVALID_CONTEXT"
    CONTEXT_TOO_LARGE = "CONTEXT_TOO_LARGE"
    # An entry was handed over, and then (422, 504)
    FAILED = "FAILED"  # its event could not be processed; it lies in the dead letters
    NOT_ACKNOWLEDGED = "NOT_ACKNOWLEDGED"  # accepted, but no answer in time
    # The call's Idempotency-Key (422)
    KEY_REUSED = "KEY_REUSED"  # another call has it
    # The answer of a call is asked for later
    REFUSED = "REFUSED"  # when the call was made, which said why (an entry's code)
    UNKNOWN_CALL = "UNKNOWN_CALL"  # 404
    ANSWER_EXPIRED = "ANSWER_EXPIRED"  # 410: acknowledgements are kept for a time


class ContractError(Exception):
    """The whole call is refused with *status*; nothing was added."""

    retriable: ClassVar[bool] = False

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class Refused(Exception):
    """One field or entry is unacceptable; never leaves this package."""

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field


@dataclass(frozen=True, slots=True)
class EntryError:
    """Why the entry at *index* has no ID; *field* is None when it is not about one field."""

    index: int
    field: str | None
    code: str
    detail: str
    retriable: bool = False
