"""The `Prefer` header as RFC 7240 has it."""

from __future__ import annotations

import pytest

from producers.contract.preferences import NONE, Preferences, read_preferences

OUTCOMES = Preferences(outcomes=True)


@pytest.mark.parametrize(
    ("headers", "preferences"),
    [
        pytest.param([], NONE, id="no header"),
        pytest.param([""], NONE, id="empty"),
        pytest.param(["return=representation"], OUTCOMES, id="the one"),
        pytest.param(['Return = "representation"'], OUTCOMES, id="any case, quoted"),
        pytest.param(["return=minimal"], NONE, id="another value"),
        pytest.param(["return"], NONE, id="no value"),
        pytest.param(["foo; some=1, wait=5 ,, return=representation;x=y"], OUTCOMES, id="a list"),
        pytest.param(["wait=10", "return=representation"], OUTCOMES, id="two headers"),
        pytest.param(["respond-async, wait=10"], Preferences(respond_async=True), id="later"),
        pytest.param(["return=minimal, return=representation"], NONE, id="the first counts"),
        pytest.param(['foo="return=representation, \\", x"'], NONE, id="inside a string"),
        pytest.param(['foo;p=", return=representation"'], NONE, id="inside a parameter"),
        pytest.param(['=, (), "unended, return=representation'], OUTCOMES, id="past what is none"),
    ],
)
def test_what_is_preferred(headers: list[str], preferences: Preferences) -> None:
    assert read_preferences(headers) == preferences
