"""What would become of a call, as its caller sees it: one question to each partition, or a few.

Entries of one recipient decide about each other, so they travel in one event.
"""

from __future__ import annotations

import asyncio
import uuid
from operator import attrgetter
from typing import TYPE_CHECKING

from producers.contract.entries import KnownEntry
from producers.contract.errors import Code, ContractError
from producers.errors import ClientError, LogUnavailable, NotAcknowledged
from producers.events import check_mailing
from producers.outgoing import SLICE
from schemas.contexts import comparable
from schemas.ids import partition_of_rid, recipient_key, rid_key
from schemas.partition import partition_for
from schemas.records import DRY_RUN_QUERIED, DryRunOutcome, Outcome, Status
from schemas.topics import MAX_DRY_RUN_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from producers.contract.entries import Entry, TriggerCall
    from producers.exchange import Exchange

    Result = tuple[Outcome, int]


class DryRun:
    """One dry run of a call to a mailing, over *exchange*."""

    def __init__(self, exchange: Exchange, orgid: int, mid: int) -> None:
        check_mailing(orgid, mid)
        self._exchange = exchange
        self._orgid = orgid
        self._mid = mid
        self._results: dict[int, Result] = {}
        self._failure: ClientError | None = None

    async def run(self, call: TriggerCall) -> dict[int, Result]:
        """Return (outcome, rid) by index, without a rid (0) for who would be new.

        A missing index was not answered in time. LogUnavailable or LogChanged when there is no
        answer at all; ContractError (413) before anything is asked.
        """
        placed = await self._placed(call)
        shares = [
            (partition, share)
            for partition, recipients in placed.items()
            for share in shares_of(recipients)
        ]
        async with asyncio.TaskGroup() as questions:
            for partition, share in shares:
                questions.create_task(self._ask(partition, share))
                # One is written before other tasks of the loop have their turn.
                await asyncio.sleep(0)
        if self._failure is not None and not self._results:
            raise self._failure
        return self._results

    async def _placed(self, call: TriggerCall) -> dict[int, dict[bytes, list[Entry]]]:
        """Return the entries by partition and log key."""
        placed: dict[int, dict[bytes, list[Entry]]] = {}
        for number, entry in enumerate(call.entries, 1):
            if isinstance(entry, KnownEntry):
                key, partition = rid_key(self._orgid, entry.rid), partition_of_rid(entry.rid)
            else:
                key = recipient_key(self._orgid, entry.email)
                partition = partition_for(key, self._exchange.partitions)
            if partition < self._exchange.partitions:
                placed.setdefault(partition, {}).setdefault(key, []).append(entry)
            else:
                # What any partition would answer: nobody has this rid.
                self._results[entry.index] = Outcome.UNKNOWN_RECIPIENT, 0
            if not number % SLICE:
                await asyncio.sleep(0)
        return placed

    async def _ask(self, partition: int, share: Sequence[Entry]) -> None:
        exchange, request_id = self._exchange, uuid.uuid4().hex
        event = {
            "orgid": self._orgid,
            "mid": self._mid,
            "request_id": request_id,
            "index": partition,
            "reply_partition": exchange.reply_partition,
            "entries": list(map(tried, share)),
        }
        value = exchange.codec.encode(DRY_RUN_QUERIED, event)
        try:
            answer = await exchange.ask(request_id, partition, partition, (None, value))
        except NotAcknowledged:
            return
        except LogUnavailable as exc:
            # Of the call itself nothing ever is in the log.
            self._failure = LogUnavailable(str(exc), produced=False)
            return
        except ClientError as exc:
            self._failure = exc
            return
        if answer["outcome"] == DryRunOutcome.FAILED.name:
            self._results |= {entry.index: (Outcome.FAILED, 0) for entry in share}
        for entry in answer["entries"]:
            self._results[entry["index"]] = Outcome[entry["outcome"]], entry["rid"]


def shares_of(recipients: Mapping[bytes, list[Entry]]) -> Iterator[list[Entry]]:
    """Yield a partition's entries, given by log key, in parts that fit an event each.

    No recipient is in two of them. ContractError (413) when that cannot be: who is named by rid
    and who by address may be one.
    """
    parts: list[list[Entry]] = [[]]
    for entries in recipients.values():
        if len(entries) > MAX_DRY_RUN_ENTRIES:
            raise _too_large("has so many of one recipient")
        if len(parts[-1]) + len(entries) > MAX_DRY_RUN_ENTRIES:
            parts.append([])
        parts[-1] += entries
    if len(parts) > 1 and len({type(entries[0]) for entries in recipients.values()}) > 1:
        raise _too_large("names some by rid and some by address")
    for part in parts:
        yield sorted(part, key=attrgetter("index"))


def tried(entry: Entry) -> dict[str, object]:
    """Return what decides about an entry."""
    if isinstance(entry, KnownEntry):
        rid, status = entry.rid, None
    else:
        rid, status = 0, entry.status
    return {
        "index": entry.index,
        "rid": rid,
        "status": Status.NOT_GIVEN if status is None else status,
        "context": comparable(entry.context),
        "email": entry.email or "",
    }


def _too_large(why: str) -> ContractError:
    detail = f"a dry run of more than {MAX_DRY_RUN_ENTRIES} recipients that {why}: make it in parts"
    return ContractError(413, Code.DRY_RUN_TOO_LARGE, detail)
