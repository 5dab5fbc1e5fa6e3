"""Building and starting the Kafka Streams peer, where there is a JDK and a Maven."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import acks
from schemas.framing import Framing
from schemas.records import MAILING_DEFINED, RECIPIENT_TRIGGERED

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROJECT = Path(__file__).parent / "peers" / "kafka_streams"
_BUILD_WITHIN_S = 600.0
_JVM = (
    # Room for the whole state of two million events; the parallel collector has the highest
    # throughput, and on two cores no concurrent thread of it takes one away.
    "-XX:InitialRAMPercentage=30",
    "-XX:MaxRAMPercentage=30",
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


def missing() -> str | None:
    """Build the peer; return what is not here and how to get it, or None."""
    absent = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    if absent:
        return f"no {' and no '.join(absent)} here: install a JDK of 17 or later, and Maven"
    try:
        _build()
    except subprocess.SubprocessError as exc:
        return f"it could not be built: {exc}"
    return None


def _build() -> None:
    """Compile it and fetch its jars, unless that was done since its files changed."""
    jar = _PROJECT / "target" / "peer.jar"
    sources = [_PROJECT / "pom.xml", *(_PROJECT / "src").rglob("*.java")]
    if jar.exists() and jar.stat().st_mtime > max(file.stat().st_mtime for file in sources):
        return
    subprocess.run(
        ("mvn", "--quiet", "--batch-mode", "package"),
        cwd=_PROJECT,
        check=True,
        timeout=_BUILD_WITHIN_S,
    )


def command(**settings: object) -> list[str]:
    """Return the argument list that runs the peer with *settings*."""
    return [
        shutil.which("java") or "java",
        *_JVM,
        "-cp",
        f"{_PROJECT}/target/peer.jar:{_PROJECT}/target/lib/*",
        "mailing.Main",
        *(f"{name}={value}" for name, value in settings.items()),
        *_framings(),
    ]


def _framings() -> Iterator[str]:
    frames = Framing().prefixes
    yield f"event={frames[RECIPIENT_TRIGGERED].hex()}"
    yield f"definition={frames[MAILING_DEFINED].hex()}"
    yield f"ack_head={acks.HEAD.hex()}"
    yield f"ack_tail={acks.TAIL.hex()}"
