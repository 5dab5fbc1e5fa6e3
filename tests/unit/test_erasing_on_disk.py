"""Who is erased is so in a database, too: when it is opened again, and when it is made anew."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from schemas.ids import rid_of
from schemas.records import Outcome
from streams.core.effects import Effects
from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.store import rocksdb
from streams.store.rocksdb import RocksRecipients
from tests.support.events import asked, changed, defined, erased, log_of, triggered
from tests.support.folding import HOME, PARTITIONS, TOPIC_ID, Partition, lives_here

if TYPE_CHECKING:
    from pathlib import Path

    from streams.core.transition import LogRecord
    from tests.support.folding import ChangelogRecord

PEOPLE = list(islice(filter(lives_here, (f"n{n}@b.org" for n in range(9000))), 300))
GONE, BACK = PEOPLE[::50], PEOPLE[25::50]
LOG = log_of(
    [
        defined(),
        *(triggered(email=email) for email in PEOPLE),
        *(changed(email=email, city="Ribe") for email in PEOPLE[::5]),
        *(erased(email=email) for email in (*GONE, *BACK)),
        *(triggered(email=email) for email in BACK),
    ]
)


def opened(path: Path) -> Partition:
    table = RocksRecipients(path, "state-uuid")
    return Partition(PartitionState(HOME, PARTITIONS, table, topic_id=TOPIC_ID))


def keep(partition: Partition, records: list[LogRecord]) -> list[ChangelogRecord]:
    """Fold one transaction and keep it, as a worker does; return its changelog records."""
    effects = Effects()
    partition.fold.begin()
    partition.fold.apply(records, effects, {})
    partition.fold.seal(effects)
    partition.state.recipients.keep(effects.state, partition.state.seq)
    partition.fold.commit()
    return effects.state


def restored(path: Path, changelog: list[ChangelogRecord]) -> Partition:
    partition = opened(path)
    restore = Restore(partition.state)
    restore.take(changelog)
    restore.finish(10**6)
    return partition


@pytest.mark.parametrize("chunk", [10, 400])
@pytest.mark.parametrize("written_out_after", [1, 32_768])
@pytest.mark.parametrize("anew", [False, True])
def test_who_is_erased_is_nobody_after_a_restart(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    written_out_after: int,
    *,
    anew: bool,
) -> None:
    monkeypatch.setattr(rocksdb, "_GATHERED", written_out_after)
    partition = restored(tmp_path / "first", [])
    changelog: list[ChangelogRecord] = []
    for start in range(0, len(LOG), chunk):
        changelog += keep(partition, LOG[start : start + chunk])
    table = partition.state.recipients
    assert isinstance(table, RocksRecipients)
    table.close()

    again = restored(tmp_path / ("anew" if anew else "first"), changelog if anew else [])
    rids = {email: rid_of(number, HOME) for number, email in enumerate(PEOPLE, 1)}
    questions = [asked(rid=rid) for rid in rids.values()]
    again.run(log_of(questions, start=len(LOG)))
    answers = dict(zip(PEOPLE, again.shown(), strict=True))
    for email, (outcome, shown) in answers.items():
        assert outcome == ("UNKNOWN_RECIPIENT" if email in GONE else "DONE"), email
        if email not in GONE:
            city = "Ribe" if email in PEOPLE[::5] and email not in BACK else None
            assert (shown["email"], shown["rid"], shown["city"]) == (email, rids[email], city)
    end = len(LOG) + len(questions)
    again.run(log_of([triggered(email=GONE[0]), erased(email=GONE[1])], start=end))
    assert again.outcomes()[-1] == (rids[GONE[0]], Outcome.CREATED)
    assert again.shown()[-1][1]["rid"] == rids[GONE[1]]
    reopened = again.state.recipients
    assert isinstance(reopened, RocksRecipients)
    reopened.close()
