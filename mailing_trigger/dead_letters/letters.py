"""Dead letters and what became of them, from the records of their topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from mailing_trigger.dead_letters.letter_state import LetterState
from schemas.codec import read
from schemas.errors import BadRecord, WireError
from schemas.ids import partition_of_rid
from schemas.partition import partition_for
from schemas.records import DEAD_LETTER, DEAD_LETTER_SETTLED, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.codec import Codec
    from streams.verify.reading import Raw


class Place(NamedTuple):
    """Where an event stands in the log; it names its letter, too."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Decoded(NamedTuple):
    """What can be read of an event's value: all its *fields*, or those before what is *wrong*."""

    name: str
    fields: dict[str, Any]
    wrong: str


@dataclass(slots=True)
class Letter:
    """An event that was laid aside, whole; *at_ms* is when, by the broker's clock."""

    place: Place
    reason: str
    detail: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    at_ms: int
    state: LetterState = LetterState.OPEN
    to: Place | None = None
    settled_ms: int = 0

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


def letters_of(raws: Iterable[Raw], log_topic: str, codec: Codec) -> dict[Place, Letter]:
    """Return the letters of *log_topic*, in the order they were written, by place."""
    letters: dict[Place, Letter] = {}
    for raw in raws:
        try:
            name, record = codec.decode(raw.value)
        except WireError:
            continue  # `verify` reports what does not belong there
        if record.get("topic") != log_topic:
            continue
        place = Place(record["partition"], record["offset"])
        if name == DEAD_LETTER:
            about = (record["reason"], record["detail"], record["key"], record["value"])
            letters.setdefault(place, Letter(place, *about, at_ms=raw.time_ms))
        elif name == DEAD_LETTER_SETTLED and (letter := letters.get(place)) is not None:
            letter.state = LetterState[record["settlement"]]
            letter.settled_ms = raw.time_ms
            to = Place(record["to_partition"], record["to_offset"])
            letter.to = to if to.offset >= 0 else None
    return letters


def home_of(letter: Letter, partitions: int, codec: Codec) -> int:
    """Return the partition of the log where the letter's event belongs.

    That of its key; but copies, timers' events and what has no key are for the one they were in.
    """
    decoded = decode(letter.value, codec)
    key = letter.key
    if key is None or decoded.fields.get("origin", Origin.REQUEST) != Origin.REQUEST:
        return letter.place.partition
    _, _, rid = key.partition(b":#")
    if rid.isdigit() and decoded.fields.get("rid") == int(rid):
        named = partition_of_rid(int(rid))
        return named if named < partitions else letter.place.partition
    return partition_for(key, partitions)


def decode(value: bytes | None, codec: Codec) -> Decoded:
    """Return as much of *value* as can be read."""
    try:
        writer, start = codec.framing.split(value)
    except WireError as exc:
        return Decoded("", {}, exc.detail)
    assert value is not None  # noqa: S101 - split refuses an absent value
    body = BytesIO(value)
    body.seek(start)
    fields: dict[str, Any] = {}
    for each in writer.schema["fields"]:
        try:
            # A record of one field: a type that was named before is known to the whole alone.
            part = {"type": "record", "name": f"{writer.name}_one", "fields": [each]}
            fields |= read(body, part)
        except BadRecord:
            return Decoded(
                writer.name, fields, f"its bytes end, or make no sense, at {each['name']}"
            )
    left = len(value) - body.tell()
    return Decoded(writer.name, fields, f"{left} bytes follow its end" if left else "")
