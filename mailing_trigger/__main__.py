"""`python -m mailing_trigger`, the same as the script `mailing-trigger`."""

from __future__ import annotations

import sys

from mailing_trigger.cli import main

if __name__ == "__main__":
    sys.exit(main())
