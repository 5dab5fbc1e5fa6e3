"""Readers of Avro's binary encoding, made of schemas.

Compiled where there is a C compiler: three readings an event make most of a recount. Source: Avro
specification 1.12, "Binary encoding". `tests/unit/test_verify_records.py` holds them to Avro's own
package.
"""

from __future__ import annotations

from typing import Any, Final

_LONGEST_NUMBER: Final = 63


class Reader:
    """What reads the values of one type."""

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """Return the value at *at* and where it ends; IndexError when *data* ends before it."""
        raise NotImplementedError


class _Null(Reader):
    def read(self, _data: bytes, at: int) -> tuple[Any, int]:
        return None, at


class _Boolean(Reader):
    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return data[at] != 0, at + 1


class _Long(Reader):
    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return _long(data, at)


class _Bytes(Reader):
    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return _bytes(data, at)


class _String(Reader):
    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return _string(data, at)


class _Enum(Reader):
    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        place, at = _long(data, at)
        if place < 0:
            raise IndexError
        return self._symbols[place], at


class _Union(Reader):
    def __init__(self, branches: list[Reader]) -> None:
        self._branches = branches

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        branch, at = _long(data, at)
        if branch < 0:
            raise IndexError
        return self._branches[branch].read(data, at)

    def begins_with_null(self) -> bool:
        """Return whether a single byte 0 is None."""
        return isinstance(self._branches[0], _Null)


class _Array(Reader):
    def __init__(self, item: Reader) -> None:
        self._item = item

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        items: list[Any] = []
        while True:
            count, at = _block(data, at)
            if not count:
                return items, at
            for _ in range(count):
                value, at = self._item.read(data, at)
                items.append(value)


class _Map(Reader):
    def __init__(self, values: Reader) -> None:
        self._values = values

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        pairs: dict[str, Any] = {}
        while True:
            count, at = _block(data, at)
            if not count:
                return pairs, at
            for _ in range(count):
                key, at = _string(data, at)
                pairs[key], at = self._values.read(data, at)


class _Record(Reader):
    def __init__(self, labels: list[str]) -> None:
        self._labels = labels
        self._readers: list[Reader] = []
        # For each reader 1 where a single byte 0 is None.
        self._optional = b""

    def follow(self, readers: list[Reader]) -> None:
        """Read by these, one a label; apart from the making, since a record may hold itself."""
        self._readers = readers
        self._optional = bytes(
            isinstance(reader, _Union) and reader.begins_with_null() for reader in readers
        )

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        record: dict[str, Any] = {}
        readers, optional = self._readers, self._optional
        for place, label in enumerate(self._labels):
            if optional[place] and data[at] == 0:
                # As most are.
                record[label] = None
                at += 1
            else:
                record[label], at = readers[place].read(data, at)
        return record, at


class AsToday(Reader):
    """An old record with today's fields: new ones have their defaults."""

    def __init__(self, reader: Reader, today: dict[str, Any]) -> None:
        self._reader, self._today = reader, today

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        old, at = self._reader.read(data, at)
        return _with_defaults(old, self._today), at


def _with_defaults(old: Any, today: Any) -> Any:
    if isinstance(today, dict) and today["type"] == "record":
        return {
            field["name"]: _with_defaults(old[field["name"]], field["type"])
            if field["name"] in old
            else field["default"]
            for field in today["fields"]
        }
    if isinstance(today, dict) and today["type"] == "array":
        return [_with_defaults(each, today["items"]) for each in old]
    return old


def reader_of(schema: Any, names: dict[str, Reader]) -> Reader:
    """Return what reads *schema*; *names* are the types it may refer to."""
    if isinstance(schema, list):
        return _Union([reader_of(branch, names) for branch in schema])
    if isinstance(schema, str):
        return names.get(schema) or _PLAIN[schema]
    kind = schema["type"]
    if kind == "array":
        return _Array(reader_of(schema["items"], names))
    if kind == "map":
        return _Map(reader_of(schema["values"], names))
    if kind == "record":
        # Into the names first: a record may hold itself.
        record = _Record([field["name"] for field in schema["fields"]])
        names[schema["name"]] = record
        record.follow([reader_of(field["type"], names) for field in schema["fields"]])
        return record
    if kind == "enum":
        names[schema["name"]] = _Enum(schema["symbols"])
        return names[schema["name"]]
    return reader_of(kind, names)


def _block(data: bytes, at: int) -> tuple[int, int]:
    """Return how many items the block at *at* has."""
    count, at = _long(data, at)
    if count < 0:
        # Its size in bytes follows, for those who skip it.
        _, at = _long(data, at)
    return abs(count), at


def _long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    number, shift = byte & 0x7F, 7
    while byte & 0x80:
        if shift > _LONGEST_NUMBER:
            raise ValueError("more than ten bytes for one number")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise IndexError
    return data[at:end], end


def _string(data: bytes, at: int) -> tuple[str, int]:
    text, at = _bytes(data, at)
    return text.decode(), at


_PLAIN: Final[dict[str, Reader]] = {
    "null": _Null(),
    "boolean": _Boolean(),
    "int": _Long(),
    "long": _Long(),
    "bytes": _Bytes(),
    "string": _String(),
}
