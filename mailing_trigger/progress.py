"""A bar for long reads, where a person looks on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from mailing_trigger.output import progress_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def reading() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr when that is a terminal; it is told (offsets read, offsets in all)."""
    columns = (
        TextColumn("reading"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    shown = progress_console.is_terminal
    with Progress(*columns, console=progress_console, disable=not shown, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def counting(total: int) -> Iterator[Callable[[int], None]]:
    """Show the same bar for *total* offsets; it is told how many more were read."""
    done = 0
    with reading() as show:

        def read(more: int) -> None:
            nonlocal done
            done += more
            show(done, total)

        yield read
