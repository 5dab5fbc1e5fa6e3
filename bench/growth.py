"""What many known recipients cost: events/s and memory of a worker that has them from the start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from rich.table import Table

from bench.contestants import WORKER, WORKER_ROCKSDB
from bench.events import ORGID, PARTITIONS, EventMaker, known_recipient, known_rids
from bench.log import log_of, produce
from bench.report import Measured, span
from bench.runs import run
from bench.topics import admin
from schemas.codec import Codec
from schemas.ids import partition_of_rid, recipient_key
from schemas.records import PARTITION_META, Status
from schemas.topics import STATE
from schemas.varint import encode_bytes, encode_long
from streams.core.changelog import META_KEY, RECIPIENT_FRAME
from streams.core.partition import FOLD_VERSION
from streams.core.recipient_batches import NewRecipients
from streams.core.recipients import dates_of, pack
from streams.worker.admin import topic_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.events import Record
    from bench.log import Log
    from bench.runs import Run

_SHORT = (100_000, 1_000_000)
_FULL = (100_000, 1_000_000, 10_000_000)
_EVENTS = 400_000
_WARM_UP = 100_000
_ROUNDS = 3
_SEED = 1
# Recipients of a partition that a transaction creates under load.
_TRANSACTION = 2_000


@dataclass(frozen=True, slots=True)
class Grown:
    """A run among *known* recipients, whose changelog records have *kept_bytes*."""

    known: int
    kept_bytes: int
    run: Run


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Let the worker work off the same events among more and more recipients, in rounds."""
    done: list[Grown] = []
    for number in range(_ROUNDS):
        sizes = _FULL if full and not number else _SHORT
        for known in sizes:
            state = list(known_state(known))
            kept = sum(len(value) for _, _, value in state)
            prepare = partial(preload, known=known, state=state)
            with log_of(broker, _EVENTS, known=known) as log:
                for contestant in (WORKER, WORKER_ROCKSDB):
                    if contestant.missing():
                        continue
                    grown = run(contestant, log, broker, warm_up=_WARM_UP, prepare=prepare)
                    tell(f"{contestant.name}, {known:,} known: {grown.seen.rate:,.0f} events/s")
                    done.append(Grown(known, kept, grown))
    return Measured([_table(done), *_memory(done)], _figures(done))


def preload(log: Log, *, known: int, state: list[Record]) -> None:
    """Write the changelog that a worker of *known* recipients would have left."""
    counts = dict.fromkeys(range(PARTITIONS), 0)
    records = chain(state, _ends(log, known))
    produce(log.bootstrap_servers, log.prefix + STATE, records, counts)


def known_state(known: int) -> Iterator[Record]:
    """Yield the changelog's records that *known* recipients would have left."""
    rids, begins = known_rids(known)
    profiles = EventMaker(seed=_SEED).profiles
    status = int(Status.SUBSCRIBED)
    written = [NewRecipients() for _ in begins]
    for number, rid in enumerate(rids):
        email = known_recipient(number)
        key = recipient_key(ORGID, email)
        stored = encode_bytes(email.encode()) + profiles[number % len(profiles)]
        written[partition_of_rid(rid)].add(
            key, pack(RECIPIENT_FRAME, encode_long(rid), status, stored, dates_of(1)), rid
        )
        if (number + 1) % _TRANSACTION == 0 or number == known - 1:
            for partition, each in enumerate(written):
                yield from ((partition, *record) for record in each.records())
            written = [NewRecipients() for _ in begins]


def _ends(log: Log, known: int) -> Iterator[Record]:
    """Yield the records that say how far the changelog of each partition goes."""
    (shape,) = topic_shapes(admin(log.bootstrap_servers), [log.topic]).values()
    for partition, begin in enumerate(known_rids(known)[1]):
        meta = {
            "seq": 1,
            "applied": begin - 1,
            "topic_id": shape.topic_id,
            "partitions": PARTITIONS,
            "fold_version": FOLD_VERSION,
        }
        yield partition, META_KEY, Codec().encode(PARTITION_META, meta)


def _table(done: list[Grown]) -> Table:
    table = Table(title="The same events among more and more recipients")
    for column in ("", "recipients", "events/s", "of the smallest", "us CPU", "MiB"):
        table.add_column(column, justify="right" if column else "left")
    for name, known in dict.fromkeys((each.run.contestant.name, each.known) for each in done):
        rows = [each.run.seen for each in _of(done, name, known)]
        first = [each.run.seen for each in _of(done, name, min(_SHORT))]
        ratios = [mine.rate / other.rate for mine, other in zip(rows, first, strict=False)]
        table.add_row(
            name,
            f"{known:,}",
            span([seen.rate for seen in rows], digits=0),
            span(ratios, digits=2),
            span([seen.cpu_us for seen in rows]),
            span([seen.resident_bytes / 2**20 for seen in rows], digits=0),
        )
    return table


def _memory(done: list[Grown]) -> Iterator[str]:
    for name, size in _bytes_each(done).items():
        yield f"{name}: {size:,.0f} bytes a recipient above its key and value"


def _bytes_each(done: list[Grown]) -> dict[str, float]:
    """Return the memory of one recipient more, above key and value: what both runs have cancels."""
    small, large = min(_SHORT), max(_SHORT)
    found = {}
    for name in dict.fromkeys(each.run.contestant.name for each in done):
        ends = [_of(done, name, known) for known in (small, large)]
        used = [
            min(each.run.seen.resident_bytes - each.kept_bytes for each in group) for group in ends
        ]
        found[name] = (used[1] - used[0]) / (large - small)
    return found


def _of(done: list[Grown], name: str, known: int) -> list[Grown]:
    return [each for each in done if (each.run.contestant.name, each.known) == (name, known)]


def _figures(done: list[Grown]) -> dict[str, object]:
    return {
        "events": _EVENTS,
        "runs": [
            {"known": each.known, "kept_bytes": each.kept_bytes, **each.run.figures()}
            for each in done
        ],
        "bytes_a_recipient_above_key_and_value": _bytes_each(done),
    }
