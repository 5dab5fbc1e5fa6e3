"""What every store of recipients promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.framing import Framing
from schemas.records import RECIPIENT_STATE, Status
from schemas.varint import encode_bytes, encode_long
from streams.core.changelog import META_KEY
from streams.core.recipient_batches import NewRecipients
from streams.core.recipients import dates_of, head_of, pack

if TYPE_CHECKING:
    from streams.core.recipients import RecipientTable

_FRAME = Framing().prefixes[RECIPIENT_STATE]
ANN, BOB = b"2:ann@b.org", b"2:bob@b.org"


def recipient(rid: int, status: Status = Status.SUBSCRIBED) -> bytes:
    """The bytes kept of a recipient without a profile."""
    stored = encode_bytes(b"a@b.org") + bytes(17)
    return pack(_FRAME, encode_long(rid), status, stored, dates_of(1_700_000_000_000))


def put(table: RecipientTable, key: bytes, value: bytes, rid: int) -> tuple[bytes, bytes]:
    """Write a recipient, and return what the changelog has to be told of it."""
    table.put(key, value, rid)
    return key, value


def batches_of(*written: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The changelog records of recipients that one transaction created."""
    new = NewRecipients()
    for key, value in written:
        new.add(key, value, head_of(value)[0])
    return new.records()


def settle(table: RecipientTable, *written: tuple[bytes, bytes], offset: int = 9) -> None:
    """Keep the oldest transaction, as the worker does once it is in the changelog."""
    table.keep([*batches_of(*written), (META_KEY, b"meta")], offset)
    table.commit()


def load(table: RecipientTable, *recipients: tuple[bytes, bytes]) -> None:
    """Restore a table that nothing was kept of."""
    for key, value in recipients:
        table.load([key], [value], [])
    table.finish_load((9, b"meta"))


class RecipientTableSuite:
    """Run on a store by a subclass whose `table` fixture returns an empty one."""

    @pytest.fixture
    def table(self) -> RecipientTable:
        raise NotImplementedError

    def test_an_empty_table_knows_nobody(self, table: RecipientTable) -> None:
        assert table.kept_to is None
        assert table.kept() == []
        assert table.get(ANN) is None
        assert table.key_of(1024) is None

    @pytest.mark.parametrize("rid", [-1, -(2**62), 0, 2**53, 2**63 - 1])
    def test_a_rid_that_nobody_can_have_is_nobodys(self, table: RecipientTable, rid: int) -> None:
        assert table.key_of(rid) is None

    def test_a_recipient_is_found_by_key_and_by_rid_before_its_commit(
        self, table: RecipientTable
    ) -> None:
        table.begin()
        table.put(ANN, recipient(1024), 1024)
        assert table.get(ANN) == recipient(1024)
        assert table.key_of(1024) == ANN
        assert table.key_of(1023) is None
        assert table.key_of(1025) is None

    def test_a_committed_recipient_survives_a_rollback(self, table: RecipientTable) -> None:
        table.begin()
        settle(table, put(table, ANN, recipient(1024), 1024))
        table.rollback()
        assert table.get(ANN) == recipient(1024)
        assert table.key_of(1024) == ANN

    def test_a_rollback_forgets_every_open_transaction_and_no_other(
        self, table: RecipientTable
    ) -> None:
        keys = [f"2:{number}@b.org".encode() for number in range(1, 5)]
        records = []
        for number, key in enumerate(keys, 1):
            table.begin()
            records.append(put(table, key, recipient(number * 1024), number * 1024))
        settle(table, records[0])
        table.rollback()
        assert table.key_of(1024) == keys[0]
        assert table.get(keys[0]) == recipient(1024)
        for number, key in enumerate(keys[1:], 2):
            assert table.get(key) is None
            assert table.key_of(number * 1024) is None

    def test_a_rollback_gives_a_changed_recipient_its_committed_value_again(
        self, table: RecipientTable
    ) -> None:
        unsubscribed = recipient(1024, Status.UNSUBSCRIBED)
        table.begin()
        first = put(table, ANN, recipient(1024), 1024)
        table.begin()
        second = put(table, ANN, unsubscribed, 1024)
        table.begin()
        table.put(ANN, recipient(1024, Status.EXTERNAL), 1024)
        table.put(ANN, recipient(1024), 1024)
        settle(table, first)
        settle(table, second)
        table.rollback()
        assert table.get(ANN) == unsubscribed
        assert table.key_of(1024) == ANN

    def test_what_was_rolled_back_can_be_written_again(self, table: RecipientTable) -> None:
        table.begin()
        table.put(ANN, recipient(1024), 1024)
        table.rollback()
        table.begin()
        settle(table, put(table, ANN, recipient(2048), 2048))
        assert table.get(ANN) == recipient(2048)
        assert table.key_of(1024) is None
        assert table.key_of(2048) == ANN

    def test_loaded_recipients_are_found_by_key_and_by_rid_in_whatever_order_they_come(
        self, table: RecipientTable
    ) -> None:
        people = {f"2:{n}@b.org".encode(): (n + 1) * 1024 for n in range(300)}
        order = sorted(people, key=lambda key: people[key] * 7919 % 1009)
        load(table, *((key, recipient(people[key])) for key in order))
        table.rollback()
        for key, rid in people.items():
            assert table.get(key) == recipient(rid)
            assert table.key_of(rid) == key
        assert table.key_of(1025) is None

    def test_of_a_recipient_loaded_twice_the_last_value_counts(self, table: RecipientTable) -> None:
        unsubscribed = recipient(1024, Status.UNSUBSCRIBED)
        load(table, (ANN, recipient(1024)), (BOB, recipient(2048)), (ANN, unsubscribed))
        assert table.get(ANN) == unsubscribed
        assert table.key_of(1024) == ANN
        assert table.key_of(2048) == BOB

    def test_who_is_created_after_a_load_is_forgotten_alone(self, table: RecipientTable) -> None:
        load(table, (BOB, recipient(2048)), (ANN, recipient(1024, Status.EXTERNAL)))
        table.begin()
        table.put(b"2:new@b.org", recipient(3072), 3072)
        table.put(ANN, recipient(1024), 1024)
        table.rollback()
        assert table.get(b"2:new@b.org") is None
        assert table.key_of(3072) is None
        assert table.get(ANN) == recipient(1024, Status.EXTERNAL)
        assert (table.key_of(1024), table.key_of(2048)) == (ANN, BOB)

    def test_prefetching_changes_no_answer(self, table: RecipientTable) -> None:
        load(table, (ANN, recipient(1024)))
        table.begin()
        table.put(BOB, recipient(2048), 2048)
        odd = [b"2:#1@b.org", b"2:#", b"2:#x", b"#", b"2:#" + b"9" * 40]
        by_rid = [b"2:#1024", b"2:#2048", b"2:#4096"]
        table.prefetch([ANN, BOB, b"2:nobody@b.org", None, *odd, *by_rid, ANN])
        assert table.get(ANN) == recipient(1024)
        assert table.get(BOB) == recipient(2048)
        for key in (b"2:nobody@b.org", *odd):
            assert table.get(key) is None
        assert [table.key_of(rid) for rid in (1024, 2048, 4096)] == [ANN, BOB, None]

    def test_what_was_prefetched_follows_writes_commits_and_rollbacks(
        self, table: RecipientTable
    ) -> None:
        table.begin()
        table.prefetch([ANN, b"2:#1024"])
        record = put(table, ANN, recipient(1024), 1024)
        table.begin()
        table.prefetch([ANN, BOB, b"2:#1024", b"2:#2048"])
        table.put(BOB, recipient(2048), 2048)
        settle(table, record)
        table.prefetch([ANN, BOB])
        assert (table.get(ANN), table.get(BOB)) == (recipient(1024), recipient(2048))
        table.rollback()
        table.prefetch([ANN, BOB, b"2:#2048"])
        assert (table.get(ANN), table.get(BOB)) == (recipient(1024), None)
        assert (table.key_of(1024), table.key_of(2048)) == (ANN, None)

    def test_an_empty_transaction_is_committed_and_rolled_back(self, table: RecipientTable) -> None:
        load(table, (ANN, recipient(1024)))
        table.begin()
        table.begin()
        settle(table)
        table.rollback()
        assert table.get(ANN) == recipient(1024)

    def test_who_was_removed_is_nobody_and_a_rollback_brings_them_back(
        self, table: RecipientTable
    ) -> None:
        load(table, (ANN, recipient(1024)), (BOB, recipient(2048)))
        for number, _ in enumerate(range(2)):
            table.begin()
            table.remove(ANN, 1024)
            assert (table.get(ANN), table.key_of(1024)) == (None, None)
            table.begin()
            put(table, b"2:new@b.org", recipient((3 + number) * 1024), (3 + number) * 1024)
            table.remove(b"2:new@b.org", (3 + number) * 1024)
            table.put_back(ANN, recipient(1024, Status.EXTERNAL), 1024)
            table.prefetch([ANN, b"2:#1024", b"2:#2048", b"2:new@b.org"])
            assert table.get(ANN) == recipient(1024, Status.EXTERNAL)
            assert [table.key_of(rid) for rid in (1024, 2048)] == [ANN, BOB]
            table.rollback()
            assert table.get(ANN) == recipient(1024)
            assert [table.key_of(rid) for rid in (1024, 2048)] == [ANN, BOB]

    @pytest.mark.parametrize("together", [False, True])
    def test_who_was_removed_and_put_back_is_so_after_the_commit(
        self, table: RecipientTable, *, together: bool
    ) -> None:
        """The loaded, the new, and who came and went in one transaction."""
        load(table, (ANN, recipient(1024)))
        cat = b"2:cat@b.org"
        table.begin()
        put(table, BOB, recipient(2048), 2048)
        put(table, cat, recipient(3072), 3072)
        if not together:
            settle(table)
            table.begin()
        for key, rid in ((ANN, 1024), (BOB, 2048), (cat, 3072)):
            table.remove(key, rid)
        settle(table)
        table.rollback()
        for key, rid in ((ANN, 1024), (BOB, 2048), (cat, 3072)):
            assert (table.get(key), table.key_of(rid)) == (None, None)
        table.begin()
        put(table, b"2:new@b.org", recipient(4096), 4096)
        table.put_back(BOB, recipient(2048), 2048)
        table.put_back(ANN, recipient(1024), 1024)
        settle(table)
        table.rollback()
        assert [table.key_of(rid) for rid in (1024, 2048, 3072)] == [ANN, BOB, None]
        assert (table.get(ANN), table.get(BOB)) == (recipient(1024), recipient(2048))
        table.begin()
        table.remove(BOB, 2048)
        settle(table)
        assert [table.key_of(rid) for rid in (1024, 2048, 4096)] == [ANN, None, b"2:new@b.org"]

    def test_who_is_deleted_while_a_table_is_loaded_is_not_there_unless_loaded_again(
        self, table: RecipientTable
    ) -> None:
        table.load([ANN, BOB], [recipient(1024), recipient(2048)], [])
        table.unload(ANN)
        table.unload(BOB)
        table.unload(b"2:never@b.org")
        table.load([BOB], [recipient(2048, Status.EXTERNAL)], [])
        table.finish_load((9, b"meta"))
        assert (table.get(ANN), table.key_of(1024)) == (None, None)
        assert (table.get(BOB), table.key_of(2048)) == (recipient(2048, Status.EXTERNAL), BOB)
        table.begin()
        table.put_back(ANN, recipient(1024), 1024)
        settle(table)
        assert (table.get(ANN), table.key_of(1024)) == (recipient(1024), ANN)
