"""Which table a partition's recipients get: one in memory, or a database on this machine."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from streams.store.errors import StoreBusy
from streams.store.memory import MemoryRecipients
from streams.worker.errors import TakeoverAbandoned, WorkerError
from streams.worker.settings import STORES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.core.recipients import RecipientTable
    from streams.store.rocksdb import RocksRecipients
    from streams.worker.settings import WorkerSettings

log = logging.getLogger("mailing_trigger.worker.tables")

# Another process of ours closes a database before it gives the partition up. One that was paused
# past its session does so when it wakes.
_BUSY_FOR_S = 60.0
_RETRY_S = 0.1


class Tables:
    """Opens tables and closes them. A partition's database is open once: the newest call has it.

    Invariant: who opens proved under the lock that the partition is still his, so a call that
    lost it never closes the database of the one that has it now.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._open: dict[int, RocksRecipients] = {}

    def open(
        self, partition: int, changelog_id: str, still_ours: Callable[[], bool]
    ) -> RecipientTable:
        """Return the partition's table; StoreUnfit when it has a database of no use."""
        if self._settings.store == "memory":
            return MemoryRecipients()
        from streams.store.rocksdb import RocksRecipients  # noqa: PLC0415 - an optional dependency

        deadline = time.monotonic() + _BUSY_FOR_S
        warned = False
        while True:
            with self._lock:
                if not still_ours():
                    raise TakeoverAbandoned
                self._close(partition)
                try:
                    table = RocksRecipients(self._path(partition), changelog_id)
                except StoreBusy as exc:
                    busy = str(exc)
                else:
                    self._open[partition] = table
                    return table
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"partition {partition}: {busy}, for {_BUSY_FOR_S:.0f} s now: end that "
                    "process, or give this worker a data folder of its own"
                )
            if not warned:
                log.warning("partition %d: %s; waiting for it", partition, busy)
                warned = True
            time.sleep(_RETRY_S)

    def discard(self, partition: int, still_ours: Callable[[], bool]) -> None:
        """Delete the partition's database."""
        from streams.store.rocksdb import destroy  # noqa: PLC0415 - as above

        with self._lock:
            if not still_ours():
                raise TakeoverAbandoned
            self._close(partition)
            destroy(self._path(partition))

    def close(self, partition: int) -> None:
        """Let another process have the partition's database; it stays where it is."""
        with self._lock:
            self._close(partition)

    def _close(self, partition: int) -> None:
        table = self._open.pop(partition, None)
        if table is not None:
            table.close()

    def _path(self, partition: int) -> Path:
        # Workers of one data folder share it: a partition that moves between them is warm.
        return self._settings.data_dir / "rocksdb" / f"{self._settings.state}-{partition}"


def check_store(store: str) -> None:
    """Raise WorkerError unless *store* is one, and can be used here."""
    if store not in STORES:
        raise WorkerError(f"the store is {' or '.join(STORES)}, not {store}")
    if store == "memory":
        return
    try:
        import rocksdict  # noqa: F401, PLC0415 - asked here, so that it is said before anything starts
    except ImportError as exc:
        raise WorkerError(
            "the RocksDB store needs the package rocksdict: install mailing-trigger[rocksdb], "
            "or choose --store memory"
        ) from exc
