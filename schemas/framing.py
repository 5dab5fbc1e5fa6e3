"""The bytes before an Avro body that say which schema wrote it.

Without a registry a record is framed by Avro's single-object encoding (``C3 01`` and the schema's
CRC-64-AVRO fingerprint, little-endian; Avro specification 1.12, "Single-object encoding"). With a
registry it is framed Confluent's way (``00`` and the schema's id, big-endian). Both are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import avro.schema
from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from schemas.errors import BadRecord, UnknownFraming
from schemas.records import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
SINGLE_OBJECT_BYTES: Final = 10
CONFLUENT_MAGIC = b"\x00"
CONFLUENT_BYTES = 5

_NO_SCHEMA = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    SchemaParseException,
    UnknownType,
)


@dataclass(frozen=True, slots=True)
class Writer:
    """A schema some producer wrote with: the record's name and the schema, parsed once."""

    name: str
    schema: Any
    text: str


@cache
def schema_text(name: str) -> str:
    """Return the current schema of the record *name*, as JSON text."""
    return _avro_folder().joinpath(f"{name}.avsc").read_text("utf-8")


def fingerprint(text: str) -> bytes:
    """Return the CRC-64-AVRO fingerprint of a schema, eight bytes, little-endian."""
    digest: bytes = avro.schema.parse(text).fingerprint("CRC-64-AVRO")
    return digest


def writer_of(text: str) -> Writer:
    """Return the writer a schema's JSON text describes; BadRecord when the record is not ours."""
    try:
        parsed = json.loads(text)
        name = str(parsed["name"]).rpartition(".")[2]
        schema = parse_schema(parsed, _force=True)
    except _NO_SCHEMA as exc:
        raise BadRecord("FOREIGN_SCHEMA", "the text is no Avro schema of a record") from exc
    if name not in NAMES:
        raise BadRecord("FOREIGN_SCHEMA", f"a schema named {name!r} is none of our records")
    return Writer(name, schema, text)


@cache
def released_writers() -> Mapping[bytes, Writer]:
    """Return every schema ever released, by its single-object framing."""
    folder = _avro_folder()
    history = folder.joinpath("history")
    texts = []
    if history.is_dir():
        texts = [e.read_text("utf-8") for e in history.iterdir() if e.name.endswith(".avsc")]
    # Today's last: an old text that differs in remarks or defaults only has the same fingerprint.
    texts += [schema_text(name) for name in NAMES]
    return {SINGLE_OBJECT_MAGIC + fingerprint(text): writer_of(text) for text in texts}


class Framing:
    """Which framing is written for each record, and which ones are understood."""

    def __init__(self, schema_ids: Mapping[str, int] | None = None) -> None:
        self.writers: dict[bytes, Writer] = dict(released_writers())
        current = {writer.text: frame for frame, writer in self.writers.items()}
        self.prefixes: dict[str, bytes] = {name: current[schema_text(name)] for name in NAMES}
        for name, schema_id in (schema_ids or {}).items():
            self.prefixes[name] = self.learn(schema_id, schema_text(name))

    def learn(self, schema_id: int, text: str) -> bytes:
        """Understand a registry's *schema_id* from now on; return its framing."""
        frame = _confluent(schema_id)
        self.writers[frame] = writer_of(text)
        return frame

    def knows(self, schema_id: int) -> bool:
        """Whether a registry's *schema_id* is understood."""
        return _confluent(schema_id) in self.writers

    def split(self, value: bytes | None) -> tuple[Writer, int]:
        """Return who wrote *value* and where its body starts."""
        if not value:
            raise BadRecord("EMPTY", "the record has no value")
        size = SINGLE_OBJECT_BYTES if value[:2] == SINGLE_OBJECT_MAGIC else CONFLUENT_BYTES
        writer = self.writers.get(value[:size])
        if writer is not None:
            return writer, size
        if size == SINGLE_OBJECT_BYTES:
            raise UnknownFraming("UNKNOWN_FINGERPRINT", "no released schema has this fingerprint")
        if value[:1] != CONFLUENT_MAGIC:
            raise BadRecord("WRONG_MAGIC", "the record is framed neither as Avro nor Confluent do")
        if len(value) < CONFLUENT_BYTES:
            raise BadRecord("TRUNCATED", "the record ends inside its framing")
        schema_id = int.from_bytes(value[1:CONFLUENT_BYTES], "big")
        raise UnknownFraming(
            "UNKNOWN_SCHEMA_ID", f"schema id {schema_id} is not known here", schema_id=schema_id
        )


def _confluent(schema_id: int) -> bytes:
    return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")


def _avro_folder() -> Traversable:
    return resources.files("schemas").joinpath("avro")
