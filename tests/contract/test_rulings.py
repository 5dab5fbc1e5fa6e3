"""Every ruling on the body of a call: one row of the table, one body, one verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from producers.contract.answers import answer
from producers.contract.errors import ContractError
from producers.contract.recipients import KnownEntry, OnTheFlyEntry, read_call
from schemas.profiles import read_profile

if TYPE_CHECKING:
    from producers.contract.recipients import TriggerCall

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Whole:
    """The whole call is refused."""

    status: int
    code: str


@dataclass(frozen=True)
class Bad:
    """The first entry is refused, for *name*."""

    name: str | None
    code: str


@dataclass(frozen=True)
class Good:
    """The first entry is accepted and says this."""

    fields: dict[str, object] = field(default_factory=dict)
    context: bytes = b""
    rid: int | None = None
    email: str | None = None
    status: int | None = None


def told(call: TriggerCall) -> Good | Bad:
    for error in call.errors:
        if error.index == 0:
            return Bad(error.field, error.code)
    entry = call.entries[0]
    if isinstance(entry, KnownEntry):
        return Good(read_profile(entry.profile), entry.context, rid=entry.rid, email=entry.email)
    return Good(read_profile(entry.profile), entry.context, email=entry.email, status=entry.status)


A = "a@example.com"


def with_email(members: str) -> bytes:
    return f'[{{"email": "{A}", {members}}}]'.encode()


def person(members: str, **fields: object) -> tuple[bytes, Good]:
    return with_email(members), Good(fields, email=A)


def refused(members: str, name: str | None, code: str) -> tuple[bytes, Bad]:
    return with_email(members), Bad(name, code)


def address(text: str, kept: str | None = None) -> tuple[bytes, Good | Bad]:
    body = json.dumps({"email": text}, ensure_ascii=False).encode()
    return body, Good(email=kept) if kept is not None else Bad("email", "INVALID_EMAIL")


def context(text: str | bytes) -> tuple[bytes, Good]:
    raw = text.encode() if isinstance(text, str) else text
    return b'{ "rid" : 7 , "context" :  ' + raw + b" }", Good(rid=7, context=raw)


SEED = b'[{email: "user@domain.com", firstname: "John", lastname: "Doe", context: "XYZ-123"}]'

BODIES: dict[str, tuple[bytes, object]] = {
    # forms of a recipient
    "the seed's own call": (
        SEED,
        Good({"firstName": "John", "lastName": "Doe"}, b'"XYZ-123"', email="user@domain.com"),
    ),
    "an integer in an array": (b"[13, 20]", Good(rid=13)),
    "one bare integer as body": (b"13", Good(rid=13)),
    "one bare object as body": (b'{"rid": 13}', Good(rid=13)),
    "null is no recipient": (b"[null]", Bad(None, "INVALID_ENTRY")),
    "an array is no recipient": (b"[[13]]", Bad(None, "INVALID_ENTRY")),
    # rid
    "rid 13.0": (b'{"rid": 13.0}', Bad("rid", "INVALID_RID")),
    "rid in quotes": (b'{"rid": "13"}', Bad("rid", "INVALID_RID")),
    "rid true": (b'{"rid": true}', Bad("rid", "INVALID_RID")),
    "rid 0": (b'{"rid": 0}', Bad("rid", "INVALID_RID")),
    "rid -1": (b'{"rid": -1}', Bad("rid", "INVALID_RID")),
    "bare 13.0": (b"[13.0]", Bad(None, "INVALID_RID")),
    "bare 13 in quotes": (b'["13"]', Bad(None, "INVALID_RID")),
    "bare true": (b"[true]", Bad(None, "INVALID_RID")),
    "rid null is no rid": person('"rid": null'),
    "rid beyond every recipient": (b"[9007199254740992]", Bad(None, "UNKNOWN_RECIPIENT")),
    "rid with an email, for the fold to compare": (
        b'{"rid": 5, "email": "A@b.example"}',
        Good(rid=5, email="A@b.example"),
    ),
    "rid of a million digits": (b"[" + b"9" * 10**6 + b"]", Bad(None, "INVALID_VALUE")),
    # who it is
    "SMS number without an address": (
        b'{"smsContact": "+4915112345678"}',
        Bad("email", "MISSING_EMAIL"),
    ),
    "nobody": (b"{}", Bad("email", "MISSING_EMAIL")),
    "localPart and domainName": (
        b'{"localPart": "a", "domainName": "b.example"}',
        Good(email="a@b.example"),
    ),
    "localPart alone": (b'{"localPart": "a"}', Bad("localPart", "MISSING_EMAIL")),
    "localPart and domainName that differ from email": refused(
        '"localPart": "b", "domainName": "example.com"', "localPart", "ADDRESS_CONFLICT"
    ),
    "domainName that differs from email": refused(
        '"domainName": "example.org"', "domainName", "ADDRESS_CONFLICT"
    ),
    "localPart and domainName that agree but for case": person(
        '"localPart": "A", "domainName": "EXAMPLE.com"'
    ),
    # address
    "address: as written": address("John.DOE+x@Example.COM", "John.DOE+x@Example.COM"),
    "address: white space around it": address("  a@example.com\u00a0", A),
    "address: final dot of the domain": address("a@example.com.", A),
    "address: two final dots": address("a@example.com.."),
    "address: 64 octets local": address("l" * 64 + "@d.example", "l" * 64 + "@d.example"),
    "address: 65 octets local": address("l" * 65 + "@d.example"),
    "address: 65 octets local in 33 characters": address("é" * 32 + "l@d.example"),
    "address: 254 in all": address(
        f"{'l' * 64}@{'.'.join(['d' * 63, 'e' * 63, 'f' * 61])}",
        f"{'l' * 64}@{'.'.join(['d' * 63, 'e' * 63, 'f' * 61])}",
    ),
    "address: 255 in all": address(f"{'l' * 64}@{'.'.join(['d' * 63, 'e' * 63, 'f' * 62])}"),
    "address: internationalised": address("jörg@bücher.example", "jörg@bücher.example"),
    "address: address literal": address("a@[192.0.2.1]"),
    "address: IPv6 literal": address("a@[IPv6:2001:db8::1]"),
    "address: reserved names have right syntax": address("a@b.test", "a@b.test"),
    "address: a host without a dot": address("root@localhost", "root@localhost"),
    "address: quoted local part": address('"john doe"@example.com', '"john doe"@example.com'),
    "address: a name before it": address("John <a@example.com>"),
    "address: two at signs": address("a@b@example.com"),
    "address: no at sign": address("example.com"),
    "address: empty": address(""),
    "address: two dots": address("a..b@example.com"),
    "address: label that begins with a hyphen": address("a@-b.example"),
    "address: not a string": (b'{"email": 7}', Bad("email", "INVALID_TYPE")),
    # names of fields
    "same field twice": refused('"city": "X", "city": "X"', "city", "REPEATED_FIELD"),
    "same field in two spellings": refused('"City": "X", "city": "X"', "city", "REPEATED_FIELD"),
    "same field twice, once null": refused('"city": null, "city": "X"', "city", "REPEATED_FIELD"),
    "same field twice, once escaped": refused(
        '"city": "a:b", "cit\\u0079": "X"', "city", "REPEATED_FIELD"
    ),
    "same field twice in JSON5": (
        b"{rid: 1, city: 'X', 'city': 'X'}",
        Bad("city", "REPEATED_FIELD"),
    ),
    "field names in any case": person(
        '"FIRSTNAME": "J", "lastname": "D"', firstName="J", lastName="D"
    ),
    "unknown field": refused('"shoeSize": 43', "shoeSize", "UNKNOWN_FIELD"),
    "createdDate and modifiedDate are ignored": person('"createdDate": 7, "modifiedDate": "never"'),
    "null is as absent": person('"firstName": null, "context": null, "profileData": null'),
    # enums
    "status by number": (with_email('"status": 3'), Good(email=A, status=3)),
    "status by name in any case": (with_email('"status": "UnSubscribed"'), Good(email=A, status=0)),
    "status that was never given out": refused('"status": 2', "status", "INVALID_VALUE"),
    "status true": refused('"status": true', "status", "INVALID_TYPE"),
    "contentType by number": person('"contentType": 2', contentType=2),
    "contentType by name in any case": person('"contentType": "Text/HTML"', contentType=1),
    "contentType unknown": refused('"contentType": "text/rtf"', "contentType", "INVALID_VALUE"),
    # shapes
    "countryCode upper": person('"countryCode": "de"', countryCode="DE"),
    "countryCode of three": refused('"countryCode": "DEU"', "countryCode", "INVALID_VALUE"),
    "languageCode lower": person('"languageCode": "DEU"', languageCode="deu"),
    "languageCode of two": refused('"languageCode": "de"', "languageCode", "INVALID_VALUE"),
    "birthDate": person('"birthDate": "1980-02-29"', birthDate="1980-02-29"),
    "birthDate that never was": refused('"birthDate": "1981-02-29"', "birthDate", "INVALID_VALUE"),
    "birthDate with a time": refused(
        '"birthDate": "1980-02-29T00:00"', "birthDate", "INVALID_VALUE"
    ),
    "smsContact stored bare": person(
        '"smsContact": "+49 (151) 123-45.678"', smsContact="+4915112345678"
    ),
    "smsContact of 8 digits": person('"smsContact": "+12345678"', smsContact="+12345678"),
    "smsContact of 7 digits": refused('"smsContact": "+1234567"', "smsContact", "INVALID_VALUE"),
    "smsContact of 16 digits": refused(
        '"smsContact": "+1234567890123456"', "smsContact", "INVALID_VALUE"
    ),
    "smsContact without plus": refused(
        '"smsContact": "4915112345678"', "smsContact", "INVALID_VALUE"
    ),
    "smsSubscribed": person('"smsSubscribed": false', smsSubscribed=False),
    "smsSubscribed is no number": refused('"smsSubscribed": 0', "smsSubscribed", "INVALID_TYPE"),
    "a string field is no number": refused('"postalCode": 12345', "postalCode", "INVALID_TYPE"),
    # profileData
    "profileData scalars keep their text": person(
        '"profileData": {"a": 1.10, "b": "x", "c": true, "d": null, "E": 1e400}',
        profileData={"a": "1.10", "b": '"x"', "c": "true", "E": "1e400"},
    ),
    "profileData nested": refused('"profileData": {"a": {}}', "profileData", "INVALID_TYPE"),
    "profileData is no array": refused('"profileData": []', "profileData", "INVALID_TYPE"),
    "profileData name twice": refused(
        '"profileData": {"a":1,"a":2}', "profileData", "REPEATED_FIELD"
    ),
    # characters
    "NUL": refused('"city": "a\\u0000"', "city", "INVALID_CHARACTER"),
    "CR": refused('"city": "a\\r"', "city", "INVALID_CHARACTER"),
    "LF after an address": (b'{"email": "a@example.com\\n"}', Bad("email", "INVALID_CHARACTER")),
    "C1 control": refused('"city": "a\\u0085"', "city", "INVALID_CHARACTER"),
    "lone surrogate": refused('"city": "\\ud800"', "city", "INVALID_CHARACTER"),
    "control character in profileData": refused(
        '"profileData": {"a": "\\u0007"}', "profileData", "INVALID_CHARACTER"
    ),
    "control character in a name in profileData": refused(
        '"profileData": {"\\u0007": 1}', "profileData", "INVALID_CHARACTER"
    ),
    "text of other scripts": person(
        '"city": "Łódź \u3000東京 \\ud83d\\ude00"', city="Łódź \u3000東京 😀"
    ),
    # context in strict JSON
    "context: 1.10": context("1.10"),
    "context: 1e400": context('{"n":1e400}'),
    "context: spaces within": context('{ "a" :  [1 , 2 ] }'),
    "context: big number": context("123456789012345678901234567890"),
    "context: doubled keys": context('{"a":1,"a":2}'),
    "context: escaped pair": context(b'"\\ud83d\\ude00"'),
    "context: escaped half of a pair": context(b'{"a":"\\ud83d"}'),
    "context: other scripts": context('"Łódź 東京"'),
    "context: control escapes": context(b'"\\u0000\\n"'),
    "context: string": context('"XYZ-123"'),
    "context: false": context("false"),
    "context: 256 KiB": context('"' + "x" * (256 * KIB - 2) + '"'),
    "context: more than 256 KiB": (
        b'{"rid":7,"context":"' + b"x" * (256 * KIB - 1) + b'"}',
        Bad("context", "CONTEXT_TOO_LARGE"),
    ),
    # context in JSON5
    "JSON5 context: compact": (
        b"{rid: 7, context: {a: [1, 2,], 'b' : \"c\"} /* end */}",
        Good(rid=7, context=b'{"a":[1,2],"b":"c"}'),
    ),
    "JSON5 context: hexadecimal": (b"{rid: 7, context: -0x1F}", Good(rid=7, context=b"-31")),
    "JSON5 context: digits kept": (
        b"{rid: 7, context: [1.10, .5]}",
        Good(rid=7, context=b"[1.10,0.5]"),
    ),
    "JSON5 context: NaN": (b"{rid: 7, context: {a: NaN}}", Bad("context", "INVALID_VALUE")),
    "JSON5 context: -Infinity": (
        b"[{rid: 7, context: -Infinity}]",
        Bad("context", "INVALID_VALUE"),
    ),
    # the body as a whole
    "trailing comma and comment": (b"[13, // thirteen\n]", Good(rid=13)),
    "not JSON at all": (b"<a/>", Whole(400, "MALFORMED_BODY")),
    "cut off": (b'[{"email": "a@exam', Whole(400, "MALFORMED_BODY")),
    "two values": (b"[1] [2]", Whole(400, "MALFORMED_BODY")),
    "empty": (b"", Whole(400, "MALFORMED_BODY")),
    "not UTF-8": (b'[{"email": "\xff@example.com"}]', Whole(400, "MALFORMED_TEXT")),
    "surrogate in UTF-8": (b'{"rid":7,"context":"\xed\xa0\x80"}', Whole(400, "MALFORMED_TEXT")),
    "raw control character in JSON": (
        b'{"rid":7,"city":"\x01"' + b" " * 64 * KIB + b"}",
        Whole(400, "MALFORMED_BODY"),
    ),
    "BOM": (b"\xef\xbb\xbf[13]", Good(rid=13)),
    "depth 64": (
        b'[{"rid":7,"context":' + b"[" * 62 + b"]" * 62 + b"}]",
        Good(rid=7, context=b"[" * 62 + b"]" * 62),
    ),
    "depth 65": (b'[{"rid":7,"context":' + b"[" * 63 + b"]" * 63 + b"}]", Whole(400, "TOO_DEEP")),
    "depth 65 in JSON5": (
        b"[{rid:7,context:" + b"[" * 63 + b"]" * 63 + b"}]",
        Whole(400, "TOO_DEEP"),
    ),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, Whole(400, "TOO_DEEP")),
    "opened 100,000 times": (b'[{"a":' * 50_000, Whole(400, "TOO_DEEP")),
    "brackets in strings are no depth": context('"' + "[{" * 100 + '\\"[' + '"'),
    "brackets in JSON5 strings are no depth": (
        b"{rid: 7, context: '" + b"[" * 100 + b"'}",
        Good(rid=7, context=b'"' + b"[" * 100 + b'"'),
    ),
    "JSON5 of 64 KiB": (b"[13,]" + b" " * (64 * KIB - 5), Good(rid=13)),
    "JSON5 of more than 64 KiB": (b"[13,]" + b" " * (64 * KIB - 4), Whole(400, "MALFORMED_BODY")),
    "100,000 entries": (b"[" + b"1," * 99_999 + b"1]", Good(rid=1)),
    "100,001 entries": (b"[" + b"1," * 100_000 + b"1]", Whole(413, "TOO_MANY_ENTRIES")),
    "many commas are not many entries": (
        b'[{"rid":1,"context":[' + b"1," * 100_000 + b"1]}]",
        Good(rid=1, context=b"[" + b"1," * 100_000 + b"1]"),
    ),
    "32 MiB": (b" " * (32 * MIB - 4) + b"[13]", Good(rid=13)),
    "more than 32 MiB": (b" " * (32 * MIB - 3) + b"[13]", Whole(413, "BODY_TOO_LARGE")),
    "an entry that fits no event": (
        with_email(f'"city": "{"x" * 512 * KIB}"'),
        Bad(None, "ENTRY_TOO_LARGE"),
    ),
}

FORMS: dict[str, tuple[bytes, object]] = {
    "JSON that came as a form": (
        b'[{"email": "user@domain.com"}]',
        Whole(400, "MALFORMED_BODY"),
    ),
    "one recipient": (
        b"email=user%40domain.com&firstname=J%C3%B6rg+M&context.header=XYZ",
        Good({"firstName": "Jörg M"}, b'{"header":"XYZ"}', email="user@domain.com"),
    ),
    "dots nest": (
        b"rid=7&context.a.b=1&context.a.c=2&Context.d=",
        Good(rid=7, context=b'{"a":{"b":"1","c":"2"},"d":""}'),
    ),
    "context as a string": (b"rid=7&context=XYZ-123", Good(rid=7, context=b'"XYZ-123"')),
    "context together with context.x": (
        b"rid=7&context=1&context.x=2",
        Bad("context", "REPEATED_FIELD"),
    ),
    "context.x together with context": (
        b"rid=7&context.x=2&context=1",
        Bad("context", "REPEATED_FIELD"),
    ),
    "context.x together with context.x.y": (
        b"rid=7&context.x=2&context.x.y=1",
        Bad("context", "REPEATED_FIELD"),
    ),
    "field twice": (b"rid=7&city=a&city=a", Bad("city", "REPEATED_FIELD")),
    "unknown field": (b"rid=7&shoe.size=43", Bad("shoe.size", "UNKNOWN_FIELD")),
    "profileData": (b"rid=7&profileData.x=1", Good({"profileData": {"x": '"1"'}}, rid=7)),
    "profileData nested": (b"rid=7&profileData.x.y=1", Bad("profileData", "INVALID_TYPE")),
    "numbers and flags": (
        b"email=a%40example.com&status=0&contentType=3&smsSubscribed=False",
        Good({"contentType": 3, "smsSubscribed": False}, email=A, status=0),
    ),
    "rid that is no number": (b"rid=x7", Bad("rid", "INVALID_RID")),
    "control character": (b"rid=7&city=a%00", Bad("city", "INVALID_CHARACTER")),
    "bad percent sequence": (b"rid=7&city=100%", Whole(400, "MALFORMED_BODY")),
    "bad hexadecimal": (b"rid=7&city=%zz", Whole(400, "MALFORMED_BODY")),
    "escapes that are not UTF-8": (b"rid=7&city=%ff", Whole(400, "MALFORMED_TEXT")),
    "nested deeper than 64": (b"rid=7&context" + b".a" * 64 + b"=1", Whole(400, "TOO_DEEP")),
    "empty": (b"", Whole(400, "MALFORMED_BODY")),
}


def verdict(body: bytes, content_type: str | None) -> Good | Bad | Whole:
    try:
        return told(read_call(body, content_type=content_type))
    except ContractError as exc:
        return Whole(exc.status, exc.code)


@pytest.mark.parametrize(
    ("body", "expected"), [pytest.param(*row, id=name) for name, row in BODIES.items()]
)
def test_json_body(body: bytes, expected: object) -> None:
    assert verdict(body, JSON) == expected


@pytest.mark.parametrize(
    ("body", "expected"), [pytest.param(*row, id=name) for name, row in FORMS.items()]
)
def test_form_body(body: bytes, expected: object) -> None:
    assert verdict(body, FORM) == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param(None, Good(rid=13), id="none is JSON"),
        pytest.param("", Good(rid=13), id="empty is JSON"),
        pytest.param('Application/JSON; Charset="UTF-8"', Good(rid=13), id="any case"),
        pytest.param(
            "application/json; charset=latin-1", Whole(415, "UNSUPPORTED_CHARSET"), id="charset"
        ),
        pytest.param(
            FORM + ";charset=utf-16", Whole(415, "UNSUPPORTED_CHARSET"), id="form charset"
        ),
        pytest.param("text/plain", Whole(415, "UNSUPPORTED_TYPE"), id="another type"),
        pytest.param(
            "multipart/form-data; boundary=x", Whole(415, "UNSUPPORTED_TYPE"), id="multipart"
        ),
    ],
)
def test_content_type(content_type: str | None, expected: object) -> None:
    assert verdict(b"[13]", content_type) == expected


def test_the_type_is_refused_before_the_size() -> None:
    assert verdict(b" " * (32 * MIB + 1), "text/plain") == Whole(415, "UNSUPPORTED_TYPE")


def test_empty_array_is_a_call_of_nobody() -> None:
    call = read_call(b"[]", content_type=JSON)
    assert (call.entries, call.errors, call.size) == ((), (), 0)
    assert answer(call, {}).status == 200


def test_one_bad_entry_does_not_touch_the_others() -> None:
    body = b'[1, {"email": "nobody"}, {"email": "a@example.com"}, 2.5]'
    call = read_call(body, content_type=JSON)
    assert [(type(entry), entry.index) for entry in call.entries] == [
        (KnownEntry, 0),
        (OnTheFlyEntry, 2),
    ]
    assert [error.index for error in call.errors] == [1, 3]
    assert call.size == 4
