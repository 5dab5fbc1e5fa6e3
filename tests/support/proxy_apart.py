"""A fault proxy in a process of its own: beside a load that keeps this one's interpreter busy."""

from __future__ import annotations

import multiprocessing
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, cast

from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASKED = ("start", "stop", "set_line", "add", "remove", "reset_all", "counted")


class _Manager(BaseManager):
    """Keeps the proxy, in its process."""


_Manager.register("proxy", FaultProxy, exposed=_ASKED)


@contextmanager
def proxy_apart(port: int, broker_port: int) -> Iterator[FaultProxy]:
    """Run a proxy until the block ends; of its methods those of `_ASKED` are there."""
    with _Manager(ctx=multiprocessing.get_context("spawn")) as manager:
        proxy = cast("FaultProxy", manager.proxy(port, broker_port))  # type: ignore[attr-defined]
        proxy.start()
        try:
            yield proxy
        finally:
            proxy.stop()
