"""The states of a mailing: which step leads where, and what each state allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.records import MailingPhase

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREATED, _ACTIVE, _SUSPENDED = MailingPhase.CREATED, MailingPhase.ACTIVE, MailingPhase.SUSPENDED
_CANCELLED, _FINISHED = MailingPhase.CANCELLED, MailingPhase.FINISHED

# A step that leads to where a mailing is already is legal: whoever repeats a call that was not
# answered is told what the first one would have told.
_STEPS: Final[Mapping[MailingPhase, frozenset[MailingPhase]]] = {
    _CREATED: frozenset({_CREATED, _ACTIVE, _CANCELLED}),
    _ACTIVE: frozenset({_ACTIVE, _SUSPENDED, _CANCELLED, _FINISHED}),
    _SUSPENDED: frozenset({_ACTIVE, _SUSPENDED, _CANCELLED, _FINISHED}),
    _CANCELLED: frozenset({_CANCELLED}),
    _FINISHED: frozenset({_FINISHED}),
}

TAKES_TRIGGERS: Final = frozenset({_ACTIVE, _SUSPENDED})
CLOSED: Final = frozenset({_CANCELLED, _FINISHED})


def may_step(now: MailingPhase, wanted: MailingPhase) -> bool:
    """Whether a mailing in the state *now* may be switched to *wanted*."""
    return wanted in _STEPS[now]
