"""The RocksDB store keeps what every store promises, and outlives its process."""

from __future__ import annotations

import gc
import random
import shutil
import subprocess
import sys
import weakref
from itertools import count
from typing import TYPE_CHECKING

import pytest

from schemas.calls import call_key
from schemas.partition import partition_for
from schemas.records import Status
from streams.core.changelog import META_KEY
from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.store import rocksdb
from streams.store.errors import StoreBusy, StoreClosed, StoreError, StoreUnfit
from streams.store.rocksdb import RocksRecipients
from streams.worker.errors import TakeoverAbandoned
from streams.worker.settings import WorkerSettings
from streams.worker.tables import Tables
from tests.suites.recipient_table import (
    ANN,
    BOB,
    RecipientTableSuite,
    batches_of,
    load,
    put,
    recipient,
    settle,
)
from tests.support.events import begun, defined, log_of, once, triggered
from tests.support.folding import HOME, PARTITIONS, TOPIC_ID, Partition, at_home
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.core.recipients import Mark

CHANGELOG = "state-uuid"
MANY = {b"2:%d@b.org" % n: (n + 1) * 1024 for n in range(20_000)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mailing.state-3"


@pytest.fixture
def table(path: Path) -> Iterator[RocksRecipients]:
    opened = RocksRecipients(path, CHANGELOG, clock=lambda: 1000.0)
    yield opened
    opened.close()


class TestRocksRecipients(RecipientTableSuite):
    @pytest.fixture
    def table(self, path: Path) -> Iterator[RocksRecipients]:
        opened = RocksRecipients(path, CHANGELOG)
        yield opened
        opened.close()


class TestSmallCache(TestRocksRecipients):
    """The same when hardly anything stays cached and writes go out in pieces."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rocksdb, "_CACHED", 1)
        monkeypatch.setattr(rocksdb, "_BATCH", 2)
        monkeypatch.setattr(rocksdb, "_GATHERED", 1)


def test_what_was_kept_is_there_when_it_is_opened_again(table: RocksRecipients, path: Path) -> None:
    load(table, (ANN, recipient(1024)))
    table.begin()
    record = put(table, BOB, recipient(2048), 2048)
    table.keep(
        [
            *batches_of(record),
            (b"m:2:1", b"one"),
            (b"p:2:1:1:5", b"two"),
            (META_KEY, b"last"),
        ],
        77,
    )
    table.commit()
    table.begin()
    table.keep([(b"p:2:1:1:9", b"three"), (b"p:2:1:1:5", None), (META_KEY, b"later")], 88)
    table.commit()
    table.begin()
    table.put(b"2:open@b.org", recipient(3072), 3072)
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    assert again.kept_to == (88, 1000.0)
    assert dict(again.kept()) == {b"m:2:1": b"one", b"p:2:1:1:9": b"three", META_KEY: b"later"}
    assert [again.get(key) for key in (ANN, BOB)] == [recipient(1024), recipient(2048)]
    assert [again.key_of(rid) for rid in (1024, 2048)] == [ANN, BOB]
    assert again.get(b"2:open@b.org") is None
    assert again.key_of(3072) is None
    again.close()


def test_a_call_made_again_after_a_restart_is_known_and_counts_once(
    table: RocksRecipients, path: Path
) -> None:
    key = next(k for k in map(str, count()) if partition_for(call_key(2, 1, k), PARTITIONS) == HOME)
    (email,) = at_home("a@b.org")
    calls = [begun(key=key), once(triggered(email=email))]
    before = Partition(PartitionState(HOME, PARTITIONS, table))
    effects = before.step(log_of([defined(), *calls]))
    table.keep(effects.state, 0)
    before.fold.commit()
    before.output.take(effects)
    table.close()

    state = PartitionState(HOME, PARTITIONS, RocksRecipients(path, CHANGELOG))
    Restore(state).finish(0)
    again = Partition(state).run(log_of(calls, start=3))
    state.recipients.close()  # type: ignore[attr-defined]

    assert again.output.answers[0][1]["outcome"] == "KNOWN"
    assert again.outcomes() == before.outcomes()
    assert state.mailings[2, 1].triggered == 1


def test_who_was_changed_is_so_when_it_is_opened_again(table: RocksRecipients, path: Path) -> None:
    unsubscribed = recipient(1024, Status.UNSUBSCRIBED)
    load(table, (ANN, recipient(1024)), (BOB, recipient(2048)))
    table.begin()
    table.put(ANN, unsubscribed, 1024)
    table.keep([(b"r:" + ANN, unsubscribed), (META_KEY, b"last")], 10)
    table.commit()
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    assert [again.get(key) for key in (ANN, BOB)] == [unsubscribed, recipient(2048)]
    assert [again.key_of(rid) for rid in (1024, 2048)] == [ANN, BOB]
    again.close()


@pytest.mark.parametrize("written_out_after", [1, 100, 10_000])
def test_rids_are_found_whatever_transactions_and_files_they_came_in(
    table: RocksRecipients, path: Path, monkeypatch: pytest.MonkeyPatch, written_out_after: int
) -> None:
    """Neighbours share a record, which is written again for who comes later."""
    monkeypatch.setattr(rocksdb, "_GATHERED", written_out_after)
    people = {rid: b"2:%d@b.org" % rid for rid in range(1024, 1024 * 400, 1024 * 3)}
    rids = list(people)
    load(table, *((people[rid], recipient(rid)) for rid in rids[:10]))
    for start in range(10, len(rids), 7):
        if start % 2:
            table.close()
            table = RocksRecipients(path, CHANGELOG)
        table.begin()
        new = rids[start : start + 7]
        settle(table, *(put(table, people[rid], recipient(rid), rid) for rid in new))
        table.begin()
        table.put(b"2:open@b.org", recipient(new[-1] + 1024), new[-1] + 1024)
        assert table.key_of(new[-1] + 1024) == b"2:open@b.org"
        table.rollback()
        known = rids[: start + 7]
        assert [table.key_of(rid) for rid in known] == [people[rid] for rid in known]
        assert not any(table.key_of(rid + 1024) for rid in known)
    table.close()


@pytest.mark.parametrize("written_out_after", [1, 10_000])
def test_who_was_removed_is_nobody_when_it_is_opened_again(
    table: RocksRecipients, path: Path, monkeypatch: pytest.MonkeyPatch, written_out_after: int
) -> None:
    monkeypatch.setattr(rocksdb, "_GATHERED", written_out_after)
    people = {rid: b"2:%d@b.org" % rid for rid in range(1024, 1024 * 200, 1024)}
    load(table, *((people[rid], recipient(rid)) for rid in list(people)[:50]))
    for rid in list(people)[50:]:
        table.begin()
        settle(table, put(table, people[rid], recipient(rid), rid))
    gone, back = list(people)[10::20], list(people)[30::20]
    for rid in {*gone, *back}:
        table.begin()
        table.remove(people[rid], rid)
        settle(table)
    for rid in back:
        table.begin()
        table.put_back(people[rid], recipient(rid), rid)
        settle(table)
    gone = sorted({*gone} - {*back})
    table.close()
    table = RocksRecipients(path, CHANGELOG)
    left = {rid: None if rid in gone else key for rid, key in people.items()}
    assert {rid: table.key_of(rid) for rid in people} == left
    assert [rid for rid, key in people.items() if table.get(key) is None] == gone
    table.begin()
    new = 1024 * 200
    settle(table, put(table, b"2:new@b.org", recipient(new), new))
    assert {rid: table.key_of(rid) for rid in people} == left
    table.close()


def test_a_restart_finds_everything_that_a_state_has_in_memory(
    table: RocksRecipients, path: Path
) -> None:
    """Calls with idempotency keys were forgotten: the same call counted twice after a restart."""
    kept = {kind + b":1": kind for kind in (b"e", b"k", b"m", b"o", b"p")}
    load(table)
    table.begin()
    table.keep([*kept.items(), (b"x:1", b"poison"), (META_KEY, b"meta")], 10)
    table.commit()
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    assert dict(again.kept()) == kept | {META_KEY: b"meta"}
    again.close()


def test_a_load_that_was_cut_short_is_forgotten(table: RocksRecipients, path: Path) -> None:
    table.load([ANN], [recipient(1024)], [(META_KEY, b"meta")])
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    assert again.kept_to is None
    assert again.get(ANN) is None
    again.close()


def test_a_tail_that_was_cut_short_leaves_the_mark_where_it_was(
    table: RocksRecipients, path: Path
) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    again.load([BOB], [recipient(2048)], [(META_KEY, b"newer")])
    again.close()
    third = RocksRecipients(path, CHANGELOG)
    assert third.kept_to == (9, 1000.0)
    assert third.kept() == [(META_KEY, b"meta")]
    third.close()


def test_after_a_kill_the_database_is_as_old_as_it_says(path: Path) -> None:
    """What was not flushed is lost whole: the mark goes with the records."""
    script = f"""
import os
from pathlib import Path
from streams.store.rocksdb import RocksRecipients
from tests.suites.recipient_table import *
table = RocksRecipients(Path({str(path)!r}), {CHANGELOG!r})
load(table, (ANN, recipient(1024)))
table.begin()
settle(table, put(table, BOB, recipient(2048), 2048), offset=50)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert killed.returncode == -9
    table = RocksRecipients(path, CHANGELOG)
    assert table.get(ANN) == recipient(1024)
    assert table.kept_to is not None
    assert (table.kept_to.offset, table.get(BOB)) in {(9, None), (50, recipient(2048))}
    table.close()


def test_what_a_quiet_partition_wrote_is_on_disk_after_five_minutes(path: Path) -> None:
    """Its memory is not held until so much has come that it is full."""
    hour = [1000.0]
    table = RocksRecipients(path, CHANGELOG, clock=lambda: hour[0])
    load(table, (ANN, recipient(1024)))
    table.begin()
    settle(table, put(table, BOB, recipient(2048), 2048), offset=50)
    hour[0] += 301
    table.begin()
    settle(table, offset=51)
    copies = count()

    def left_by_a_kill() -> tuple[Mark | None, bytes | None] | None:
        copy = shutil.copytree(path, path.with_name(f"copy {next(copies)}"))
        try:
            again = RocksRecipients(copy, CHANGELOG)
        except StoreUnfit:
            # The copy has the beginning of a file that was just being written.
            return None
        found = again.kept_to, again.get(BOB)
        again.close()
        return found

    eventually(lambda: left_by_a_kill() == ((51, 1301.0), recipient(2048)))
    table.close()


def test_another_changelog_s_database_is_refused(table: RocksRecipients, path: Path) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    with pytest.raises(StoreUnfit, match="another changelog"):
        RocksRecipients(path, "another-uuid")


def test_another_release_s_database_is_refused(
    table: RocksRecipients, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    monkeypatch.setattr(rocksdb, "LAYOUT", rocksdb.LAYOUT + 1)
    with pytest.raises(StoreUnfit, match="another release"):
        RocksRecipients(path, CHANGELOG)


def test_a_database_that_is_open_is_busy_and_stays_as_it_is(
    table: RocksRecipients, path: Path
) -> None:
    load(table, (ANN, recipient(1024)))
    with pytest.raises(StoreBusy, match="another process has"):
        RocksRecipients(path, CHANGELOG)
    assert table.get(BOB) is None
    assert table.get(ANN) == recipient(1024)


def test_a_closed_database_says_so(table: RocksRecipients) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    table.close()
    with pytest.raises(StoreClosed):
        table.get(ANN)


def test_a_closed_database_leaves_nothing_for_the_collector(path: Path) -> None:
    """A worker that takes partitions over all day closes hundreds, and collects hardly ever."""
    gc.disable()
    try:
        table = RocksRecipients(path, CHANGELOG)
        load(table, (ANN, recipient(1024)))
        table.prefetch([ANN, b"2:#1024"])
        cached = weakref.ref(table._values)
        table.close()
        del table
        assert cached() is None
    finally:
        gc.enable()


def test_a_folder_that_cannot_be_made_is_named(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        RocksRecipients(path, CHANGELOG)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_data_is_noticed_when_it_is_read(path: Path, seed: int) -> None:
    table = RocksRecipients(path, CHANGELOG)
    load(table, *((key, recipient(rid)) for key, rid in MANY.items()))
    table.close()
    for file in path.glob("*.sst"):
        _overwrite(file, random.Random(seed))
    with pytest.raises(StoreUnfit, match="damaged"):
        _read_all(path)


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*"])
def test_a_damaged_catalogue_is_noticed(table: RocksRecipients, path: Path, name: str) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    for file in path.glob(name):
        file.write_bytes(b"\x99" * file.stat().st_size)
    with pytest.raises(StoreUnfit, match="damaged"):
        RocksRecipients(path, CHANGELOG)


def test_a_missing_data_file_is_noticed(table: RocksRecipients, path: Path) -> None:
    load(table, (ANN, recipient(1024)))
    table.close()
    for file in path.glob("*.sst"):
        file.unlink()
    with pytest.raises(StoreUnfit, match="damaged"):
        RocksRecipients(path, CHANGELOG)


def _overwrite(file: Path, rng: random.Random) -> None:
    """Put noise over a third of a file, data and not what is at its end."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(size // 4)
        opened.write(rng.randbytes(size // 3))


def _read_all(path: Path) -> None:
    table = RocksRecipients(path, CHANGELOG)
    try:
        table.prefetch(MANY)
    finally:
        table.close()


def test_calls_with_keys_and_caps_are_still_known_after_a_warm_restart(
    table: RocksRecipients, path: Path
) -> None:
    (email,) = at_home("ann@b.org")
    partition = Partition(PartitionState(HOME, PARTITIONS, table, topic_id=TOPIC_ID))
    key = next(k for k in map(str, count()) if partition_for(call_key(2, 1, k), PARTITIONS) == HOME)
    log = log_of([defined(hourly_cap=1), begun(key=key), once(triggered(email=email))])
    effects = partition.step(log)
    table.keep(effects.state, 9)
    partition.fold.commit()
    table.close()
    again = RocksRecipients(path, CHANGELOG)
    restored = PartitionState(HOME, PARTITIONS, again, topic_id=TOPIC_ID)
    Restore(restored).finish(9)
    again.close()
    live = partition.state
    assert (restored.calls.calls, restored.calls.answers) == (live.calls.calls, live.calls.answers)
    assert live.calls.answers
    assert restored.caps.times == live.caps.times != {}


def test_a_takeover_that_lost_its_partition_does_not_delete_the_database_of_the_next(
    tmp_path: Path,
) -> None:
    settings = WorkerSettings(bootstrap_servers="", store="rocksdb", data_dir=tmp_path)
    tables = Tables(settings)
    tables.open(0, "a changelog", lambda: True)
    with pytest.raises(TakeoverAbandoned):
        tables.discard(0, lambda: False)
    assert (tmp_path / "rocksdb" / f"{settings.state}-0").is_dir()
    tables.discard(0, lambda: True)
    assert not (tmp_path / "rocksdb" / f"{settings.state}-0").exists()
