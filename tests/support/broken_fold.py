"""`mailing-trigger` with a bug in its fold: it raises on one address."""

from __future__ import annotations

import sys
from typing import Any

from streams.core import transition
from tests.support.folding import none_is_ordinary

POISONED = "poison@example.org"
KEY = b"2:poison@example.org"


def main() -> None:
    """Run the command line."""
    apply_trigger = transition.apply_trigger

    def broken(state: Any, trigger: Any, at: tuple[int, int], key: bytes, effects: Any) -> Any:
        if key == KEY:
            raise RuntimeError("a bug")
        return apply_trigger(state, trigger, at, key, effects)

    transition.apply_trigger = broken
    # The loop for ordinary triggers has no bug: it leaves this one to the plain fold.
    transition.fold_run = none_is_ordinary
    from mailing_trigger.cli import main as run

    run()


if __name__ == "__main__":
    sys.exit(main())
