"""One round: load, faults, healing, and the verdict."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, closing, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from producers.client import TriggerClient
from producers.errors import ClientError
from producers.settings import ClientSettings
from schemas.records import MailingPhase
from tests.history import evidence, system
from tests.history.checker import Checker
from tests.history.clients import Clients
from tests.history.desk import Desk
from tests.history.generator import FIRST_MORTAL, MAILINGS, MORTAL_ORG, Mix
from tests.history.nemesis import Nemesis
from tests.history.observer import Observer, commits
from tests.history.record import History, by_type
from tests.history.topics import Topics, at_rest
from tests.support.worker import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from producers.control import MailingView
    from tests.history.system import System
    from tests.support.proxied import Proxied

CALL_WITHIN_S = 30.0
DIRECT_ACK_TIMEOUT_S = 10.0
# What the system has for getting well again: a session, a worker's start and a takeover, on a
# machine that is busy with other things too.
HEAL_WITHIN_S = 60.0
_REPEATED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a round is made of; the same *seed* asks and breaks the same things."""

    seed: str
    seconds: float
    processes: int = 16
    pause_s: float = 0.25
    mix: Mix = field(default_factory=Mix)
    quiet_s: float = 3.0
    # Faults that come in any case, and those that chance may choose; none: no chance.
    first: Sequence[str] = ()
    names: Sequence[str] = ()
    needed: Sequence[str] = evidence.NEEDED
    # The bug of the workers, when they are to have one.
    mutant: str = ""


@dataclass(slots=True)
class Verdict:
    """What came of a round."""

    seed: str
    seconds: float
    asked: int
    acknowledged: int
    attempts: dict[str, int]
    events: int
    sends: int
    faults: dict[str, int]
    faults_failed: dict[str, int]
    evidence: dict[str, int]
    missing: list[str]
    breaches: dict[str, int]
    examples: dict[str, list[str]]
    ended_by_themselves: dict[str, int]
    healed_within_s: float
    check_s: float

    @property
    def word(self) -> str:
        """Return `failed`, `void` or `passed`."""
        return "failed" if self.breaches else "void" if self.missing else "passed"

    def summary(self) -> dict[str, Any]:
        """Return everything as a document."""
        return {"verdict": self.word} | asdict(self)


def run(
    plan: Plan,
    broker: Proxied,
    directory: Path,
    watch: Callable[[System], AbstractContextManager[object]] = nullcontext,
) -> Verdict:
    """Run a round on *broker*, *watch* it; the history is left in *directory*."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        closing(History(directory / "history.jsonl")) as history,
        system.running(broker, directory, mutant=plan.mutant) as running,
        Observer(running.seen, history),
    ):
        with watch(running):
            story = asyncio.run(_story(plan, running, history))
        history.flush()
        began = time.monotonic()
        return _judge(plan, running, history, story, began)


@dataclass(slots=True)
class _Story:
    clients: Clients
    nemesis: Nemesis
    views: list[MailingView]
    seconds: float
    healed_within_s: float
    not_healed: str = ""


async def _story(plan: Plan, running: System, history: History) -> _Story:
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=plan.processes + 8)
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=running.url, timeout=CALL_WITHIN_S, trust_env=False, limits=limits
            )
        )
        await until(lambda: _ready(http), within_s=HEAL_WITHIN_S)
        settings = ClientSettings(
            running.cluster.bootstrap_servers,
            topic_prefix=running.cluster.prefix,
            ack_timeout_s=DIRECT_ACK_TIMEOUT_S,
            # A broker that is away is not worth a line here.
            security={"log_level": "0"},
        )
        direct = [await stack.enter_async_context(TriggerClient(settings)) for _ in range(2)]
        desk = Desk(history, plan.seed, http, direct)
        clients = Clients(desk, pause_s=plan.pause_s, mix=plan.mix)
        await clients.operators.define()
        loop = asyncio.get_running_loop()
        running.burst = partial(loop.call_soon_threadsafe, clients.burst)
        running.cut_callers = lambda: loop.call_soon_threadsafe(clients.cut)
        clients.start(plan.processes)
        await asyncio.sleep(plan.quiet_s)
        nemesis = Nemesis(running, history, plan.seed, names=plan.names, first=plan.first)
        await nemesis.rage(plan.seconds)
        healing = time.monotonic()
        story = _Story(clients, nemesis, [], 0.0, 0.0)
        try:
            # Everything must answer again while the load goes on, and without anybody's help.
            for org in {org for org, _ in MAILINGS}:
                await until(lambda org=org: clients.probe(org), within_s=HEAL_WITHIN_S)
            story.healed_within_s = round(time.monotonic() - healing, 2)
            clients.check()
            await clients.stop()
            await until(lambda: clients.once_more(_REPEATED), within_s=HEAL_WITHIN_S)
            await until(clients.operators.resume_all, within_s=HEAL_WITHIN_S)
            story.views = await until(lambda: _drained(clients, direct[0]), within_s=HEAL_WITHIN_S)
        except AssertionError as exc:
            story.not_healed = str(exc)
            await clients.stop()
        story.seconds = round(time.monotonic() - began, 1)
        return story


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        answer = await http.get("/readyz")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


async def _drained(clients: Clients, direct: TriggerClient) -> list[MailingView] | None:
    """Invoke everything; return the mailings when nothing of those that are active is pending."""
    if not await clients.operators.invoke_all():
        return None
    mortals = [(MORTAL_ORG, mid) for mid in range(FIRST_MORTAL, clients.known.mortal + 1)]
    try:
        views = [await direct.mailing(org, mid) for org, mid in (*MAILINGS, *mortals)]
    except ClientError:
        return None
    waits = [view for view in views if view.pending and view.state is MailingPhase.ACTIVE]
    return None if waits else views


def _judge(plan: Plan, running: System, history: History, story: _Story, began: float) -> Verdict:
    cluster, nemesis = running.seen, story.nemesis
    breaches: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    if story.not_healed:
        breaches["L1"], examples["L1"] = 1, [story.not_healed]
    try:
        at_rest(cluster)
    except AssertionError as exc:
        breaches["L1"], examples["L1"] = 1, [f"the topics do not come to rest: {exc}"]
    topics, committed = Topics(cluster), commits(cluster)
    checker = Checker(history.path, topics, committed)
    judged = checker.run(story.views)
    breaches |= judged.counts
    examples |= judged.examples
    found = evidence.gather(topics, checker.meaning, checker.calls, committed)
    found |= {f"network: {what}": times for what, times in running.proxy.counted().items()}
    return Verdict(
        plan.seed,
        story.seconds,
        story.clients.asked,
        story.clients.acknowledged,
        by_type(checker.calls),
        len(topics.events),
        len(topics.read("mailing.sends")),
        dict(nemesis.done),
        dict(nemesis.failed),
        found,
        evidence.missing(found, plan.needed),
        breaches,
        examples,
        {place.name: place.ended_by_itself for place in running.places if place.ended_by_itself},
        story.healed_within_s,
        round(time.monotonic() - began, 1),
    )
