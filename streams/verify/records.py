"""Records of our topics, decoded by their schemas alone.

Source: Avro specification 1.12, "Single-object encoding"; Confluent's framing as docs/wire.md has
it.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import avro.schema

from streams.verify.avro_readers import AsToday, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.verify.avro_readers import Reader

    Registered = Callable[[int], str | None]

Record = dict[str, Any]

_SINGLE_OBJECT, _CONFLUENT = 10, 5


def nothing_registered(_: int) -> str | None:
    """Return the text of a schema registry's id where there is no registry: there is none."""
    return None


class Records:
    """Decodes records by the schemas in ``schemas/avro``, old ones too.

    *registered* returns the text of a schema registry's id, or None when there is none.
    """

    def __init__(self, registered: Registered = nothing_registered) -> None:
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
            record, end = reader.read(value, size)
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
        reader = reader_of(written, {})
        if text not in self._texts:
            reader = AsToday(reader, today)
        self._readers[frame] = written["name"], reader
        return self._readers[frame]


def _texts(folder: str = "") -> Iterator[str]:
    place = resources.files("schemas").joinpath("avro", folder)
    if place.is_dir():
        for entry in place.iterdir():
            if entry.name.endswith(".avsc"):
                yield entry.read_text("utf-8")
