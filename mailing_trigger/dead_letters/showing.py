"""Letters as a person, or a program, reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailing_trigger.dead_letters.letters import decode
from schemas.moments import iso_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing_trigger.dead_letters.letters import Letter
    from schemas.codec import Codec

COLUMNS = ("place", "laid aside", "reason", "event", "bytes", "state")
_HEX_BYTES = 256


def row(letter: Letter, codec: Codec) -> tuple[str, ...]:
    """Return a letter's line in the list; nothing personal is in it."""
    name = decode(letter.value, codec).name or "?"
    about = (str(letter.place), iso_text(letter.at_ms), letter.reason, name, f"{letter.size:,}")
    return (*about, fate(letter))


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield a line a row, with everything in it: a place that was cut is of no use."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield line.rstrip()


def summary(letter: Letter, codec: Codec) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "laid_aside": iso_text(letter.at_ms),
        "reason": letter.reason,
        "detail": letter.detail,
        "event": decode(letter.value, codec).name or None,
        "bytes": letter.size,
        "state": letter.state,
        "settled": iso_text(letter.settled_ms) if letter.settled_ms else None,
        "to": letter.to and {"partition": letter.to.partition, "offset": letter.to.offset},
    }


def whole(letter: Letter, codec: Codec) -> Iterator[str]:
    """Yield all there is of a letter, personal data included, a line each."""
    yield f"place      {letter.place}"
    yield f"laid aside {iso_text(letter.at_ms)}"
    yield f"reason     {letter.reason}: {letter.detail}"
    yield f"state      {fate(letter)}"
    yield f"key        {_text(letter.key)}"
    decoded = decode(letter.value, codec)
    yield f"event      {decoded.name or '?'}, {len(letter.value or b''):,} bytes"
    for name, value in decoded.fields.items():
        if value is not None:
            yield f"  {name:<15} {_field(value)}"
    if decoded.wrong:
        yield f"then       {decoded.wrong}"
        raw = letter.value or b""
        more = " …" if len(raw) > _HEX_BYTES else ""
        yield f"bytes      {raw[:_HEX_BYTES].hex(' ', -4)}{more}"


def fate(letter: Letter) -> str:
    """Return what became of a letter."""
    if not letter.settled_ms:
        return letter.state
    to = f" to {letter.to}" if letter.to else ""
    return f"{letter.state}{to} at {iso_text(letter.settled_ms)}"


def _text(raw: bytes | None) -> str:
    if raw is None:
        return "none"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex(" ", -4)
    return text if text.isprintable() else json.dumps(text)


def _field(value: object) -> str:
    if isinstance(value, bytes):
        return _text(value)
    return json.dumps(value, ensure_ascii=False, default=_text)
