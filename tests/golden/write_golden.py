"""Fill in what the official `avro` package says: `python -m tests.golden.write_golden`.

It completes the bytes in records.json and adds today's schemas to schemas.json. The product
encodes with another library, so the vectors are no echo of it.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import avro.io
import avro.schema

from schemas.framing import schema_text
from schemas.records import NAMES

FOLDER = Path(__file__).parent
RECORDS = FOLDER / "records.json"
SCHEMAS = FOLDER / "schemas.json"

ABOUT_RECORDS = (
    "Records without their framing, as bytes in hex, written by the official avro package for "
    "Python. Fields are plain JSON; a value of type bytes is text, in UTF-8 in `context`, and as "
    "code points 0 to 255 elsewhere."
)
ABOUT_SCHEMAS = (
    "CRC-64-AVRO fingerprint of every schema ever released, as it stands in the framing "
    "(little-endian, after C3 01), oldest first. Only ever grows."
)


def main() -> None:
    cases = json.loads(RECORDS.read_text("utf-8"))["records"]
    rows = [
        {**case, "hex": encode(case["record"], with_bytes(case["record"], case["fields"])).hex()}
        for case in cases
    ]
    _write(RECORDS, {"about": ABOUT_RECORDS, "records": rows})

    released = json.loads(SCHEMAS.read_text("utf-8"))["released"] if SCHEMAS.exists() else {}
    for name in NAMES:
        known = released.setdefault(name, [])
        today = avro.schema.parse(schema_text(name)).fingerprint("CRC-64-AVRO").hex()
        if today not in known:
            known.append(today)
    _write(SCHEMAS, {"about": ABOUT_SCHEMAS, "released": released})


def encode(name: str, fields: dict[str, Any]) -> bytes:
    """Return the Avro body the official package writes."""
    out = io.BytesIO()
    writer = avro.io.DatumWriter(avro.schema.parse(schema_text(name)))
    writer.write(fields, avro.io.BinaryEncoder(out))
    return out.getvalue()


def with_bytes(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return *fields* with the values of type bytes as bytes."""
    return _with_bytes(json.loads(schema_text(name)), fields)


def _with_bytes(schema: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    types = {field["name"]: field["type"] for field in schema["fields"]}
    return {key: _value(types[key], key, value) for key, value in fields.items()}


def _value(type_: Any, key: str, value: Any) -> Any:
    if isinstance(value, str) and "bytes" in type_:
        return value.encode("utf-8" if key == "context" else "latin-1")
    if isinstance(value, list) and type_["items"]["type"] == "record":
        return [_with_bytes(type_["items"], each) for each in value]
    return value


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
