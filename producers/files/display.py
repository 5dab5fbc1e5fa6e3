"""The progress bar of an import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from producers.files.progress import Progress as ImportProgress


class Display:
    """Shows how far an import has come; on anything but a terminal it shows nothing."""

    def __init__(self, console: Console | None, name: str, total: int | None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected"),
            TimeRemainingColumn(),
            console=console,
            disable=console is None or not console.is_terminal,
        )
        self._task = self._bar.add_task(escape(name), total=total, rows=0, rejected=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def at(self, progress: ImportProgress, file: IO[bytes]) -> None:
        """Show *progress*; how much of *file* has been read says how much is left."""
        if self._bar.disable:
            return
        place = os.lseek(file.fileno(), 0, os.SEEK_CUR) if file.seekable() else None
        self._bar.update(
            self._task, completed=place, rows=progress.rows, rejected=progress.counts.rejected
        )


def display(console: Console | None, name: str) -> Display:
    """Return the display of an import of the file *name*."""
    path = Path(name)
    return Display(console, path.name, path.stat().st_size if path.is_file() else None)
