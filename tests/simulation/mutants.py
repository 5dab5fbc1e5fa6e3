"""Workers with one mistake each: what the simulation has to find, or it proves nothing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from streams.core import restore as restore_module
from streams.core.call_table import CallTable
from streams.core.control import ControlFold
from streams.core.restore import Restore
from streams.worker import restoring, takeover
from streams.worker.engine import Engine
from streams.worker.shipping import Outcome, Replier, Shipper
from streams.worker.source import Source
from streams.worker.takeover import Takeover
from tests.simulation import seams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def fresh_membership() -> Iterator[None]:
    """The group metadata is taken when a transaction is shipped, not when it was fetched."""
    ship = Shipper.ship

    def mutant(self: Shipper, transaction: Any, **more: Any) -> Any:
        process = seams.current().processes[self._settings.bootstrap_servers]
        if process.members:
            transaction.group_metadata = process.members[0].consumer_group_metadata()
        return ship(self, transaction, **more)

    with mock.patch.object(Shipper, "ship", mutant):
        yield


@contextmanager
def no_incarnations() -> Iterator[None]:
    """Shipping does not ask whether a partition was given up or rewound meanwhile."""
    with mock.patch.object(Engine, "_is_ours", return_value=True):
        yield


@contextmanager
def no_incarnations_anywhere() -> Iterator[None]:
    """Nobody asks whether a partition was given up or rewound meanwhile."""
    with mock.patch.object(Source, "is_current", return_value=True):
        yield


@contextmanager
def restore_to_the_end() -> Iterator[None]:
    """A restore stops at the changelog's end as it is, whatever the offset's note says."""
    read = restoring.read_changelog

    def mutant(consumer: Any, place: Any, restore: Any, _wanted: int, ours: Any) -> int:
        return read(consumer, place, restore, 0, ours)

    with mock.patch.object(takeover, "read_changelog", mutant):
        yield


class _UntilApplied:
    """A restore whose `seq` is right as soon as its `applied` is."""

    def __init__(self, restore: Restore, following: int, wanted: int) -> None:
        self._restore, self._following, self._wanted = restore, following, wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._restore, name)

    @property
    def seq(self) -> int:
        meta = self._restore.meta
        applied = -1 if meta is None else restore_module._decode(meta)["applied"]
        return self._wanted if applied + 1 >= self._following else -1


@contextmanager
def restore_to_applied() -> Iterator[None]:
    """A restore stops when `applied` is the committed offset's: drains do not move it."""
    read = restoring.read_changelog

    def mutant(consumer: Any, place: Any, restore: Any, wanted: int, ours: Any) -> int:
        following, _ = seams.current().broker.offsets.get(place.partition, (0, ""))
        return read(consumer, place, _UntilApplied(restore, following, wanted), wanted, ours)  # type: ignore[arg-type]

    with mock.patch.object(takeover, "read_changelog", mutant):
        yield


@contextmanager
def commit_before_replies() -> Iterator[None]:
    """A transaction is committed before its replies are known to be delivered."""
    with mock.patch.object(Replier, "wait", return_value=None):
        yield


@contextmanager
def release_at_once() -> Iterator[None]:
    """A partition is given up while something of it is being shipped."""

    async def mutant(self: Engine, partitions: list[int]) -> None:
        for partition in partitions:
            self.owned.pop(partition, None)
            if self._building is not None:
                self._building.parts.pop(partition, None)
        if self._building is not None and not self._building.parts:
            self._building = None

    with mock.patch.object(Engine, "_release", mutant):
        yield


@contextmanager
def unknown_is_aborted() -> Iterator[None]:
    """A transaction whose outcome nobody knows is folded again, as if it had been aborted."""
    take_back = Engine._take_back

    def mutant(self: Engine, transaction: Any, shipped: Any) -> None:
        take_back(self, transaction, replace(shipped, outcome=Outcome.ABORTED))

    with mock.patch.object(Engine, "_take_back", mutant):
        yield


@contextmanager
def next_transaction_survives() -> Iterator[None]:
    """What was built on a transaction that was not written is written all the same."""
    take_back = Engine._take_back

    def mutant(self: Engine, transaction: Any, shipped: Any) -> None:
        building, self._building = self._building, None
        take_back(self, transaction, shipped)
        self._building = building

    with mock.patch.object(Engine, "_take_back", mutant):
        yield


@contextmanager
def unstable_offset() -> Iterator[None]:
    """The offset a takeover begins with may be an older one than that about to be committed."""
    committed = Takeover._committed

    def mutant(self: Takeover, partition: int, *, stable: bool) -> Any:
        return committed(self, partition, stable=stable and False)

    with mock.patch.object(Takeover, "_committed", mutant):
        yield


@contextmanager
def dirty_restore() -> Iterator[None]:
    """A restore reads what was never committed."""
    make = takeover.state_consumer

    def mutant(settings: Any) -> Any:
        consumer: Any = make(settings)
        consumer._committed = False
        return consumer

    with mock.patch.object(takeover, "state_consumer", mutant):
        yield


@contextmanager
def replies_forgotten() -> Iterator[None]:
    """A transaction whose replies failed is not folded again: only its commit is repeated."""
    wait = Replier.wait

    def mutant(self: Replier, receipt: Any, deadline: float) -> Any:
        error = wait(self, receipt, deadline)
        if error is not None:
            self.renew()
        return None

    with mock.patch.object(Replier, "wait", mutant):
        yield


@contextmanager
def one_event_too_far() -> Iterator[None]:
    """After a transaction that was not written, fetching goes on behind its first event."""
    rewind = Source.rewind

    def mutant(self: Source, partition: int, incarnation: int, offset: int) -> int | None:
        return rewind(self, partition, incarnation, offset + 1)

    with mock.patch.object(Source, "rewind", mutant):
        yield


@contextmanager
def nobody_is_fenced() -> Iterator[None]:
    """A dead owner's transaction stays open until the broker ends it."""
    with mock.patch.object(Takeover, "_fence_dead_owner"):
        yield


@contextmanager
def given_up_by_name_alone() -> Iterator[None]:
    """A partition is given up at once, its transaction is shipped unasked, under any membership.

    Each of the three is held by the other two: one alone, or two, and nothing goes wrong.
    """
    with fresh_membership(), release_at_once(), no_incarnations():
        yield


@contextmanager
def keys_forgotten() -> Iterator[None]:
    """A restore knows nothing of calls under a key."""
    with mock.patch.object(CallTable, "load"):
        yield


@contextmanager
def batches_come_back() -> Iterator[None]:
    """A restore does not see that messages were sent, or taken back."""
    keep = Restore._keep

    def mutant(self: Restore, records: Any) -> None:
        keep(self, [each for each in records if each[1] is not None or each[0][:2] != b"p:"])

    with mock.patch.object(Restore, "_keep", mutant):
        yield


@contextmanager
def copies_are_believed() -> Iterator[None]:
    """A copy is obeyed whatever revision it has: also one that comes again."""
    revision = ControlFold._revision

    def mutant(self: ControlFold, event: Any, mailing: Any) -> Any:
        known = revision(self, event, mailing)
        return event["revision"] if known is None else known

    with mock.patch.object(ControlFold, "_revision", mutant):
        yield


# Each with its scenario, and a word of the deviations that show it, so that few schedules have to
# run.
MUTANTS: tuple[tuple[Callable[[], Any], str, str], ...] = (
    (given_up_by_name_alone, "few", "stall: w1 ship"),
    (no_incarnations_anywhere, "few", "stall: w1 source"),
    (restore_to_the_end, "few", "stall: marker"),
    (restore_to_applied, "few", "stall: marker"),
    (unstable_offset, "few", "marks late"),
    (dirty_restore, "few", "is refused"),
    (nobody_is_fenced, "few", "crash: w1 ship"),
    (commit_before_replies, "few", "is out of order"),
    (replies_forgotten, "few", "is out of order"),
    (unknown_is_aborted, "few", "is not answered: w1 commits"),
    (next_transaction_survives, "few", "stall: w1 ship"),
    (one_event_too_far, "few", "is refused"),
    (keys_forgotten, "changing", "crash: w1"),
    (batches_come_back, "changing", "crash: w1"),
    (copies_are_believed, "changing", "crash: w2"),
)
