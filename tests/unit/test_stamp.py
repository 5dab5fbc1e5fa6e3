"""The note a worker leaves with a partition's offset."""

from __future__ import annotations

import pytest

from streams.worker.stamp import Stamp


@pytest.mark.parametrize("group", ["mailing-trigger", "my group", "Gruppe für alle"])
def test_a_stamp_is_read_as_it_was_written_whatever_the_group_is_called(group: str) -> None:
    stamp = Stamp(7, f"{group}-4f1c", f"{group}-source-77aa")
    assert Stamp.decode(stamp.encode()) == stamp


@pytest.mark.parametrize("note", [None, "", "by hand", "7", "x\x1fy\x1fz", "7\x1fy"])
def test_what_somebody_else_wrote_is_no_stamp(note: str | None) -> None:
    assert Stamp.decode(note) is None
