"""The callers' side: trigger mailings from Python, from files, and over HTTP."""

from __future__ import annotations

from producers.bulk import BulkAnswer
from producers.client import TriggerClient
from producers.contract.errors import EntryError
from producers.control import Invocation, MailingView, PendingPage
from producers.erasing import Erasure, Remains
from producers.errors import (
    ClientError,
    ControlRefused,
    KeyReused,
    LogChanged,
    LogUnavailable,
    NotAcknowledged,
    NotSetUp,
    Overloaded,
    RecipientRefused,
    TriggerRejected,
    UnknownMailing,
    UnknownRecipient,
)
from producers.recipients import RecipientView
from producers.settings import ClientSettings
from producers.sync import SyncTriggerClient

__all__ = [
    "BulkAnswer",
    "ClientError",
    "ClientSettings",
    "ControlRefused",
    "EntryError",
    "Erasure",
    "Invocation",
    "KeyReused",
    "LogChanged",
    "LogUnavailable",
    "MailingView",
    "NotAcknowledged",
    "NotSetUp",
    "Overloaded",
    "PendingPage",
    "RecipientRefused",
    "RecipientView",
    "Remains",
    "SyncTriggerClient",
    "TriggerClient",
    "TriggerRejected",
    "UnknownMailing",
    "UnknownRecipient",
]
