"""How the entries of a dry run are shared out to events."""

from __future__ import annotations

import pytest

from producers.contract.entries import KnownEntry, OnTheFlyEntry
from producers.contract.errors import ContractError
from producers.dry_run import shares_of
from schemas.topics import MAX_DRY_RUN_ENTRIES

MOST = MAX_DRY_RUN_ENTRIES


def by_address(index: int) -> OnTheFlyEntry:
    return OnTheFlyEntry(index, f"{index}@example.com", None, b"", b"")


def by_rid(index: int) -> KnownEntry:
    return KnownEntry(index, 1024 + index, None, b"", b"")


def test_a_few_travel_together_in_the_order_of_the_call() -> None:
    # Grouped by recipient: the first and the last are one.
    recipients = {b"a": [by_address(0), by_address(3)], b"b": [by_rid(1)], b"c": [by_address(2)]}
    (share,) = shares_of(recipients)
    assert [entry.index for entry in share] == [0, 1, 2, 3]


def test_many_travel_in_parts_and_nobody_in_two() -> None:
    recipients = {
        b"%d" % n: [by_address(n), by_address(n + 1000), by_address(n + 2000)] for n in range(400)
    }
    shares = list(shares_of(recipients))
    assert sum(map(len, shares)) == 1200
    assert max(map(len, shares)) <= MOST
    of_each = [{entry.index % 1000 for entry in share} for share in shares]
    assert sum(map(len, of_each)) == 400
    assert all(share == sorted(share, key=lambda entry: entry.index) for share in shares)


@pytest.mark.parametrize(
    ("recipients", "why"),
    [
        ({b"a": [by_address(n) for n in range(MOST + 1)]}, "has so many of one recipient"),
        (
            {b"a": [by_rid(0)]} | {b"%d" % n: [by_address(n)] for n in range(1, MOST + 1)},
            "names some by rid and some by address",
        ),
    ],
    ids=["one recipient", "rids and addresses"],
)
def test_many_who_may_be_one_are_too_many(
    recipients: dict[bytes, list[OnTheFlyEntry | KnownEntry]], why: str
) -> None:
    with pytest.raises(ContractError, match=why) as refused:
        list(shares_of(recipients))
    assert (refused.value.status, refused.value.code) == (413, "DRY_RUN_TOO_LARGE")
