"""Our partitions, identities, ids, records and fingerprints are those of the golden vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastavro.schema import fingerprint as second_opinion
from fastavro.schema import to_parsing_canonical_form

from schemas.codec import Codec
from schemas.framing import SINGLE_OBJECT_MAGIC, fingerprint, released_writers, schema_text
from schemas.ids import (
    identity,
    mailing_key,
    offset_of_rid,
    partition_of_rid,
    recipient_key,
    rid_key,
    rid_of,
)
from schemas.partition import murmur2, partition_for
from schemas.records import NAMES
from tests.golden.write_golden import with_bytes
from tests.support.golden import golden

RECORDS = golden("records")["records"]
RELEASED: dict[str, list[str]] = golden("schemas")["released"]


@pytest.mark.parametrize("vector", golden("partitions")["vectors"], ids=lambda v: v["key_hex"])
def test_a_key_meets_the_partition_java_gives_it(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key_hex"])
    assert murmur2(key) == vector["murmur2"]
    assert {n: partition_for(key, int(n)) for n in vector["partitions"]} == vector["partitions"]
    assert vector["text"] is None or vector["text"].encode() == key


@pytest.mark.parametrize("vector", golden("identities")["vectors"], ids=lambda v: v["address"])
def test_an_awkward_address_has_the_identity_written_down(vector: dict[str, str]) -> None:
    assert identity(vector["address"]) == vector["identity"]
    assert identity(vector["identity"]) == vector["identity"]
    if "differs_from" in vector:
        assert identity(vector["differs_from"]) != vector["identity"]


@pytest.mark.parametrize("vector", golden("ids")["rids"], ids=lambda v: v["rid"])
def test_a_rid_leads_to_the_event_and_back(vector: dict[str, int]) -> None:
    rid = vector["rid"]
    assert rid_of(vector["offset"], vector["partition"]) == rid
    assert (offset_of_rid(rid), partition_of_rid(rid)) == (vector["offset"], vector["partition"])


@pytest.mark.parametrize("vector", golden("ids")["keys"], ids=lambda v: v["key"])
def test_a_key_is_the_one_written_down(vector: dict[str, Any]) -> None:
    if "email" in vector:
        key = recipient_key(vector["orgid"], vector["email"])
    elif "rid" in vector:
        key = rid_key(vector["orgid"], vector["rid"])
    else:
        key = mailing_key(vector["orgid"], vector["mid"])
    assert key == vector["key"].encode()


@pytest.mark.parametrize("case", RECORDS, ids=lambda c: c["record"])
def test_a_record_has_the_bytes_the_official_package_writes(case: dict[str, Any]) -> None:
    codec = Codec()
    fields = with_bytes(case["record"], case["fields"])
    value = codec.framing.prefixes[case["record"]] + bytes.fromhex(case["hex"])
    assert codec.encode(case["record"], fields) == value
    assert codec.decode(value) == (case["record"], fields)


def test_every_record_has_a_golden_vector() -> None:
    assert {case["record"] for case in RECORDS} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_schema_is_recorded_and_its_old_text_kept(name: str) -> None:
    released = {SINGLE_OBJECT_MAGIC + bytes.fromhex(known) for known in RELEASED[name]}
    shipped = {frame for frame, writer in released_writers().items() if writer.name == name}
    assert released <= shipped, (
        f"{name}.avsc changed: copy its old text to schemas/avro/history/{name}.FINGERPRINT.avsc"
    )
    assert shipped <= released, "record the new schema: python -m tests.golden.write_golden"


@pytest.mark.parametrize("name", NAMES)
def test_two_libraries_agree_on_the_fingerprint(name: str) -> None:
    canonical = to_parsing_canonical_form(json.loads(schema_text(name)))
    assert second_opinion(canonical, "CRC-64-AVRO") == fingerprint(schema_text(name)).hex()


def test_the_fingerprint_is_the_one_of_the_avro_specification() -> None:
    # Java's SchemaNormalization test data: "int" is 0x7275d51a3f395c8f; ours is little-endian.
    assert fingerprint('"int"').hex() == "8f5c393f1ad57572"
