"""What holds for every body, every address, every JSON text."""

from __future__ import annotations

import json

import pyjson5
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from producers.contract import address, json5_text, json_scan
from producers.contract.errors import ContractError, Refused
from producers.contract.recipients import KnownEntry, OnTheFlyEntry, read_call, read_recipients
from schemas.ids import identity

# Small alphabets, so that what is almost right is common.
_NEAR_ADDRESSES = st.one_of(
    st.emails(),
    st.text("aZ0.-@+_xn!", min_size=3, max_size=30),
    st.builds(
        "{}@{}".format,
        st.text("aB1.-+!'", min_size=1, max_size=66),
        st.lists(st.text("aB1-n", min_size=1, max_size=65), min_size=1, max_size=5).map(".".join),
    ),
    st.builds(
        "{}@{}.{}".format,
        st.sampled_from(["info", "a.b", "Postmaster", "-", "x" * 64, "x" * 65]),
        st.sampled_from(["xn--bcher-kva", "a--b", "1", "example", "d" * 63, "sub.example"]),
        st.sampled_from(["com", "test", "local", "invalid", "arpa", "onion", "1", "localhost"]),
    ),
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
    st.sampled_from(['"[', "\\", '\\"', "]}", ",,", "[{"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_STYLES: st.SearchStrategy[tuple[bool, tuple[str, str] | None, int | None]] = st.sampled_from(
    [(True, None, None), (False, (",", ":"), None), (False, None, 2)]
)


@st.composite
def json_texts(draw: st.DrawFn, values: st.SearchStrategy[object] = _VALUES) -> str:
    ensure_ascii, separators, indent = draw(_STYLES)
    return json.dumps(draw(values), ensure_ascii=ensure_ascii, separators=separators, indent=indent)


@settings(max_examples=1000)
@given(_NEAR_ADDRESSES)
def test_what_the_fast_path_accepts_the_validator_accepts_alike(text: str) -> None:
    assume(address.is_plain(text.encode(errors="surrogatepass")))
    address.check(text)
    assert address.read_address(text) == text


@given(st.one_of(_NEAR_ADDRESSES, st.text(max_size=20).map(lambda local: f"{local}@example.com")))
def test_an_accepted_address_has_an_identity_that_ignores_case(text: str) -> None:
    try:
        kept = address.read_address(text)
    except Refused:
        return
    assert kept in text
    assert identity(identity(kept)) == identity(kept)
    if kept.isascii():
        assert identity(kept.upper()) == identity(kept) == identity(f" {kept.swapcase()}.")
    assert json.loads(json.dumps(kept)) == kept.encode().decode()


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(json_texts(), st.integers(0, 6))
def test_depth_is_what_a_parser_finds(text: str, limit: int) -> None:
    assert json_scan.deeper_than(text.encode(), limit) == (_depth(json.loads(text)) > limit)


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from(["[", '{"a":']))
def test_depth_of_a_tower(height: int, limit: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    tower = opening * height + "1" + closing * height
    beside = f"[{','.join(['[[]]'] * 70)},{tower}]"
    assert json_scan.deeper_than(beside.encode(), limit) == (max(height, 2) + 1 > limit)


@given(json_texts(st.lists(_VALUES, min_size=1, max_size=6)))
def test_items_are_counted_and_cut_as_a_parser_does(text: str) -> None:
    value = json.loads(text)
    assert json_scan.count_items(text.encode()) == len(value)
    assert [json.loads(item) for item in json_scan.items(text)] == value
    assert all(item in text for item in json_scan.items(text))


@given(st.lists(st.tuples(_TEXT, json_texts()), max_size=5), st.sampled_from(["", " ", "\r\n\t"]))
def test_members_are_cut_to_the_byte_doubled_ones_too(
    pairs: list[tuple[str, str]], space: str
) -> None:
    inner = f"{space},{space}".join(f"{json.dumps(n)}{space}:{space}{t}" for n, t in pairs)
    text = f"{space}{{{space}{inner}{space}}}{space}"
    assert json_scan.members(text) == pairs


@given(st.text('[]{}":,\\ 1aeE.+-tnu\n', max_size=20))
def test_what_is_cut_exactly_is_json(text: str) -> None:
    try:
        json_scan.value(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - its subclass names no more
            json.loads(text)
    else:
        json.loads(text)


@given(json_texts(), st.sampled_from(["", "\\ud800", "\\udc00 x"]))
def test_a_context_is_handed_on_to_the_byte(text: str, lone: str) -> None:
    context = f'{{"c": {text}, "l": "{lone}", "l": 1.10}}'.encode()
    body = b'[1, {"context" : %s , "email": "a@example.com"}]' % context
    call = read_call(body, content_type=None)
    assert call.errors == ()
    assert call.entries[1].context == context


_JSON5_NUMBERS = st.one_of(
    st.integers(-(2**80), 2**80).map(str),
    st.integers(0, 2**80).map(lambda n: f"+{n}"),
    st.integers(0, 2**80).map(hex),
    st.integers(0, 2**80).map(lambda n: f"-0X{n:X}"),
    st.sampled_from([".5", "+.5", "-5.", "1e3", "1.5E-3", "0", "-0.0", "5.e1"]),
)
_JSON5_TEXTS = st.one_of(
    _TEXT.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["'it\\'s \"'", "'[{,:'", '"a\\\nb"', "'\\x41\\v\\0'", "'// /* '", "'\u2028'"]),
)
_JSON5_BLANKS = st.sampled_from(["", " ", "\n", "/* ' \" [ */", "// it's {\n", "\u00a0", "\ufeff"])
_JSON5_NAMES = st.one_of(
    st.sampled_from(["a", "$_1", "ünï", "\\u0061b", "NaN", "null", "Infinity", "rid"]), _JSON5_TEXTS
)


def _json5(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    padded = st.tuples(_JSON5_BLANKS, inner, _JSON5_BLANKS).map("".join)
    names = st.tuples(_JSON5_BLANKS, _JSON5_NAMES, _JSON5_BLANKS).map("".join)
    member = st.tuples(names, padded).map(":".join)
    comma = st.sampled_from(["", ","])

    def closed(opening: str, parts: list[str], tail: str, closing: str) -> str:
        return opening + ",".join(parts) + (tail if parts else "") + closing

    return st.one_of(
        st.builds(closed, st.just("["), st.lists(padded, max_size=4), comma, st.just("]")),
        st.builds(closed, st.just("{"), st.lists(member, max_size=4), comma, st.just("}")),
    )


_JSON5 = st.recursive(
    st.one_of(_JSON5_NUMBERS, _JSON5_TEXTS, st.sampled_from(["true", "false", "null"])),
    _json5,
    max_leaves=10,
)


@given(_JSON5, _JSON5_BLANKS)
def test_json5_written_anew_says_the_same(text: str, blank: str) -> None:
    source = blank + text + blank
    written = json5_text.to_json(source, max_depth=64)
    assert json.loads(written.text) == pyjson5.decode(source)
    assert written.not_finite == {}


_MARKS = ["[", "]", "{", "}", ",", ":", '"', "'", "\\", "-", ".", "//", "/*", "*/", "%", "=", "&"]
_WORDS = ["\\ud800", "rid", '"rid"', '"email"', '"context"', '{"rid":1,"context":', "context.a"]
_SCRAPS = ["1", "1.10", "e9", "0x", "NaN", "null", "\n", " ", "\x00", "é", "a@b.example"]
_FRAGMENTS = st.lists(st.sampled_from(_MARKS + _WORDS + _SCRAPS), max_size=20).map("".join)


@settings(max_examples=500)
@given(
    st.one_of(st.binary(max_size=40), _FRAGMENTS.map(str.encode)),
    st.sampled_from([None, "application/x-www-form-urlencoded"]),
)
def test_any_body_gets_a_verdict(body: bytes, content_type: str | None) -> None:
    refusal: ContractError | None = None
    try:
        call = read_call(body, content_type=content_type)
    except ContractError as exc:
        refusal = exc
    if refusal is not None:
        assert refusal.status == 400
        assert refusal.detail.encode()
        return
    told = {entry.index for entry in call.entries} | {error.index for error in call.errors}
    assert told == set(range(call.size))
    assert not {entry.index for entry in call.entries} & {error.index for error in call.errors}
    for error in call.errors:
        assert f"{error.field} {error.detail}".encode()


_PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "rid": st.one_of(st.none(), st.integers(-1, 2**54), st.booleans(), st.floats(0, 9)),
        "email": st.one_of(st.emails(), _TEXT, st.none()),
        "firstName": _SCALARS,
        "status": st.one_of(st.integers(-1, 4), st.sampled_from(["Subscribed", "x"])),
        "smsSubscribed": _SCALARS,
        "birthDate": st.one_of(st.dates().map(str), _TEXT),
        "profileData": st.one_of(st.dictionaries(_TEXT, _SCALARS, max_size=3), _SCALARS),
        "context": _VALUES,
        "shoeSize": _SCALARS,
    },
)


@given(st.lists(st.one_of(_PEOPLE, st.integers(-1, 2**54)), max_size=4))
@example([{"profileData": {"\x1f": None}}])  # absent, so its name does not count
def test_python_values_are_read_as_the_body_they_make(people: list[object]) -> None:
    body = json.dumps(people, ensure_ascii=False, separators=(",", ":")).encode()
    from_body = read_call(body, content_type="application/json")
    from_values = read_recipients(people)  # type: ignore[arg-type]  # wrong ones are the point
    assert from_values.entries == from_body.entries
    assert [(e.index, e.field) for e in from_values.errors] == [
        (e.index, e.field) for e in from_body.errors
    ]
    assert all(isinstance(entry, KnownEntry | OnTheFlyEntry) for entry in from_values.entries)
