"""Who takes part: how each is started, and what it promises."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing_trigger import children
from mailing_trigger.settings import Settings, child_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mailing_trigger.children import Child


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the job; *command* takes broker, topic prefix and group."""

    name: str
    guarantee: str
    command: Callable[[str, str, str], list[str]]

    def start(self, bootstrap_servers: str, prefix: str, group: str, folder: Path) -> Child:
        """Start one process of it, with its output in *folder*."""
        settings = Settings(
            bootstrap_servers=bootstrap_servers,
            topic_prefix=prefix,
            group=group,
            processes=1,
            data_dir=folder / prefix,
        )
        return children.start(
            self.name,
            self.command(bootstrap_servers, prefix, group),
            child_environment(settings),
            log=folder / f"{prefix}log",
        )


def _peer(module: str) -> Callable[[str, str, str], list[str]]:
    return lambda *arguments: [sys.executable, "-m", f"bench.peers.{module}", *arguments]


OURS = Contestant("worker", "exactly once", lambda *_: children.command("worker"))
PLAIN_LOOP = Contestant("plain loop", "at least once, no transaction", _peer("plain_loop"))
STOCK_FAUST = Contestant("stock Faust", "at least once, with holes", _peer("stock_faust"))
