"""Whether data written with one schema can be read with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException

if TYPE_CHECKING:
    from collections.abc import Sequence


def misfits(*, reader: str, writer: str) -> Sequence[str]:
    """Return why *reader* cannot read what *writer* wrote; empty when it can.

    Both are schemas as JSON text. The judge is the official ``avro`` package.
    """
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    try:
        result = checker.get_compatibility(avro.schema.parse(reader), avro.schema.parse(writer))
    except AvroException as exc:
        return (f"no Avro schema: {exc}",)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ()
    return tuple(sorted(result.messages)) or ("incompatible",)
