"""What the loop for runs of ordinary triggers gives: ``python -m bench.fold``."""

from __future__ import annotations

import gc
import time
from unittest.mock import patch

from bench.events import PARTITIONS, EventMaker
from schemas.framing import Framing
from streams.core.effects import Effects
from streams.core.partition import PartitionState
from streams.core.transition import Fold, LogRecord, encode_acks
from streams.store.memory import MemoryRecipients

EVENTS, REPEATS, CHUNK = 200_000, 5, 1_000


def main() -> None:
    """Print both ways, in alternation: fastest and slowest of several runs, us of CPU an event."""
    maker = EventMaker(seed=1)
    logs: list[list[LogRecord]] = [[] for _ in range(PARTITIONS)]
    for made in (maker.definitions(), maker.triggers(EVENTS)):
        for partition, key, value in made:
            logs[partition].append((len(logs[partition]), key, value, 0))
    gc.freeze()
    times: dict[str, list[float]] = {"in runs": [], "one by one": []}
    for _ in range(REPEATS):
        times["in runs"].append(_fold(logs))
        with patch("streams.core.transition.fold_run", lambda *given: given[3]):
            times["one by one"].append(_fold(logs))
    for way, figures in times.items():
        print(f"{way:10} min {min(figures):5.1f} max {max(figures):5.1f} us an event")


def _fold(logs: list[list[LogRecord]]) -> float:
    framing = Framing()
    begun = time.thread_time()
    for partition, log in enumerate(logs):
        state = PartitionState(partition, PARTITIONS, MemoryRecipients(), topic_id="bench")
        fold = Fold(state, framing)
        for start in range(0, len(log), CHUNK):
            effects = Effects()
            fold.begin()
            fold.apply(log[start : start + CHUNK], effects, {})
            encode_acks(effects.take_replies(), framing)
            fold.seal(effects)
            fold.commit()
    return (time.thread_time() - begun) / EVENTS * 1e6


if __name__ == "__main__":
    main()
