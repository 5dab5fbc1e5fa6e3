"""What can be wrong with a record on the wire.

WireError
├── BadRecord       the bytes are not a record we can read
├── UnknownFraming  the bytes name a schema we do not know (a registry may)
├── RegistryRefusal the schema registry's answer helps nobody who asks again
└── RegistrySilent  the schema registry does not answer at the moment
"""

from __future__ import annotations

from typing import ClassVar


class WireError(Exception):
    """Base of this package's errors; *reason* is one upper-case word for machines."""

    retriable: ClassVar[bool] = False

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class BadRecord(WireError):
    """The bytes are not a record we can read, and never will be."""


class UnknownFraming(WireError):
    """The framing names a schema nobody told us of; *schema_id* is set for a registry's."""

    def __init__(self, reason: str, detail: str, *, schema_id: int | None = None) -> None:
        super().__init__(reason, detail)
        self.schema_id = schema_id


class RegistryRefusal(WireError):
    """The schema registry refused, and asking again will not change that."""


class RegistrySilent(WireError):
    """The schema registry did not answer, or not with an answer of its own."""

    retriable: ClassVar[bool] = True
