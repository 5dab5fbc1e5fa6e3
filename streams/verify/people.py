"""What is known of a recipient, in the forms in which it is kept, compared and answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

if TYPE_CHECKING:
    from streams.verify.records import Record, Records

Says = tuple[Hashable, bool | None]
"""What a message says, and apart from it whether SMS are welcome, which may change before a cut."""
_DATES = ("created", "modified")
# Of a send, what names it, and what may change before the cut.
_NOT_SAID = ("send_id", "invocation", "channel", "smsSubscribed")


class People:
    """A person is (rid, status, stored fields, created, modified), as msgpack writes them."""

    def __init__(self, records: Records) -> None:
        names = records.fields("RecipientState")[2:]
        self.fields = [name for name in names if name not in _DATES]
        self._in_order = itemgetter(*self.fields)
        sent = records.fields("RecipientSend")
        self._message = [name for name in sent if name not in _NOT_SAID]

    def said(self, message: Record, fingerprint: Callable[[Record], Hashable]) -> Says:
        """Return what tells this message from any other; absent fields are None."""
        rest = dict(zip(self._message, map(message.get, self._message), strict=True))
        return fingerprint(rest), message.get("smsSubscribed")

    def kept(self, rid: int, status: int, fields: Record, dates: tuple[int, int]) -> bytes:
        """Return a person of all *fields*, absent ones None."""
        return msgpack.encode((rid, status, self._present(fields), *dates))

    def _present(self, fields: Record) -> Record:
        pairs = zip(self.fields, self._in_order(fields), strict=True)
        return {name: value for name, value in pairs if value is not None}

    def of_state(self, record: Record) -> bytes:
        """Return the person of a RecipientState."""
        dates = record["created"], record["modified"]
        return self.kept(record["rid"], record["status"], record, dates)

    def shown(self, person: bytes) -> Record:
        """Return a person as a RecipientState."""
        rid, status, stored, created, modified = msgpack.decode(person)
        numbers = {"rid": rid, "status": status, "created": created, "modified": modified}
        shown: Record = dict.fromkeys(self.fields) | stored | numbers
        return shown

    def over(self, stored: Record, event: Record) -> Record:
        """Return the stored fields with those that *event* gives over them, but for the address."""
        given = self._present(event)
        if "profileData" in given:
            given["profileData"] = (stored.get("profileData") or {}) | given["profileData"]
        return stored | given | {"email": stored["email"]}

    def size(self, stored: Record) -> int:
        """Return how many bytes the fields take in a RecipientState."""
        present = sum(_size(stored[name]) for name in self.fields if name in stored)
        return present + len(self.fields) - 1


def _size(value: Any) -> int:
    if isinstance(value, str):
        length = len(value.encode())
        return _long(length) + length
    if isinstance(value, dict):
        pairs = sum(_size(name) + _size(text) for name, text in value.items())
        return _long(len(value)) + pairs + bool(value)
    return 1 if isinstance(value, bool) else _long(value)


def _long(number: int) -> int:
    """Return how many bytes of seven bits a number takes, its sign among them."""
    return max(-(-(2 * abs(number)).bit_length() // 7), 1)
