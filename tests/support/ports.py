"""Ports for what a test starts, which nobody else of this run is given meanwhile."""

from __future__ import annotations

import os
import secrets
from itertools import count

from streams.embedded.errors import BrokerError
from streams.embedded.ports import require_free

# Below those that the product chooses from, and those that the system gives to connections. Each
# of pytest's workers has its own: between the choice and the start lie seconds.
_FIRST = 10_000
_EACH = 1_000
_MINE = _FIRST + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# In turn, for one process may choose several before it uses the first.
_next = count(secrets.randbelow(_EACH))


def own_port() -> int:
    """Return a port that nobody listens on, and that was not returned for a long time."""
    for _ in range(_EACH):
        port = _MINE + next(_next) % _EACH
        try:
            require_free(port, cure="")
        except BrokerError:
            continue
        return port
    raise AssertionError(f"no free port between {_MINE} and {_MINE + _EACH}")
