"""Faults of the network between everybody of ours and the broker, beside any others.

The proxy before the broker does them (`tests.support.faults_network`); those who look on have a way
past it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.faults_network import of_lines, of_requests
from tests.support.worker import SESSION_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.history.faults import Fault
    from tests.history.system import System
    from tests.support.faultproxy import FaultProxy
    from tests.support.faults_network import Fault as NetworkFault


def _all(*proxies: FaultProxy) -> dict[str, NetworkFault]:
    return {fault.name: fault for fault in (*of_lines(proxies), *of_requests(proxies))}


class _OnTheProxy:
    """The fault of that name, on the system's proxy."""

    def __init__(self, name: str, system: System, _: Random) -> None:
        fault = _all(system.proxy)[name]
        self.name, self.begin, self.end = name, fault.begin, fault.end
        # Without heartbeats a session has to end before anything happens.
        least = SESSION_S if name in {"heartbeats dropped", "network silent"} else 0.5
        self.hold_s = (least, least + 3.0)


FAULTS: dict[str, Callable[[System, Random], Fault]] = {
    name: partial(_OnTheProxy, name) for name in _all()
}
