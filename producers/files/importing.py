"""Import a file of recipients into a mailing, and go on where the last attempt ended."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import structs

from producers.bulk import Block
from producers.contract.entries import TriggerCall
from producers.contract.errors import Code
from producers.errors import TriggerRejected
from producers.files.display import display
from producers.files.progress import Counts, Progress, fingerprint
from producers.files.sources import STDIN, open_bytes, open_source, read_row
from producers.window import BLOCK
from schemas.records import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rich.console import Console

    from producers.bulk import Answered
    from producers.client import TriggerClient
    from producers.files.display import Display
    from producers.files.sources import Source

SAVE_EVERY_S = 1.0

_COUNTED = {
    Outcome.CREATED: "created",
    Outcome.KNOWN: "known",
    Outcome.DUPLICATE: "duplicates",
    Outcome.SUPPRESSED: "suppressed",
}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows of a file, those of earlier attempts included.

    *complete* False: an answer to some row did not come in time; importing again goes on there.
    """

    rows: int
    counts: Counts
    complete: bool
    rejected_file: Path | None


async def import_file(
    client: TriggerClient,
    path: str | Path,
    *,
    orgid: int,
    mid: int,
    console: Console | None = None,
) -> ImportReport:
    """Add the recipients of the file at *path* to a mailing; ``-`` is standard input, JSON Lines.

    Rejected rows go to ``FILE.rejected.jsonl``. ``FILE.progress`` says how far the import has
    come; it is gone when the import is complete. Interrupted, the next attempt goes on there:
    at most the rows on their way, or acknowledged in the last second before a crash, are
    produced again. While their messages are pending, such a repeat is a duplicate and mailed
    once, unless the mailing's dedup is NONE; after an invocation in between it is a new message.
    """
    name = str(path)
    return await _Import(client, name, orgid, mid).run(display(console, name))


class _Import:
    def __init__(self, client: TriggerClient, name: str, orgid: int, mid: int) -> None:
        self._client = client
        self._name = name
        self._orgid = orgid
        self._mid = mid
        self._resumable = name != STDIN
        self._progress_file = Path(f"{name}.progress")
        self._rejected_file = Path(f"{name}.rejected.jsonl") if self._resumable else None
        if self._resumable:
            print_ = fingerprint(Path(name), orgid=orgid, mid=mid)
            self._progress = Progress.load(self._progress_file, print_)
        else:
            self._progress = Progress(uuid.uuid4().hex)
        self._saved_at = time.monotonic()

    async def run(self, shown: Display) -> ImportReport:
        try:
            return await self._run(shown)
        except TriggerRejected:
            # The mailing took nobody: the same file may be meant for another.
            if self._resumable and not self._progress.rows:
                self._progress_file.unlink()
            raise

    async def _run(self, shown: Display) -> ImportReport:
        complete = True
        with (
            open_bytes(self._name) as file,
            self._open_rejected() as rejected,
            shown,
        ):
            # Kept here: a text layer that nobody holds closes the file below it.
            source = open_source(self._name, file)
            blocks = self._blocks(source)
            exchange = self._client.exchange_blocks(blocks, orgid=self._orgid, mid=self._mid)
            try:
                async with aclosing(exchange) as answered:
                    async for each in answered:
                        if any(e.code == Code.NOT_ACKNOWLEDGED for e in each.answer.errors):
                            complete = False
                            break
                        self._count(each, rejected)
                        shown.at(self._progress, file)
                        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
                            self._save(rejected)
            finally:
                # Ctrl-C too: what has its answer is never produced again.
                self._save(rejected)
        if complete and self._resumable:
            self._progress_file.unlink()
        return self._report(complete=complete)

    async def _blocks(self, source: Source) -> AsyncIterator[Block[list[int]]]:
        rows = islice(source.rows(), self._progress.rows, None)
        # Invariant: blocks begin at multiples of BLOCK, so a repeated row has the same
        # request id and index in every attempt.
        number = self._progress.rows // BLOCK
        # On a thread: a slow pipe must not keep the loop from reading answers.
        while some := await asyncio.to_thread(_read_block, source, rows):
            lines, call = some
            yield Block(f"{self._progress.fingerprint}-{number}", call, lines)
            number += 1

    def _count(self, answered: Answered[list[int]], rejected: IO[bytes] | None) -> None:
        counts = self._progress.counts
        for outcome, _ in answered.results.values():
            if outcome in _COUNTED:
                name = _COUNTED[outcome]
                setattr(counts, name, getattr(counts, name) + 1)
        lines = answered.block.about
        # An entry may have several errors, and is one rejected row.
        counts.rejected += len({error.index for error in answered.answer.errors})
        for error in answered.answer.errors:
            if rejected is not None:
                told = {
                    "line": lines[error.index],
                    "field": error.field,
                    "code": str(error.code),
                    "detail": error.detail,
                }
                rejected.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        self._progress.rows += answered.block.call.size

    def _open_rejected(self) -> Any:
        if self._rejected_file is None:
            return nullcontext()
        file = self._rejected_file.open("ab")
        # Rows that are repeated will be told again.
        file.truncate(self._progress.rejected_bytes)
        file.seek(self._progress.rejected_bytes)
        return file

    def _save(self, rejected: IO[bytes] | None) -> None:
        if rejected is None:
            return
        rejected.flush()
        self._progress.rejected_bytes = rejected.tell()
        self._progress.save(self._progress_file)
        self._saved_at = time.monotonic()

    def _report(self, *, complete: bool) -> ImportReport:
        rejected = self._rejected_file
        if rejected is not None and complete and not self._progress.counts.rejected:
            rejected.unlink()
            rejected = None
        return ImportReport(self._progress.rows, self._progress.counts, complete, rejected)


def _read_block(
    source: Source, rows: Iterator[tuple[int, Any]]
) -> tuple[list[int], TriggerCall] | None:
    """Return the next rows' line numbers and the one call they make; None at the end."""
    some = list(islice(rows, BLOCK))
    if not some:
        return None
    calls = [read_row(source, raw) for _, raw in some]
    return [line for line, _ in some], TriggerCall(
        tuple(structs.replace(e, index=i) for i, call in enumerate(calls) for e in call.entries),
        tuple(replace(e, index=i) for i, call in enumerate(calls) for e in call.errors),
        len(calls),
    )
