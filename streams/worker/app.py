"""The Faust app: `mailing-trigger worker`, or ``faust -A streams.worker.app worker``."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import faust
from confluent_kafka import KafkaException

from schemas.errors import RegistryRefusal
from schemas.framing import Framing
from streams.core.errors import StateError
from streams.worker.admin import AdminError, check_topics
from streams.worker.broker import faust_broker
from streams.worker.engine import Engine
from streams.worker.errors import WorkerError
from streams.worker.hearing import Hearing
from streams.worker.memory import Memory
from streams.worker.registry import registry_at
from streams.worker.settings import WorkerSettings
from streams.worker.shape import ShapeProbe
from streams.worker.tables import check_store
from streams.worker.watchdog import Watchdog, end_process

if TYPE_CHECKING:
    from schemas.registry import Registry

log = logging.getLogger("mailing_trigger.worker")

_TICK_S = 0.5
_LOOK_S = 2.0
_SWITCH_S = 0.0005
_STOP_S = 20.0
# Services that announce themselves at each step; their warnings stay.
_TALKATIVE = ("faust", "mode", "aiokafka", "streams.worker.app")


class _NoWeb(faust.App.BootStrategy):  # type: ignore[misc,valid-type]
    """Starts no web server: ``faust worker`` would, on every address, without a login."""

    enable_web = False


class _App(faust.App):
    BootStrategy = _NoWeb


def create_app(settings: WorkerSettings) -> faust.App:
    """Return the app of one worker process."""
    check_store(settings.store)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    app = _App(
        # Its own group: the leader topic's rebalances are not those of our log.
        f"{settings.group_id}-faust",
        **faust_broker(settings),
        # A start waits for Faust's group to agree, which a killed member delays until its session
        # ends: a minute by default, and no shorter than our own would help nobody.
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 3,
        datadir=str(settings.data_dir),
        store="memory://",
        topic_partitions=1,
        topic_allow_declare=True,
        # Its streams are not ours to wait for: chunks are kept and committed elsewhere.
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
    )
    wakeups = app.channel(maxsize=1)
    engines: list[Engine] = []

    @app.service
    class ChunkSource(faust.Service):
        """Starts and stops the engine with the app."""

        async def on_start(self) -> None:
            # The fold makes tuples by the million and no cycles; the collector's default rhythm,
            # once in 700 objects, takes a tenth of its time (py-spy --native).
            gc.freeze()
            gc.set_threshold(100_000, 50, 100)
            # Source and shipper ask for the interpreter a few times a fetch, and by default wait
            # 5 ms each time while events are folded.
            sys.setswitchinterval(_SWITCH_S)
            engine = _engine(settings)
            engines.append(engine)
            hearing = Hearing(settings, engine.source)
            self.shape = ShapeProbe(settings, engine)
            self.watchdog = Watchdog(
                lambda: engine.progress,
                lambda: engine.busy or hearing.events_wait,
                hearing.look,
            )
            await engine.start()
            self.watchdog.start()

        async def on_stop(self) -> None:
            self.watchdog.stop()
            # Faust waits for some things without a limit; a stop must end.
            deadline = threading.Timer(_STOP_S, end_process, ["the stop took too long; ending"])
            deadline.daemon = True
            deadline.start()
            if engines:
                await engines.pop().stop()

        @faust.Service.task
        async def call_agent(self) -> None:
            """Wake the agent; again after a while, for Faust's rebalances empty channels."""
            while not self.should_stop:
                if engines and not engines[0].running and wakeups.empty():
                    await wakeups.send(value=b"")
                await self.sleep(_TICK_S)

        @faust.Service.task
        async def watch_log(self) -> None:
            """End the worker when its log is not its log any more; and give memory back."""
            memory = Memory()
            while not self.should_stop:
                await self.sleep(_LOOK_S)
                await asyncio.to_thread(memory.look)
                try:
                    await asyncio.to_thread(self.shape.check)
                except WorkerError as exc:
                    _die(exc)

    @app.agent(wakeups)  # type: ignore[arg-type]
    async def fold(stream: faust.Stream[bytes]) -> None:
        """Fold chunks for as long as the app runs.

        One wake-up is enough: a rebalance of Faust's own group, which suspends its streams for
        seconds, must not suspend ours.
        """
        async for _ in stream:
            try:
                await engines[0].run()
            except Exception as exc:  # noqa: BLE001 - Faust would restart the agent and lose the chunk
                _die(exc)

    @app.timer(interval=_TICK_S)  # type: ignore[untyped-decorator]
    async def invoke() -> None:
        """Invoke the mailings whose time has come."""
        if engines:
            engines[0].tick()

    return app


def run(settings: WorkerSettings) -> int:
    """Run one worker in the foreground until SIGTERM or Ctrl-C; return the exit code."""
    problems = check_topics(
        settings.bootstrap_servers, prefix=settings.topic_prefix, security=settings.security
    )
    if problems:
        raise WorkerError("; ".join(problems))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
    worker = faust.Worker(create_app(settings), override_logging=False, quiet=True)
    try:
        worker.execute_from_commandline()
    except SystemExit as exc:
        return int(exc.code or 0)
    return 0


def _engine(settings: WorkerSettings) -> Engine:
    registry = registry_at(settings.schema_registry_url) if settings.schema_registry_url else None
    framing = registry.framing() if registry is not None else Framing()
    return Engine(
        settings,
        framing,
        f"{settings.group_id}-{uuid4().hex}",
        resolve=_resolver(registry, framing),
        on_failure=_die,
    )


def _resolver(registry: Registry | None, framing: Framing) -> Any:
    def resolve(schema_id: int) -> bool:
        return registry is not None and registry.resolve(framing, schema_id)

    return resolve


def _die(error: BaseException) -> None:
    if isinstance(error, WorkerError | StateError | AdminError | RegistryRefusal):
        end_process(str(error))
    if isinstance(error, MemoryError):
        end_process(
            "out of memory: give this worker more, or keep recipients on disk with --store rocksdb"
        )
    if isinstance(error, KafkaException):
        end_process(
            f"Kafka has failed this worker: {error.args[0].str()}; look at the brokers, and start "
            "it again: `mailing-trigger doctor` says what is wrong"
        )
    # Where it happened and not what it says: the text may quote a record.
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("the worker failed at\n%s", place)
    end_process(f"the worker failed: {type(error).__name__}; please report it")


def __getattr__(name: str) -> Any:
    """Make the app for ``faust -A streams.worker.app``, from the environment, when asked for."""
    if name == "app":
        return create_app(WorkerSettings.from_environ(os.environ))
    raise AttributeError(name)
