"""What a person reads: results on stdout, progress on stderr, plain when it is not a terminal."""

from __future__ import annotations

from rich.console import Console

# No highlighting and no markup: what we print is data, and data has brackets.
console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
progress_console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, emoji=False)


def say(line: str) -> None:
    """Print a result."""
    console.print(line)


def progress(line: str) -> None:
    """Print what is being done."""
    progress_console.print(f"· {line}", style="dim")
