"""What every store of recipients promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.framing import Framing
from schemas.records import RECIPIENT_STATE, Status
from schemas.varint import encode_bytes, encode_long
from streams.core.recipients import pack

if TYPE_CHECKING:
    from streams.core.recipients import RecipientTable

_FRAME = Framing().prefixes[RECIPIENT_STATE]


def recipient(rid: int, email: str, status: Status = Status.SUBSCRIBED) -> bytes:
    """The bytes kept of a recipient without a profile."""
    stored = encode_bytes(email.encode()) + bytes(17)
    return pack(_FRAME, encode_long(rid), status, stored)


class RecipientTableSuite:
    """Run on a store by a subclass whose `table` fixture returns an empty one."""

    @pytest.fixture
    def table(self) -> RecipientTable:
        raise NotImplementedError

    def test_an_empty_table_knows_nobody(self, table: RecipientTable) -> None:
        assert table.get(b"2:a@b.org") is None
        assert table.key_of(1024) is None
        assert len(table) == 0

    def test_a_recipient_is_found_by_key_and_by_rid_before_its_commit(
        self, table: RecipientTable
    ) -> None:
        table.begin()
        table.put(b"2:a@b.org", recipient(1024, "a@b.org"), 1024)
        assert table.get(b"2:a@b.org") == recipient(1024, "a@b.org")
        assert table.key_of(1024) == b"2:a@b.org"
        assert len(table) == 1

    def test_a_committed_recipient_survives_a_rollback(self, table: RecipientTable) -> None:
        table.begin()
        table.put(b"2:a@b.org", recipient(1024, "a@b.org"), 1024)
        table.commit()
        table.rollback()
        assert table.get(b"2:a@b.org") == recipient(1024, "a@b.org")

    def test_a_rollback_forgets_every_open_transaction_and_no_other(
        self, table: RecipientTable
    ) -> None:
        for number in range(1, 5):
            table.begin()
            email = f"{number}@b.org"
            table.put(f"2:{email}".encode(), recipient(number * 1024, email), number * 1024)
        table.commit()
        table.rollback()
        assert table.key_of(1024) == b"2:1@b.org"
        for number in range(2, 5):
            assert table.get(f"2:{number}@b.org".encode()) is None
            assert table.key_of(number * 1024) is None
        assert len(table) == 1

    def test_a_rollback_gives_a_changed_recipient_its_committed_value_again(
        self, table: RecipientTable
    ) -> None:
        key, rid = b"2:a@b.org", 1024
        unsubscribed = recipient(rid, "a@b.org", Status.UNSUBSCRIBED)
        table.begin()
        table.put(key, recipient(rid, "a@b.org"), rid)
        table.begin()
        table.put(key, unsubscribed, rid)
        table.begin()
        table.put(key, recipient(rid, "a@b.org", Status.EXTERNAL), rid)
        table.put(key, recipient(rid, "a@b.org"), rid)
        table.commit()
        table.commit()
        table.rollback()
        assert table.get(key) == unsubscribed
        assert table.key_of(rid) == key
        assert len(table) == 1

    def test_what_was_rolled_back_can_be_written_again(self, table: RecipientTable) -> None:
        table.begin()
        table.put(b"2:a@b.org", recipient(1024, "a@b.org"), 1024)
        table.rollback()
        table.begin()
        table.put(b"2:a@b.org", recipient(2048, "A@b.org"), 2048)
        table.commit()
        assert table.get(b"2:a@b.org") == recipient(2048, "A@b.org")
        assert table.key_of(1024) is None
        assert table.key_of(2048) == b"2:a@b.org"

    def test_a_loaded_recipient_is_found_by_key_and_by_rid(self, table: RecipientTable) -> None:
        table.load(b"2:a@b.org", recipient(1024, "a@b.org"))
        table.load(b"2:a@b.org", recipient(1024, "a@b.org", Status.UNSUBSCRIBED))
        table.rollback()
        assert table.get(b"2:a@b.org") == recipient(1024, "a@b.org", Status.UNSUBSCRIBED)
        assert table.key_of(1024) == b"2:a@b.org"
        assert len(table) == 1

    def test_an_empty_transaction_is_committed_and_rolled_back(self, table: RecipientTable) -> None:
        table.load(b"2:a@b.org", recipient(1024, "a@b.org"))
        table.begin()
        table.begin()
        table.commit()
        table.rollback()
        assert len(table) == 1
