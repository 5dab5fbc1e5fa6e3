"""The broker's jars, each with its SHA-256: read at every start, rewritten for a new Kafka.

`python -m streams.embedded.lock` resolves `ROOTS` and what they need, and writes `jars.lock`.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

KAFKA_VERSION = "4.1.2"
# Kafka logs through slf4j and brings log4j, but not the binding between them. The "!" keeps jgo
# from obeying log4j's own dependency management, which names another version of Kafka's clients.
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3!",
)
LOCK_FILE = Path(__file__).with_name("jars.lock")


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar: its Maven coordinate `group:artifact:version` and what it must hash to."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock() -> tuple[LockedJar, ...]:
    """Return every jar of the class path."""
    pairs = (line.split() for line in LOCK_FILE.read_text("utf-8").splitlines())
    return tuple(LockedJar(coordinate, digest) for digest, coordinate in pairs)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock() -> None:
    """Resolve the roots against Maven Central and write what was found."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional extra

    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        roots = [context.create_dependency(root) for root in ROOTS]
        found = [dep for group in context.resolver.resolve(roots) for dep in group]
        jars = {
            f"{dep.groupId}:{dep.artifactId}:{dep.version}": sha256_of(dep.artifact.resolve())
            for dep in found
        }
    text = "".join(f"{digest}  {coordinate}\n" for coordinate, digest in sorted(jars.items()))
    LOCK_FILE.write_text(text, "utf-8")


if __name__ == "__main__":
    write_lock()
