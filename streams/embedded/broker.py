"""Apache Kafka as a child process: one node, real storage, no Docker, no installed Java."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streams.embedded import launch
from streams.embedded.config import HOST
from streams.embedded.datadir import DataDir
from streams.embedded.death import cause_of_death
from streams.embedded.errors import BrokerError
from streams.embedded.jars import class_path
from streams.embedded.java import find_java
from streams.embedded.readiness import wait_until_serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

SERVE_WITHIN_S = 60.0  # 3 s on two idle cores; a first start on a busy laptop has taken 20
# An orderly stop takes half a second; a killed broker loses nothing, it starts more slowly.
STOP_WITHIN_S = 2.0
FORMAT_WITHIN_S = 60.0
# With the quick compiler alone (`-XX:TieredStopAtLevel=1`) a start takes 1.3 s of CPU less and as
# long, but a call over HTTP costs the broker 540 us instead of 365 (at 1,650 calls/s).
JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData")


class EmbeddedBroker:
    """A Kafka broker that lives as long as this process, on data that outlives both.

    Usage::

        with EmbeddedBroker(Path("data")) as broker:
            Producer({"bootstrap.servers": broker.bootstrap_servers})
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        jars: Path | None = None,
        *,
        progress: Callable[[str], None] | None = None,
        serve_within_s: float = SERVE_WITHIN_S,
        properties: Mapping[str, str] | None = None,
        cluster_id: str = "",
    ) -> None:
        """With *port* 0 a free one is chosen the first time and kept for every later start.

        *properties* of Kafka's stand above ours, and *cluster_id* is for a node of several: so a
        test puts a proxy before the broker, or makes a cluster of three.
        """
        self._dir = DataDir(Path(data_dir))
        self._asked_port = port
        self._jars = jars
        self._progress = progress or (lambda _line: None)
        self._serve_within_s = serve_within_s
        self._properties = dict(properties or {})
        self._cluster_id = cluster_id
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: TextIO | None = None
        self._logged_before = 0

    @property
    def bootstrap_servers(self) -> str:
        """The broker's address; known once it was started, and still after a stop."""
        if not self._port:
            raise BrokerError("the broker has no address before its first start")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BrokerError("the broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Return when clients are served, transactions included; raise with cause and cure."""
        if self._process is not None:
            raise BrokerError("the broker was started already: stop it first")
        java = find_java()
        classes = class_path(self._jars, self._progress)
        self._lock = self._dir.acquire()
        try:
            self._port = self._dir.choose_port(self._asked_port)
            self._dir.write_settings(self._port, self._properties)
            if not self._dir.is_formatted:
                self._progress("formatting the broker's storage")
                self._format(java, classes)
            self._progress("starting Apache Kafka")
            self._process = self._launch(java, classes)
            self._lock.truncate(0)
            self._lock.write(f"{self._process.pid}\n")
            self._lock.flush()
            wait_until_serving(
                HOST, self._port, within_s=self._serve_within_s, check_alive=self.check
            )
        except OSError as exc:
            self.kill()
            raise self._dir.cannot_write(exc) from exc
        except BaseException:
            self.kill()
            raise

    def check(self) -> None:
        """Raise with the cause when the broker has died by itself."""
        if self._process is not None and self._process.poll() is not None:
            cause = cause_of_death(
                (self._dir.console, self._dir.broker_log), since=(0, self._logged_before)
            )
            raise BrokerError(f"the broker died: {cause} (its log is {self._dir.broker_log})")

    def stop(self) -> None:
        """Let the broker close its files, for a few seconds; nothing to do when none runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._forget()

    def kill(self) -> None:
        """End the broker as a crash would."""
        if self._process is not None:
            self._process.kill()
        self._forget()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _java(self, java: Path, classes: str, *main: str) -> list[str]:
        return [
            str(java),
            *JVM_OPTIONS,
            f"-Dlog4j2.configurationFile={self._dir.log4j_properties.name}",
            "-Dlog4j2.disableJmx=true",
            "-cp",
            classes,
            *main,
        ]

    def _format(self, java: Path, classes: str) -> None:
        """Write the storage's identity; a half of it, left by a crash, is written over."""
        cluster = self._cluster_id or new_cluster_id()
        main = ("kafka.tools.StorageTool", "format", "--ignore-formatted")
        arguments = ("--cluster-id=" + cluster, "--config", self._dir.server_properties.name)
        try:
            done = subprocess.run(
                self._java(java, classes, *main, *arguments),
                capture_output=True,
                text=True,
                timeout=FORMAT_WITHIN_S,
                check=False,
                cwd=self._dir.path,
                env=_environment(),
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as exc:
            raise BrokerError(
                "formatting the broker's storage did not end: is the disk slow?"
            ) from exc
        if done.returncode != 0:
            self._dir.console.write_text(done.stdout + done.stderr, "utf-8")
            cause = cause_of_death((self._dir.console,), since=(0,))
            raise BrokerError(f"cannot format the broker's storage: {cause}")

    def _launch(self, java: Path, classes: str) -> subprocess.Popen[bytes]:
        log = self._dir.broker_log
        self._logged_before = log.stat().st_size if log.exists() else 0
        command = self._java(java, classes, "kafka.Kafka", self._dir.server_properties.name)
        launcher = [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid())]
        assert self._lock is not None  # noqa: S101 - held by start()
        lock = self._lock.fileno()
        started: Future[subprocess.Popen[bytes]] = Future()

        def keep() -> None:
            try:
                with self._dir.console.open("wb") as console:
                    process = subprocess.Popen(
                        launcher + command,
                        stdin=subprocess.DEVNULL,
                        stdout=console,
                        stderr=subprocess.STDOUT,
                        cwd=self._dir.path,
                        env=_environment(),
                        pass_fds=(lock,),
                        start_new_session=True,  # Ctrl-C is for us, who stop in order
                    )
            except OSError as exc:
                started.set_exception(exc)
                return
            started.set_result(process)
            process.wait()

        # Linux kills the child when the *thread* that started it ends, so that thread must stay.
        threading.Thread(target=keep, name="embedded-broker", daemon=True).start()
        return started.result()


def new_cluster_id() -> str:
    """Return an identity for a cluster, as Kafka writes them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def _environment() -> dict[str, str]:
    """Return ours in a language whose error messages we know, with file names in UTF-8."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}
