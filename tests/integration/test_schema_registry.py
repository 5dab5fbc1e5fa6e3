"""With a schema registry: ids from it, both framings read, its failures said in one sentence."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

import producers.registry
import streams.worker.registry
from schemas.codec import Codec
from schemas.errors import RegistryRefusal, RegistrySilent, UnknownFraming
from schemas.framing import Framing, schema_text
from schemas.records import NAMES, POISON_STATE
from schemas.registry import MAX_REFUSED_IDS, Registry, register
from tests.support.registry import RegistryStub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

POISON = {"reason": "R", "detail": "d"}
BODY = b"\x02R\x02d"


@pytest.fixture
def stub() -> Iterator[RegistryStub]:
    with RegistryStub() as listening:
        yield listening


@pytest.fixture(params=[producers.registry, streams.worker.registry], ids=["caller", "worker"])
def side(request: pytest.FixtureRequest) -> ModuleType:
    """Each side's own door to the registry."""
    module: ModuleType = request.param
    return module


def framed(schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + BODY


def test_records_are_written_with_the_ids_the_registry_gave(stub: RegistryStub) -> None:
    framing = register(SchemaRegistryClient({"url": stub.url}), Schema)
    assert stub.texts == [schema_text(name) for name in NAMES]
    assert stub.requests == [f"POST /subjects/mailing.{name}/versions" for name in NAMES]
    value = Codec(framing).encode(POISON_STATE, POISON)
    assert value == framed(NAMES.index(POISON_STATE) + 1)


def test_both_framings_are_read_with_a_registry(stub: RegistryStub, side: ModuleType) -> None:
    codec = Codec(side.framing_from(stub.url))
    for value in (codec.encode(POISON_STATE, POISON), Codec().encode(POISON_STATE, POISON)):
        assert codec.decode(value) == (POISON_STATE, POISON)


def test_a_second_start_gets_the_same_ids(stub: RegistryStub, side: ModuleType) -> None:
    first = side.framing_from(stub.url)
    assert side.framing_from(stub.url).prefixes == first.prefixes
    assert len(stub.texts) == len(NAMES)


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_records_are_framed_as_avro_does(side: ModuleType, url: str | None) -> None:
    assert side.framing_from(url).prefixes == Framing().prefixes


def test_an_id_met_later_is_asked_for_once_and_then_read(
    stub: RegistryStub, side: ModuleType
) -> None:
    registry = side.registry_at(stub.url)
    codec = Codec(registry.framing())
    newer = json.loads(schema_text(POISON_STATE)) | {"doc": "as another release words it"}
    schema_id = stub.add(json.dumps(newer))
    with pytest.raises(UnknownFraming) as unknown:
        codec.decode(framed(schema_id))
    assert unknown.value.schema_id == schema_id

    asked = len(stub.requests)
    assert registry.resolve(codec.framing, schema_id)
    assert codec.decode(framed(schema_id)) == (POISON_STATE, POISON)
    assert registry.resolve(codec.framing, schema_id)
    assert stub.requests[asked:] == [f"GET /schemas/ids/{schema_id}"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="no such id"),
        pytest.param('{"type": "record", "name": "Other", "fields": []}', id="another record"),
        pytest.param("syntax = 'proto3';", id="no Avro"),
        pytest.param('{"type": "record", "name": "mailing.PoisonState"}', id="no fields"),
        pytest.param(
            '{"type": "record", "name": "mailing.PoisonState", "fields": []}', id="not enough"
        ),
        pytest.param('{"type": "enum", "name": "PoisonState", "symbols": ["A"]}', id="an enum"),
        pytest.param('{"type": "record", "name": "PoisonState", "fields": 5}', id="odd fields"),
    ],
)
def test_an_id_that_is_none_of_our_records_is_refused_and_asked_for_once(
    stub: RegistryStub, side: ModuleType, text: str | None
) -> None:
    registry = side.registry_at(stub.url)
    framing = Framing()
    schema_id = 77 if text is None else stub.add(text)
    assert not registry.resolve(framing, schema_id)
    assert not registry.resolve(framing, schema_id)
    assert stub.requests == [f"GET /schemas/ids/{schema_id}"]
    assert not framing.knows(schema_id)


class Nowhere:
    """A client of a registry that has nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def register_schema(self, subject_name: str, schema: object) -> int:
        raise AssertionError((subject_name, schema))

    def get_schema(self, schema_id: int) -> object:
        self.asked += 1
        raise SchemaRegistryError(404, 40403, f"Schema {schema_id} not found")


def test_a_flood_of_unknown_ids_keeps_its_memory_bounded() -> None:
    client = Nowhere()
    registry = Registry(client, Schema, "http://registry")
    framing = Framing()
    for schema_id in range(MAX_REFUSED_IDS + 1):
        assert not registry.resolve(framing, schema_id)
    assert not registry.resolve(framing, MAX_REFUSED_IDS)
    assert client.asked == MAX_REFUSED_IDS + 1
    assert not registry.resolve(framing, 0)
    assert client.asked == MAX_REFUSED_IDS + 2
    assert len(registry._refused) == MAX_REFUSED_IDS


def test_a_registry_that_stumbles_is_asked_again(stub: RegistryStub, side: ModuleType) -> None:
    stub.failures = 2
    framing = side.framing_from(stub.url)
    assert framing.prefixes[POISON_STATE][:1] == b"\x00"
    assert len(stub.requests) == len(NAMES) + 2


def test_a_registry_in_trouble_is_no_verdict_on_an_id(stub: RegistryStub, side: ModuleType) -> None:
    registry = side.registry_at(stub.url)
    schema_id = stub.add(schema_text(POISON_STATE))
    stub.failures = 4
    framing = Framing()
    with pytest.raises(RegistrySilent, match="answers 500"):
        registry.resolve(framing, schema_id)
    assert registry.resolve(framing, schema_id)


def test_a_registry_that_is_away_is_one_sentence_without_the_password(side: ModuleType) -> None:
    with RegistryStub() as gone:
        port = gone.port
    with pytest.raises(RegistrySilent) as silent:
        side.framing_from(f"http://me:hunter2@127.0.0.1:{port}")
    assert str(silent.value) == (
        f"The schema registry at 127.0.0.1:{port} does not answer: ConnectError."
    )
    assert silent.value.retriable


def test_a_wrong_password_is_a_refusal_that_does_not_show_it(side: ModuleType) -> None:
    with RegistryStub(login="me:right") as stub, pytest.raises(RegistryRefusal) as refused:
        side.framing_from(f"http://me:hunter2@127.0.0.1:{stub.port}")
    assert str(refused.value) == (
        f"The schema registry at 127.0.0.1:{stub.port} answers 401: Unauthorized"
    )
    assert not refused.value.retriable


def test_the_password_reaches_the_registry_and_no_log(
    side: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RegistryStub(login="me:hunter/2") as stub:
        framing = side.framing_from(f"http://me:hunter%2F2@127.0.0.1:{stub.port}")
    assert framing.knows(1)
    assert caplog.text
    assert "hunter" not in caplog.text


def test_a_registry_that_finds_our_schema_incompatible_says_so(
    stub: RegistryStub, side: ModuleType
) -> None:
    stub.incompatible = True
    with pytest.raises(RegistryRefusal, match="answers 409: Schema being registered is incompat"):
        side.framing_from(stub.url)


@pytest.mark.parametrize(
    "url", ["registry:8081", "ftp://me:hunter2@registry", "http://", "http://me:hunter2@[::1"]
)
def test_a_url_that_is_none_is_refused_without_repeating_it(side: ModuleType, url: str) -> None:
    with pytest.raises(RegistryRefusal) as refused:
        side.framing_from(url)
    assert "hunter2" not in str(refused.value)
    assert "http(s)://host:port" in str(refused.value)
