"""What was ever written stays readable, and a schema that would break that is told apart."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from schemas import framing
from schemas.codec import Codec
from schemas.evolution import misfits
from schemas.framing import Framing, fingerprint, released_writers, schema_text
from schemas.records import NAMES, POISON_STATE
from tests.golden.write_golden import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AVRO = FOLDER.parents[1] / "schemas" / "avro"


def record(**fields: Any) -> str:
    rows = [{"name": name, **kind} for name, kind in fields.items()]
    return json.dumps({"type": "record", "name": "R", "fields": rows})


def enum(*symbols: str, **more: str) -> dict[str, Any]:
    return {"type": {"type": "enum", "name": "E", "symbols": symbols, **more}}


LONG, INT, TEXT = {"type": "long"}, {"type": "int"}, {"type": "string"}


@pytest.mark.parametrize("written", released_writers().values(), ids=lambda w: w.name)
def test_every_schema_ever_released_is_readable_today(written: framing.Writer) -> None:
    assert misfits(reader=schema_text(written.name), writer=written.text) == ()


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        pytest.param(record(a=LONG), record(a=LONG), id="same"),
        pytest.param(record(a=LONG), record(a=INT), id="wider number"),
        pytest.param(record(a=LONG), record(a=LONG, b=TEXT), id="field dropped"),
        pytest.param(
            record(a=LONG, b=TEXT | {"default": ""}), record(a=LONG), id="field with default added"
        ),
        pytest.param(record(a=LONG, b=TEXT), record(b=TEXT, a=LONG), id="fields in another order"),
        pytest.param(
            record(e=enum("A", default="A")), record(e=enum("A", "B")), id="symbol with default"
        ),
    ],
)
def test_a_harmless_change_fits(reader: str, writer: str) -> None:
    assert misfits(reader=reader, writer=writer) == ()


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        pytest.param(record(a=LONG, b=TEXT), record(a=LONG), id="field without default added"),
        pytest.param(record(a=INT), record(a=LONG), id="narrower number"),
        pytest.param(record(a=LONG), record(a=TEXT), id="another type"),
        pytest.param(record(e=enum("A")), record(e=enum("A", "B")), id="symbol without default"),
        pytest.param(record(a=LONG), '{"type": "nonsense"}', id="no schema"),
    ],
)
def test_a_change_that_loses_data_is_named(reader: str, writer: str) -> None:
    assert misfits(reader=reader, writer=writer)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of old schemas in a copy of ours."""
    shutil.copytree(AVRO, tmp_path / "avro")
    folder = tmp_path / "avro" / "history"
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(framing, "_avro_folder", lambda: tmp_path / "avro")
    released_writers.cache_clear()
    yield folder
    released_writers.cache_clear()


def test_a_record_of_an_older_release_is_read_into_todays_fields(history: Path) -> None:
    old = json.loads(schema_text(POISON_STATE))
    old["fields"].append({"name": "since_dropped", "type": "long"})
    text = json.dumps(old)
    (history / "PoisonState.old.avsc").write_text(text)

    value = b"\xc3\x01" + fingerprint(text) + b"\x02R\x02d\x0e"
    assert Codec(Framing()).decode(value) == (POISON_STATE, {"reason": "R", "detail": "d"})


def test_a_remark_changed_in_a_schema_leaves_the_new_text_current(history: Path) -> None:
    old = json.loads(schema_text(POISON_STATE)) | {"doc": "an older remark"}
    (history / "PoisonState.old.avsc").write_text(json.dumps(old))

    today = Framing()
    writer = today.writers[today.prefixes[POISON_STATE]]
    assert writer.text == schema_text(POISON_STATE)
    assert len(today.prefixes) == len(NAMES)
