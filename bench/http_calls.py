"""The bytes of trigger calls: every call of a run names recipients nobody has named before."""

from __future__ import annotations

import uuid

import msgspec

PATH = "/v3.7/mailing/trigger"
ORGID = 2
MID = 1

_NUMBER = b"########"


class Requests:
    """Requests of one size, made from a template: 1 us for a recipient, 2 ms for 10,000."""

    def __init__(self, recipients: int, *, mid: int = MID, run: str | None = None) -> None:
        self.recipients = recipients
        body = body_of(recipients, f"{run or uuid.uuid4().hex[:12]}.{_NUMBER.decode()}")
        head = (
            f"PUT {PATH}?orgid={ORGID}&mid={mid} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._template = head.encode() + body

    def make(self, number: int) -> bytes:
        """Return the request of call *number*."""
        return self._template.replace(_NUMBER, b"%08d" % number)


def body_of(recipients: int, call: str) -> bytes:
    """Return a body of entries with six fields; *call* makes their addresses its own."""
    return msgspec.json.encode([recipient(call, number) for number in range(recipients)])


def recipient(call: str, number: int) -> dict[str, object]:
    """Return entry *number* of *call*."""
    return {
        "email": f"{call}.{number}@example.com",
        "firstName": "Mária",
        "lastName": "Kovács",
        "city": "Budapest",
        "smsContact": "+36205555555",
        "context": {"ordernumber": number, "header": "XYZ-123", "text": "x" * 60},
    }
