"""Faults of network and brokers as objects, for tests that draw from a list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.support.faultrules import Api, Do, Line, Rule

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.support.faultproxy import FaultProxy
    from tests.support.kafka_cluster import KafkaCluster, Node


class Fault(Protocol):
    """Something that goes wrong at `begin` and is over at `end`; it may begin again after."""

    @property
    def name(self) -> str:
        """What it is called in a history."""

    def begin(self) -> None:
        """Let it happen; returns soon."""

    def end(self) -> None:
        """Heal it; returns when it is healed, not when everybody has noticed."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """The lines through *proxies* are like *line*."""

    name: str
    proxies: Sequence[FaultProxy]
    line: Line

    def begin(self) -> None:
        for proxy in self.proxies:
            proxy.set_line(self.line)

    def end(self) -> None:
        for proxy in self.proxies:
            proxy.set_line()


@dataclass(frozen=True, slots=True)
class Resets:
    """Every connection is reset, once."""

    proxies: Sequence[FaultProxy]
    name: str = "connections reset"

    def begin(self) -> None:
        for proxy in self.proxies:
            proxy.reset_all()

    def end(self) -> None:
        """Nothing to heal."""


@dataclass(frozen=True, slots=True)
class SpoiltRequests:
    """*rule* holds at each proxy."""

    name: str
    proxies: Sequence[FaultProxy]
    rule: Rule

    def begin(self) -> None:
        for proxy in self.proxies:
            proxy.add(self.rule)

    def end(self) -> None:
        for proxy in self.proxies:
            proxy.remove(self.rule)


@dataclass(slots=True)
class _OfNode:
    """Something that happens to one of a cluster's nodes, which *rng* draws each time."""

    cluster: KafkaCluster
    rng: random.Random
    _node: Node | None = field(default=None, init=False)

    def _draw(self) -> Node:
        self._node = self.rng.choice(self.cluster.nodes)
        return self._node

    def _drawn(self) -> Node:
        assert self._node is not None, "it has not begun"
        return self._node


@dataclass(slots=True)
class BrokerKilled(_OfNode):
    """A broker is killed, and started on its data at the end."""

    name: str = "broker killed"

    def begin(self) -> None:
        # Two of three are needed, so none goes before the last one is back in sync.
        self.cluster.wait_until_whole()
        self._draw().kill()

    def end(self) -> None:
        self._drawn().start()


@dataclass(slots=True)
class BrokerPaused(_OfNode):
    """A broker is frozen: its connections stay, and nothing is answered."""

    name: str = "broker paused"

    def begin(self) -> None:
        self.cluster.wait_until_whole()
        self._draw().pause()

    def end(self) -> None:
        self._drawn().resume()


def of_lines(proxies: Sequence[FaultProxy]) -> list[Fault]:
    """Return the faults of the lines through *proxies*."""
    both = Line(hold_up=True, hold_down=True)
    return [
        BadLine("network slow", proxies, Line(delay_s=0.1, jitter_s=0.08)),
        BadLine("network in slices", proxies, Line(slice_bytes=50)),
        BadLine("network torn", proxies, Line(cut_after=20_000)),
        BadLine("network silent", proxies, both),
        BadLine("network deaf", proxies, Line(hold_up=True)),
        BadLine("network dumb", proxies, Line(hold_down=True)),
        Resets(proxies),
    ]


def of_requests(proxies: Sequence[FaultProxy]) -> list[Fault]:
    """Return the faults of single requests, each of which Kafka's protocol must survive."""
    return [
        SpoiltRequests(name, proxies, rule)
        for name, rule in (
            ("produce unanswered", Rule(Api.PRODUCE, Do.LOSE_ANSWER, every=10)),
            ("commit unanswered", Rule(Api.END_TXN, Do.LOSE_ANSWER, every=3)),
            ("commit answered late", Rule(Api.END_TXN, Do.DELAY_ANSWER, every=5, seconds=2.0)),
            (
                "offsets answered late",
                Rule(Api.TXN_OFFSET_COMMIT, Do.DELAY_ANSWER, every=5, seconds=2.0),
            ),
            ("offsets unanswered", Rule(Api.TXN_OFFSET_COMMIT, Do.LOSE_ANSWER, every=3)),
            ("heartbeats dropped", Rule(Api.HEARTBEAT, Do.DROP)),
            ("no brokers named", Rule(Api.METADATA, Do.NO_BROKERS)),
        )
    ]


def of_brokers(cluster: KafkaCluster, rng: random.Random) -> list[Fault]:
    """Return the faults of a cluster's brokers."""
    return [BrokerKilled(cluster, rng), BrokerPaused(cluster, rng)]
