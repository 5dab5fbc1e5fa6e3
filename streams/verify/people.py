"""What is known of a recipient, in the forms in which it is kept, compared and answered.

Compiled where there is a C compiler: every event, send and recipient passes here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from msgspec import msgpack

if TYPE_CHECKING:
    from streams.verify.records import Record, Records

Says = tuple[Hashable, bool | None]
"""What a message says, and apart from it whether SMS are welcome, which may change before a cut."""
_DATES: Final = ("created", "modified")
# Of a send, what names it.
_NAMES: Final = frozenset({"send_id", "invocation", "channel"})
_WHOSE: Final = ("orgid", "mid", "rid", "context")
# A recipient's record is no larger.
_MOST_BYTES: Final = 512 * 1024
_NUMBERS: Final = Struct("<qqqq")
_PACKED: Final = msgpack.Encoder(order="deterministic").encode
_UNPACKED: Final = msgpack.Decoder(list[Any]).decode


def packed(values: object) -> bytes:
    """Return the bytes of plain values, the same for equal ones."""
    return _PACKED(values)


def digest_of(values: list[Any]) -> int:
    """Return what tells these values from any others in this process; 64 bits, keyed anew in each.

    It is compared with one other digest at a time, never looked up among many.
    """
    return hash(_PACKED(values))


class People:
    """A person is the rid, the status, and when it was created and modified, eight bytes each.

    Behind them are the values of its `fields`, None where there is none, as msgpack writes them:
    there may be millions.
    """

    def __init__(self, records: Records) -> None:
        names = records.fields("RecipientState")[2:]
        self.fields: list[str] = [name for name in names if name not in _DATES]
        sent = {*records.fields("RecipientSend")} - _NAMES
        if sent != {*self.fields, *_WHOSE}:
            raise ValueError("a message says something that is in no rule")
        self._email = self.fields.index("email")
        self._number = self.fields.index("smsContact")
        self._welcome = self.fields.index("smsSubscribed")
        self._data = self.fields.index("profileData")

    def says(
        self, person: bytes, event: Record, fingerprint: Callable[[list[Any]], Hashable]
    ) -> tuple[Says, bool]:
        """Return what a message of *event* says to *person*, and whether it can go by SMS too.

        Who opted out of SMS stays out.
        """
        stored = self._stored(person)
        values = self._over(stored, event)
        if stored[self._welcome] is False:
            values[self._welcome] = False
        texted = takes_sms(values[self._number], values[self._welcome])
        rid = rid_and_status(person)[0]
        whose = [event["orgid"], event["mid"], rid, event["context"]]
        return self._said(whose, values, fingerprint), texted

    def said(self, message: Record, fingerprint: Callable[[list[Any]], Hashable]) -> Says:
        """Return what a RecipientSend says."""
        whose = [message[name] for name in _WHOSE]
        return self._said(whose, self._values(message), fingerprint)

    def _said(
        self, whose: list[Any], values: list[Any], fingerprint: Callable[[list[Any]], Hashable]
    ) -> Says:
        welcome: bool | None = values[self._welcome]
        values[self._welcome] = None
        whose.extend(values)
        return fingerprint(whose), welcome

    def kept(self, rid: int, status: int, fields: Record, dates: tuple[int, int]) -> bytes:
        """Return a person of all *fields*, absent ones None."""
        return _person(rid, status, dates[0], dates[1], self._values(fields))

    def of_state(self, record: Record) -> bytes:
        """Return the person of a RecipientState."""
        dates = record["created"], record["modified"]
        return self.kept(record["rid"], record["status"], record, dates)

    def nameless(self, rid: int) -> bytes:
        """Return a person of whom nothing but the rid is known."""
        return self.kept(rid, 1, dict.fromkeys(self.fields) | {"email": ""}, (0, 0))

    def shown(self, person: bytes) -> Record:
        """Return a person as a RecipientState."""
        shown: Record = dict(zip(self.fields, self._stored(person), strict=True))
        names = ("rid", "status", *_DATES)
        shown.update(zip(names, _NUMBERS.unpack_from(person), strict=True))
        return shown

    def changed(self, person: bytes, event: Record, status: int, now: int) -> bytes | None:
        """Return *person* as *event* changes it, with this status; None when it is too large."""
        rid, before, created, _ = _NUMBERS.unpack_from(person)
        stored = self._stored(person)
        values = self._over(stored, event)
        present = [value for value in values if value is not None]
        if sum(map(_size, present)) + len(values) - 1 > _MOST_BYTES:
            return None
        if (status, values) == (before, stored):
            return person
        return _person(rid, status, created, now, values)

    def _over(self, stored: list[Any], event: Record) -> list[Any]:
        """Return the fields that *event* gives over the stored ones, but for the address."""
        values: list[Any] = []
        for at, name in enumerate(self.fields):
            given = event[name]
            values.append(stored[at] if given is None else given)
        values[self._email] = stored[self._email]
        if values[self._data] is not None and stored[self._data]:
            values[self._data] = stored[self._data] | values[self._data]
        return values

    def _values(self, fields: Record) -> list[Any]:
        return [fields[name] for name in self.fields]

    def _stored(self, person: bytes) -> list[Any]:
        return _UNPACKED(person[_NUMBERS.size :])


def rid_and_status(person: bytes) -> tuple[int, int]:
    """Return who *person* is, and whether mails are welcome."""
    rid, status, _, _ = _NUMBERS.unpack_from(person)
    return rid, status


def takes_sms(number: str | None, welcome: bool | None) -> bool:
    """Whether a message has active SMS fields: an E.164 number, and no opt-out."""
    if not number or welcome is False:
        return False
    digits = number[1:]
    return number[0] == "+" and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15


def _person(rid: int, status: int, created: int, modified: int, values: list[Any]) -> bytes:
    return _NUMBERS.pack(rid, status, created, modified) + _PACKED(values)


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
