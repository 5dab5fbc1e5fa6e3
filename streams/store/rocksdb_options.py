"""RocksDB's settings, with the reason for each, and its errors in our words."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    MemtableFactory,
    Options,
    Rdict,
    WriteOptions,
)

from streams.store.errors import StoreBusy, StoreClosed, StoreError, StoreUnfit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MIB = 1024 * 1024
# All partitions of a process share it. A block that is not in it comes from the page cache.
_BLOCK_CACHE_BYTES = 128 * _MIB
# Of a file, until it is compacted: what was erased is on no disk much longer.
_FILE_TTL_S = 7 * 86_400
_DISK = ("No space left", "Permission denied", "Read-only file system", "Too many open files")
_MEMTABLE_BYTES = 32 * _MIB
_GATHERED_FILES = 8
# Of a memtable's size, for a filter of some 100 bits a key.
_MEMTABLE_FILTER = 0.1


def open_database(path: Path) -> Rdict:
    """Open the database at *path*, made when it is not there."""
    chosen = _options()
    # Unless its column family is named, rocksdict opens it with the options it had before.
    opened = Rdict(str(path), chosen, {"default": chosen})
    opened.set_options({"ttl": str(_FILE_TTL_S)})
    return opened


def _options() -> Options:
    chosen = Options(raw_mode=True)
    chosen.create_if_missing(True)
    chosen.set_write_buffer_size(_MEMTABLE_BYTES)
    chosen.set_max_write_buffer_number(3)
    # A list that is sorted when it is full, on RocksDB's own thread: 0.6 us a record on ours
    # instead of 2.8. A look-up in it would sort a copy of it: so we look for nothing that may be
    # there, and a filter says of the rest that it is not.
    chosen.set_memtable_factory(MemtableFactory.vector())
    chosen.set_allow_concurrent_memtable_write(False)
    chosen.set_memtable_prefix_bloom_ratio(_MEMTABLE_FILTER)
    chosen.set_memtable_whole_key_filtering(True)
    # Half the disk of none, at the same speed within what could be measured.
    chosen.set_compression_type(DBCompressionType.lz4())
    chosen.set_block_based_table_factory(_tables())
    chosen.set_level_compaction_dynamic_level_bytes(True)
    # Twice the usual, for a compaction of these rewrites everything below: 0.4 us of CPU an event
    # less, and a filter more to ask in each of them costs no look-up that could be measured.
    chosen.set_level_zero_file_num_compaction_trigger(_GATHERED_FILES)
    # RocksDB's own log: two files of a megabyte, and no statistics in them.
    chosen.set_max_log_file_size(_MIB)
    chosen.set_keep_log_file_num(2)
    chosen.set_stats_dump_period_sec(0)
    return chosen


def unlogged() -> WriteOptions:
    """Return how we write: without RocksDB's own log.

    The changelog is that log already. After a kill the database is as its last flush left it, and
    what says up to where it goes is as old as the rest, for both were in one memtable.
    """
    chosen = WriteOptions()
    chosen.disable_wal = True  # type: ignore[method-assign, assignment]  # the stub is wrong
    return chosen


@contextmanager
def told_in_our_words(path: object) -> Iterator[None]:
    """Raise a StoreError for what rocksdict raises, which is a bare Exception with a text."""
    try:
        yield
    except StoreError:
        raise
    except DbClosedError as exc:
        raise StoreClosed(f"{path} was closed") from exc
    except Exception as exc:
        text = str(exc)
        if text.startswith("IO error") and "/LOCK:" in text:
            raise StoreBusy(f"another process has {path} open") from exc
        if isinstance(exc, OSError) or any(cause in text for cause in _DISK):
            raise StoreError(f"{path} cannot be written: {text}") from exc
        raise StoreUnfit(f"it is damaged ({text})") from exc


def _tables() -> BlockBasedOptions:
    chosen = BlockBasedOptions()
    # Three of five look-ups are for people nobody has: ten bits a key answer 99 % of those without
    # a read, in 0.5 us instead of 7.
    chosen.set_bloom_filter(10, False)
    # Filters and indexes stay outside of it, 1.5 MB a million recipients: a filter is larger than
    # a shard of the cache and would be read anew for each look-up, which takes 280 us.
    chosen.set_block_cache(_block_cache())
    chosen.set_block_size(4096)
    chosen.set_format_version(5)
    return chosen


@cache
def _block_cache() -> Cache:
    return Cache(_BLOCK_CACHE_BYTES)
