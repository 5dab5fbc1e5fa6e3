"""Whatever ends first and whenever a deliverer dies: nothing is skipped, little repeats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailing_trigger.delivery.offsets import Offsets, done_of


@given(
    offsets=st.lists(st.integers(0, 400), unique=True, max_size=60).map(sorted),
    order=st.randoms(use_true_random=False),
    deaths=st.lists(st.integers(0, 40), max_size=4),
)
def test_each_message_is_delivered_and_what_was_committed_is_not_again(
    offsets: list[int], order: object, deaths: list[int]
) -> None:
    delivered: set[int] = set()
    committed = (0, "")
    safe: set[int] = set()
    for ends in [*deaths, len(offsets)]:
        part = Offsets(committed[0], done_of(*committed))
        taken = [offset for offset in offsets if offset >= committed[0] and part.take(offset)]
        assert not safe & set(taken)
        order.shuffle(taken)  # type: ignore[attr-defined]
        for number, offset in enumerate(taken[:ends]):
            delivered.add(offset)
            part.end(offset)
            if number % 3 == 0:
                committed = part.to_commit()
                safe |= set(taken[: number + 1])
    assert delivered == set(offsets)


@given(st.integers(0, 2**50), st.text())
def test_any_metadata_is_read(position: int, metadata: str) -> None:
    assert done_of(position, metadata) == frozenset()
    assert all(offset >= position for offset in done_of(position, f"done:{metadata}"))
