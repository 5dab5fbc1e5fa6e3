"""What the loop for runs of ordinary triggers gives, and what not: ``python -m bench.fold``."""

from __future__ import annotations

import gc
import time
from unittest.mock import patch

from bench.events import MID, ORGID, PARTITIONS, EventMaker
from schemas.framing import Framing
from streams.core.effects import Effects
from streams.core.partition import PartitionState
from streams.core.transition import Fold, LogRecord, encode_acks
from streams.store.memory import MemoryRecipients

EVENTS, REPEATS, CHUNK = 200_000, 5, 1_000
MANY = 1_000
# More than anybody gets, so that every message counts and none is suppressed.
CAP = 1_000


def main() -> None:
    """Print all ways, in alternation: fastest and slowest of several runs, us of CPU an event."""
    one, many = _logs(mailings=1), _logs(mailings=MANY)
    gc.freeze()
    over_many = f"of {MANY:,} mailings in turn"
    ways = ("in runs", "one by one", "of a mailing with a cap", over_many)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        times["in runs"].append(_fold(one))
        with patch("streams.core.transition.fold_run", lambda *given: given[3]):
            times["one by one"].append(_fold(one))
        times["of a mailing with a cap"].append(_fold(one, cap=CAP))
        times[over_many].append(_fold(many))
    for way, figures in times.items():
        print(f"{way:24} min {min(figures):5.1f} max {max(figures):5.1f} us an event")


def _logs(*, mailings: int) -> list[tuple[list[LogRecord], list[LogRecord]]]:
    """Return definitions and triggers of each partition."""
    maker = EventMaker(seed=1, mailings=mailings)
    logs: list[tuple[list[LogRecord], list[LogRecord]]] = [([], []) for _ in range(PARTITIONS)]
    for kind, made in enumerate((maker.definitions(), maker.triggers(EVENTS))):
        for partition, key, value in made:
            offset = sum(map(len, logs[partition]))
            logs[partition][kind].append((offset, key, value, 0))
    return logs


def _fold(logs: list[tuple[list[LogRecord], list[LogRecord]]], *, cap: int = 0) -> float:
    framing, seconds = Framing(), 0.0
    for partition, (definitions, log) in enumerate(logs):
        state = PartitionState(partition, PARTITIONS, MemoryRecipients(), topic_id="bench")
        fold = Fold(state, framing)
        _transaction(fold, definitions, framing)
        state.mailings[ORGID, MID].hourly_cap = cap
        begun = time.thread_time()
        for start in range(0, len(log), CHUNK):
            _transaction(fold, log[start : start + CHUNK], framing)
        seconds += time.thread_time() - begun
    return seconds / EVENTS * 1e6


def _transaction(fold: Fold, records: list[LogRecord], framing: Framing) -> None:
    effects = Effects()
    fold.begin()
    fold.apply(records, effects, {})
    encode_acks(effects.take_replies(), framing)
    fold.seal(effects)
    fold.commit()


if __name__ == "__main__":
    main()
