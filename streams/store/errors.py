"""What can be wrong with a store on disk.

StateError
└── StoreError      the disk or the folder is in the way
    ├── StoreBusy   another process has the database open
    ├── StoreClosed the partition was given up meanwhile
    └── StoreUnfit  the database is damaged, too old or another state's: only a rebuild helps
"""

from __future__ import annotations

from streams.core.errors import StateError


class StoreError(StateError):
    """A database cannot be used; the message names the cause and the cure."""


class StoreBusy(StoreError):
    """Another process has the database open."""


class StoreClosed(StoreError):
    """The database was closed because its partition was given up."""


class StoreUnfit(StoreError):
    """The database does not hold the partition's state; the changelog does."""
