"""The recount: what the log says, beside everything that the workers made of it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from streams.verify.reading import ACKS, LOG, Topics
from streams.verify.records import Records, nothing_registered
from streams.verify.report import Kind, Report
from streams.verify.side_by_side import SideBySide, one_by_one
from streams.verify.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.verify.partition import Checked
    from streams.verify.records import Registered
    from streams.verify.side_by_side import Checking

    Progress = Callable[[int, int], None]

# As many offsets as another process has read by the time it is there.
_WORTH_A_PROCESS = 100_000
# What retention has deleted is neither lost nor compared, and leaves some of the rest open.
_GONE = {
    "answers_gone": "{:,} events have no answer to compare: mailing.acks no longer has it",
    "sends_gone": "{:,} messages have no send to compare: mailing.sends no longer has it",
    "dead_letters_gone": "{:,} dead letters to compare are gone",
    "answers_unsure": "{:,} answers had to be one of several: deleted events decide which",
    "messages_unsure": "{:,} messages may be sent, wait or be none: deleted events decide which",
    "recipients_unsure": "{:,} recipients were erased, and may have come back in between: deleted "
    "events decide which",
    "answers_of_gone_events": "{:,} answers are of events that the log no longer has",
    "sends_of_gone_events": "{:,} sends are of events that the log no longer has",
    "dead_letters_of_gone_events": "{:,} dead letters are of events that the log no longer has",
}


def recount(
    bootstrap_servers: str,
    prefix: str = "",
    *,
    security: Mapping[str, str] | None = None,
    registered: Registered = nothing_registered,
    progress: Progress = lambda _done, _all: None,
    processes: int = 1,
) -> Report:
    """Compare the topics under *prefix* with what the model makes of the log.

    Works beside running workers. *registered* gives the schema text of a registry's id, *progress*
    hears (offsets read, offsets in all). Of several *processes*, that many partitions are compared
    at a time, as far as there is enough to read; *registered* is then pickled. CannotRead when the
    topics cannot be compared.
    """
    topics = Topics(bootstrap_servers, prefix, security or {})
    partitions = topics.partitions[LOG]
    processes = min(processes, partitions, 1 + topics.size() // _WORTH_A_PROCESS)
    records = Records(registered)
    if processes <= 1:
        return compare(topics, records, progress)
    with SideBySide(topics, registered, processes) as beside:
        return compare(topics, records, progress, beside.checked)


def compare(
    topics: Topics,
    records: Records,
    progress: Progress = lambda _done, _all: None,
    checked: Checking | None = None,
) -> Report:
    """Compare *topics* with what the model makes of their log.

    *checked* compares the partitions; without it they are compared here, one after the other.
    """
    report = Report()
    begun = [place for place, at in topics.begins.items() if place[0] == LOG and at]
    # A log without its beginning is read once more, before.
    again = sum(max(topics.ends[place] - topics.begins[place], 0) for place in begun)
    total, done = topics.size() + again, 0

    def read_to(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    told = Told(topics, records, report)
    for raw in topics.read(ACKS, read_to=read_to):
        told.take(raw)
    checks = (checked or one_by_one(topics, records))(told, report, read_to)
    rids = {check.partition: check.rids for check in checks}

    def is_somebodys(rid: int) -> bool:
        mine = rids.get(rid % 1024, ())
        at = bisect_left(mine, rid)
        return at < len(mine) and mine[at] == rid

    told.finish(is_somebodys, whole=len(checks) == topics.partitions[LOG])
    report.limits += [text.format(n) for name, text in _GONE.items() if (n := report.counts[name])]
    _compare_copies(checks, topics, report)
    return report


def _compare_copies(checks: list[Checked], topics: Topics, report: Report) -> None:
    """Every request that its home partition judged is a copy in every other partition's log."""
    for home in checks:
        for copy in sorted(made for made in home.copies if made.made):
            for other in checks:
                missing = other is not home and copy._replace(made=False) not in other.copies
                if missing and not topics.begins[LOG, other.partition]:
                    report.breach(
                        Kind.LOST,
                        LOG,
                        other.partition,
                        -1,
                        detail=f"{copy.name} of mailing {copy.mid} of organisation {copy.orgid}, "
                        f"revision {copy.revision}, never came from partition {home.partition}",
                    )
