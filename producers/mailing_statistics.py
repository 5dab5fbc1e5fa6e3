"""Mailings as the topic `mailing.statistics` has them: rows of partitions, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from schemas.codec import Record

COUNTERS: Final = (
    "triggered",
    "created",
    "known",
    "duplicates",
    "suppressed",
    "rejected",
    "pending",
    "sent",
)


@dataclass(frozen=True, slots=True)
class MailingStatistics:
    """A mailing whose counters are the sums of its partitions' last rows.

    *as_of_ms* is the log time of the newest event that one of them has seen, ms since 1970; 0 when
    none of them knows it.
    """

    orgid: int
    mid: int
    name: str
    type: str
    state: str
    revision: int
    triggered: int
    created: int
    known: int
    duplicates: int
    suppressed: int
    rejected: int
    pending: int
    sent: int
    as_of_ms: int


@dataclass(slots=True)
class _Mailing:
    rows: dict[int, Record] = field(default_factory=dict)
    # Of the rows as they are, once somebody has asked.
    sums: MailingStatistics | None = None


class StatisticsTable:
    """The last row of every mailing and partition; *complete* once all there were are in it.

    It is used by one thread.
    """

    def __init__(self) -> None:
        self.complete = False
        self._orgs: dict[int, dict[int, _Mailing]] = {}
        self._off: set[tuple[int, int, int]] = set()

    def take(self, row: Record) -> None:
        """Let *row*, a MailingStatistics record, stand for its mailing and partition."""
        orgid, mid, partition = row["orgid"], row["mid"], row["partition"]
        mailing = self._orgs.setdefault(orgid, {}).setdefault(mid, _Mailing())
        mailing.rows[partition] = row
        mailing.sums = None
        # Rows of different partitions are of different moments, so each has to add up by itself.
        if balances(row):
            self._off.discard((orgid, mid, partition))
        else:
            self._off.add((orgid, mid, partition))

    def mailings(self, orgid: int) -> list[MailingStatistics]:
        """Return the mailings of an organisation, in no order."""
        return [_sums(mailing) for mailing in self._orgs.get(orgid, {}).values()]

    @property
    def off_balance(self) -> int:
        """How many mailings have a row that does not add up."""
        return len({(orgid, mid) for orgid, mid, _ in self._off})


def balances(row: Mapping[str, Any]) -> bool:
    """Whether everything that a row counts as triggered, and as accepted, is somewhere."""
    accepted = row["created"] + row["known"]
    return bool(
        row["triggered"] == accepted + row["duplicates"] + row["rejected"]
        and accepted == row["pending"] + row["sent"] + row["suppressed"]
    )


def _sums(mailing: _Mailing) -> MailingStatistics:
    if mailing.sums is None:
        rows = mailing.rows.values()
        latest = max(rows, key=lambda row: int(row["revision"]))
        mailing.sums = MailingStatistics(
            **{name: latest[name] for name in _DEFINED},
            **{name: sum(row[name] for row in rows) for name in COUNTERS},
            as_of_ms=max(row["log_time"] for row in rows),
        )
    return mailing.sums


_DEFINED = ("orgid", "mid", "name", "type", "state", "revision")
