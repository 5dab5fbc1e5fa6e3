"""What may happen to a message on its last hop.

DeliveryError
├── Refused      this message will never be taken: it is laid aside
│   └── NoSuchAddress  because no message to this address will be
├── Later        this message is not taken now, others may be: it is tried again
└── Unavailable  nobody's message is taken now: all wait
"""

from __future__ import annotations

from typing import ClassVar


class DeliveryError(Exception):
    """Base of this package's errors.

    *reason* is one upper-case word for machines and logs. *detail* may have come from a server and
    hold an address: it is kept beside the message and never logged.
    """

    retriable: ClassVar[bool] = False

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Refused(DeliveryError):
    """Another try of this message would end alike."""


class NoSuchAddress(Refused):
    """The recipient's address is none, or takes nothing any more, whatever the message."""


class Later(DeliveryError):
    """Another try of this message may end otherwise."""

    retriable: ClassVar[bool] = True


class Unavailable(DeliveryError):
    """The outlet itself takes nothing, for a reason that is no message's."""

    retriable: ClassVar[bool] = True
