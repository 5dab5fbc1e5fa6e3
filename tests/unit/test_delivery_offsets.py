"""What is done of a partition, and what a commit says of it."""

from __future__ import annotations

import pytest

from mailing_trigger.delivery.offsets import SPAN, Offsets, done_of


def test_a_commit_says_what_is_done_beyond_what_is_not() -> None:
    offsets = Offsets(10)
    assert all(offsets.take(offset) for offset in (10, 11, 13, 14))
    for offset in (14, 11):
        offsets.end(offset)
    position, metadata = offsets.to_commit()
    assert (position, done_of(position, metadata)) == (10, {11, 14})
    successor = Offsets(position, done_of(position, metadata))
    assert [offset for offset in (10, 11, 13, 14) if successor.take(offset)] == [10, 13]


def test_when_all_is_done_there_is_only_a_position() -> None:
    offsets = Offsets(0)
    for offset in (0, 1, 5):
        offsets.take(offset)
        offsets.end(offset)
    assert offsets.to_commit() == (6, "")


def test_a_message_that_comes_again_is_not_taken() -> None:
    offsets = Offsets(3)
    assert not offsets.take(2)
    assert offsets.take(3)
    assert not offsets.take(3)


def test_there_is_room_until_a_commit_could_not_say_more() -> None:
    offsets = Offsets(0)
    for offset in range(SPAN):
        assert offsets.room
        offsets.take(offset)
        if offset:
            offsets.end(offset)
    assert not offsets.room
    position, metadata = offsets.to_commit()
    assert position == 0
    assert len(metadata) < 4096
    assert len(done_of(position, metadata)) == SPAN - 1
    offsets.end(0)
    assert offsets.room


@pytest.mark.parametrize("metadata", [None, "", "somebody else's", "done:%%%", "done:"])
def test_what_another_wrote_beside_an_offset_says_nothing(metadata: str | None) -> None:
    assert done_of(5, metadata) == frozenset()
