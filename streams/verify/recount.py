"""The recount: what the log says, beside everything that the workers made of it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from streams.verify.partition import Partition
from streams.verify.reading import ACKS, LOG, Topics
from streams.verify.records import Records
from streams.verify.report import Kind, Report
from streams.verify.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[[int, int], None]


# What retention has deleted is neither lost nor compared, and leaves some of the rest open.
_GONE = {
    "answers_gone": "{:,} events have no answer to compare: mailing.acks no longer has it",
    "sends_gone": "{:,} messages have no send to compare: mailing.sends no longer has it",
    "dead_letters_gone": "{:,} dead letters to compare are gone",
    "answers_unsure": "{:,} answers had to be one of several: deleted events decide which",
    "messages_unsure": "{:,} messages may be sent, wait or be none: deleted events decide which",
    "answers_of_gone_events": "{:,} answers are of events that the log no longer has",
    "sends_of_gone_events": "{:,} sends are of events that the log no longer has",
    "dead_letters_of_gone_events": "{:,} dead letters are of events that the log no longer has",
}


def recount(
    bootstrap_servers: str,
    prefix: str = "",
    *,
    security: Mapping[str, str] | None = None,
    registered: Callable[[int], str | None] = lambda _: None,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Compare the topics under *prefix* with what the model makes of the log.

    Works beside running workers. *registered* gives the schema text of a registry's id, *progress*
    hears (offsets read, offsets in all). CannotRead when the topics cannot be compared.
    """
    topics = Topics(bootstrap_servers, prefix, security or {})
    return compare(topics, Records(registered), progress)


def compare(
    topics: Topics, records: Records, progress: Progress = lambda _done, _all: None
) -> Report:
    """Compare *topics* with what the model makes of their log."""
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
    # One after the other: only one model is in memory.
    checks: dict[int, Partition] = {}
    for number in range(topics.partitions[LOG]):
        check = Partition(number, topics, records, told, report, read_to)
        if check.run():
            checks[number] = check

    def is_somebodys(rid: int) -> bool:
        if rid % 1024 not in checks:
            return False
        rids = checks[rid % 1024].rids
        at = bisect_left(rids, rid)
        return at < len(rids) and rids[at] == rid

    told.finish(is_somebodys, whole=len(checks) == topics.partitions[LOG])
    report.limits += [text.format(n) for name, text in _GONE.items() if (n := report.counts[name])]
    _compare_copies(list(checks.values()), topics, report)
    return report


def _compare_copies(checks: list[Partition], topics: Topics, report: Report) -> None:
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
