"""The recount's readers are those of Avro's own package."""

from __future__ import annotations

import io
import json
from importlib import resources
from typing import Any

import avro.schema
import pytest
from avro.io import BinaryDecoder, DatumReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.framing import schema_text
from schemas.records import NAMES, RECIPIENT_TRIGGERED
from streams.verify.records import Records
from tests.support.events import CODEC, triggered
from tests.support.logs import nearly_ordinary

FRAME_BYTES = 10
RECORDS = Records()


def avros(name: str, value: bytes) -> Any:
    """Return what Avro's own package reads; None when it reads nothing, or not to the end."""
    text = resources.files("schemas").joinpath("avro", f"{name}.avsc").read_text("utf-8")
    schema = avro.schema.parse(text)
    body = io.BytesIO(value[FRAME_BYTES:])
    try:
        record = DatumReader(schema, schema).read(BinaryDecoder(body))
    except Exception:  # noqa: BLE001 - it raises whatever comes
        return None
    return None if body.read(1) else record


def ours(value: bytes) -> Any:
    try:
        return RECORDS.read(value)[1]
    except ValueError:
        return None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(event=nearly_ordinary())
def test_an_event_is_read_as_avro_reads_it_also_with_a_wrong_byte(
    event: tuple[bytes | None, bytes | None],
) -> None:
    value = event[1]
    assert value is not None
    read, wanted = ours(value), avros(RECIPIENT_TRIGGERED, value)
    if read is not None and read["smsSubscribed"] and wanted is not None:
        # Of a byte above 1 the package makes False, what the worker reads by makes True.
        wanted["smsSubscribed"] = True
    assert read == wanted


def value_of(schema: Any) -> st.SearchStrategy[Any]:
    """Values of a schema, small ones."""
    if isinstance(schema, list):
        return st.one_of(*map(value_of, schema))
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in schema["fields"]})
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "array":
        return st.lists(value_of(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=4), value_of(schema["values"]), max_size=3)
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "bytes": st.binary(max_size=70),
        "string": st.text(max_size=70),
    }[kind]


@pytest.mark.parametrize("name", NAMES)
def test_every_record_is_read_as_it_was_written(name: str) -> None:
    @given(record=value_of(json.loads(schema_text(name))))
    def check(record: dict[str, Any]) -> None:
        value = CODEC.encode(name, record)
        assert RECORDS.read(value) == (name, record)
        assert avros(name, value) == record

    check()


def test_the_schema_of_a_registrys_id_is_asked_for_and_old_fields_get_their_defaults() -> None:
    _, event = triggered(email="a@b.org")
    assert event is not None
    schema = json.loads(schema_text(RECIPIENT_TRIGGERED))
    schema["fields"] = schema["fields"][:-1]
    records = Records({7: json.dumps(schema)}.get)
    # The last field's null branch is the last byte.
    name, record = records.read(b"\x00\x00\x00\x00\x07" + event[FRAME_BYTES:-1])
    assert (name, record) == RECORDS.read(event)
    with pytest.raises(ValueError, match="no schema"):
        records.read(b"\x00\x00\x00\x00\x08" + event[FRAME_BYTES:])


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\xc3\x01", b"hello world"])
def test_what_is_no_record_is_a_value_error(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"no value|no schema"):
        RECORDS.read(value)
