"""`mailing-trigger` whose worker gives a transaction up after a third of the time."""

from __future__ import annotations

import sys

from mailing_trigger.cli import main
from streams.worker import engine, shipping

HASTE = 3

if __name__ == "__main__":
    shipping._SHIP_S /= HASTE
    engine._SHIP_LIMIT_S /= HASTE
    sys.exit(main())
