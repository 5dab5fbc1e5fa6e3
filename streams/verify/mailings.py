"""What the states of a mailing allow, and which channels reach whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.verify.records import Record

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


def may_be(now: str, wanted: str | None) -> bool:
    """Whether a mailing in the state *now* may come into another; None: whether it may change."""
    return wanted in (now, *STEPS[now]) if wanted else bool(STEPS[now])


def takes_sms(message: Record) -> bool:
    """Whether a message has active SMS fields: an E.164 number, and no opt-out."""
    number = message.get("smsContact") or ""
    digits = number[1:]
    sound = number[:1] == "+" and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15
    return sound and message.get("smsSubscribed") is not False


def drained(channels: list[str], *, texted: bool) -> tuple[str, ...]:
    """Return the counters that one message raises when it is sent."""
    if "SMS" not in channels or not texted:
        return ("sent",) if "EMAIL" in channels else ("sent", "unreachable")
    return ("sent", "sms") if "EMAIL" in channels else ("sent", "sms", "sms_only")
