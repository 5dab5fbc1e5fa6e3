"""The fast way to read an entry says what the plain one says, or nothing."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from producers.contract import json_body
from producers.contract.errors import ContractError, Refused
from producers.contract.reading import Reading
from producers.contract.recipients import read_plainly
from producers.contract.usual import read_usual

NAMES = st.sampled_from(
    [
        *("email", "email", "email", "firstName", "lastName", "city", "gender", "postalCode"),
        *("birthDate", "countryCode", "languageCode", "smsContact", "context", "context"),
        *("rid", "status", "contentType", "profileData", "localPart", "createdDate"),
        *("firstname", "no such field", "a:b", "e\\u006dail", "city\\u003a"),
    ]
)
ADDRESSES = st.sampled_from(
    ["a@b.org", "A.B@Example.com", " a@b.org", "a@b.org.", "zoë@b.org", "a:b@c.org", "x", "", "a@"]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "1970-01-01",
        "hu",
        "HUN",
        "+36 20 555 5555",
        "+36205555555",
        "+1234567",
        "+1234567890123456",
        "+123456x8",
        "a:b",
        "\x85",
        "\x7f",
        "\ud800",
        "Mária",
        "\u00a0",
        "b:",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=5
)
RAW = st.sampled_from(
    [
        "null",
        "1.10",
        "1e400",
        '{"a":1,"a":2}',
        '"\\u003a"',
        '"\\ud800"',
        " {} ",
        "[[]]",
        "nul",
        "1 2",
    ]
)


@st.composite
def members(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    value = draw(ADDRESSES if name == "email" and draw(st.integers(0, 9)) else VALUES)
    if draw(st.integers(0, 9)) == 0:
        text = draw(RAW)
    else:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    space = draw(st.sampled_from(["", "", " ", "\n"]))
    return f'{space}"{name}"{space}:{space}{text}'


def plainly(entry: bytes) -> Reading | None:
    reading = Reading()
    try:
        read_plainly(reading, 3, entry)
    except Refused:
        return None
    return reading


@given(st.lists(members(), max_size=7).map(lambda some: "{" + ",".join(some) + "}"))
def test_an_entry_read_at_once_is_the_entry_read_member_by_member(text: str) -> None:
    try:
        (entry,) = json_body.split(text.encode()).entries
    except (UnicodeEncodeError, ContractError):
        # No entry of such a body is read at all.
        return

    usual = read_usual(3, entry)

    if usual is not None:
        plain = plainly(entry)
        assert plain is not None
        assert not plain.errors
        assert plain.entries == [usual]


@given(
    st.fixed_dictionaries(
        {"email": st.just("a@b.org")},
        optional={
            **dict.fromkeys(("firstName", "lastName", "city"), st.text("abcë:ő, ", max_size=9)),
            "countryCode": st.just("HU"),
            "birthDate": st.just("1970-01-01"),
            "smsContact": st.sampled_from(["+36 20 555 5555", "+36205555555"]),
            "context": VALUES,
        },
    ),
    st.booleans(),
)
def test_the_usual_entry_is_read_at_once(entry: dict[str, object], escaped: bool) -> None:
    written = json.dumps(entry, ensure_ascii=escaped).encode(errors="replace")

    assert read_usual(0, written) is not None
