"""The whole system as its users meet it: broker, worker process and bridge process, over HTTP."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from streams.verify.reading import SENDS, Topics
from streams.verify.records import Records
from tests.support.ports import own_port
from tests.support.processes import Processes
from tests.support.topics import fresh_prefix, make_topics
from tests.support.wait import eventually
from tests.support.worker import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.verify.reading import Place
    from tests.support.processes import Running

ORG = 2
TRIGGER_PATH = "/v3.7/mailing/trigger"
CALL_WITHIN_S = 60.0
# What a working system may take on a machine that is busy with other things.
HASTY_BELOW_S = 20.0
# The answers to calls of which nobody knows whether they are in the log.
OPEN = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}


class Sent:
    """Messages handed over; each record of the topic is read once, however often one asks."""

    def __init__(self) -> None:
        self._records = Records()
        self._read: list[dict[str, Any]] = []
        self._read_to: dict[Place, int] = {}

    def up_to_now(self, cluster: Cluster) -> list[dict[str, Any]]:
        """Return all that there are now."""
        topics = Topics(cluster.bootstrap_servers, cluster.prefix)
        topics.begins |= self._read_to
        self._read += [self._records.read(raw.value)[1] for raw in topics.read(SENDS)]
        self._read_to = {place: end for place, end in topics.ends.items() if place[0] == SENDS}
        return self._read


@dataclass(frozen=True, slots=True)
class Stack:
    """A running system, shared by tests that each define a mailing of their own."""

    cluster: Cluster
    worker: Running
    bridge: Running
    http: httpx.Client
    # Whether the bridge waits shorter for answers than a working system may take.
    hasty: bool = False
    sent: Sent = field(default_factory=Sent)
    # Mailing 1 is the seed's.
    mids: Iterator[int] = field(default_factory=lambda: count(100))

    def ready(self) -> bool:
        """Whether a call would be answered."""
        assert self.worker.running(), self.worker.output()
        assert self.bridge.running(), self.bridge.output()
        try:
            return self.http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def mailing(self, mid: int | None = None, **definition: object) -> Mailing:
        """Define a mailing, a new one unless *mid* is given; no timer invokes it."""
        defined = Mailing(self, next(self.mids) if mid is None else mid)
        body = {"name": "Example Mailing", "interval": 0} | definition
        answer = self.answered(
            lambda: self.http.put("/v3.7/mailing", params=defined.params, json=body)
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return defined

    def answered(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Return the answer to a call that may be made again.

        A hasty bridge, which is to refuse soon while a fault lasts, may leave one open without any.
        """

        def settled() -> httpx.Response | None:
            answer = ask()
            return None if self.hasty and answer.status_code in OPEN else answer

        answer = eventually(settled)
        assert answer is not None
        return answer

    def sends(self) -> list[dict[str, Any]]:
        """Return every message handed to whoever delivers, read by no code of the worker."""
        return self.sent.up_to_now(self.cluster)


@dataclass(frozen=True, slots=True)
class Mailing:
    """One mailing of a stack."""

    stack: Stack
    mid: int

    @property
    def params(self) -> dict[str, int]:
        """Query parameters of every call about it."""
        return {"orgid": ORG, "mid": self.mid}

    def call(
        self, body: bytes | str, *, verb: str = "PUT", path: str = TRIGGER_PATH, prefer: str = ""
    ) -> httpx.Response:
        """Make one trigger call."""
        headers = {"Content-Type": "application/json"} | ({"Prefer": prefer} if prefer else {})
        return self.stack.http.request(
            verb, path, params=self.params, content=body, headers=headers
        )

    def ids(self, body: bytes | str) -> list[int]:
        """Make one call that has to be answered 200, and return the IDs."""
        answer = self.stack.answered(lambda: self.call(body))
        assert answer.status_code == httpx.codes.OK, answer.text
        ids: list[int] = answer.json()
        return ids

    def counters(self) -> dict[str, Any]:
        """Return the mailing as it is now, but for the moment, which is another at each look."""
        http = self.stack.http
        answer = self.stack.answered(lambda: http.get("/v3.7/mailing", params=self.params))
        assert answer.status_code == httpx.codes.OK, answer.text
        view: dict[str, Any] = answer.json()
        del view["asOf"]
        return view

    def mailed(self) -> list[dict[str, Any]]:
        """Invoke the mailing and return all it has ever sent, when nothing of it is pending."""
        http = self.stack.http
        answer = self.stack.answered(lambda: http.post("/v3.7/mailing/invoke", params=self.params))
        assert answer.status_code == httpx.codes.OK, answer.text
        eventually(lambda: self.counters()["pending"] == 0)
        counters = self.counters()
        # Counters are ahead of the transactions that make sends visible. `sent` counts messages,
        # of which each has a send a channel.
        sends = counters["emails"] + counters["sms"]
        return eventually(lambda: self._sends(at_least=sends)).sends

    def _sends(self, *, at_least: int) -> _Found | None:
        sends = [send for send in self.stack.sends() if send["mid"] == self.mid]
        return _Found(sends) if len(sends) >= at_least else None


@dataclass(frozen=True, slots=True)
class _Found:
    """Sends, none of them included; as a list, none would look like not yet."""

    sends: list[dict[str, Any]]


@contextmanager
def running(
    bootstrap_servers: str,
    directory: Path,
    *,
    ack_timeout_s: float,
    replication: int = 1,
    processes: int = 1,
) -> Iterator[Stack]:
    """Start a worker and a bridge on new topics; end both with the block."""
    prefix = fresh_prefix()
    make_topics(bootstrap_servers, prefix, replication=replication)
    started = Processes(directory)
    cluster = Cluster(bootstrap_servers, prefix, directory, started)
    try:
        worker = cluster.start(processes=processes)
        port = own_port()
        env = cluster.environment(PORT=str(port), ACK_TIMEOUT_S=str(ack_timeout_s))
        bridge = started.start("bridge", env=env)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=CALL_WITHIN_S, trust_env=False) as http:
            hasty = ack_timeout_s < HASTY_BELOW_S
            stack = Stack(cluster, worker, bridge, http, hasty=hasty)
            eventually(stack.ready)
            yield stack
    finally:
        started.end_all()
