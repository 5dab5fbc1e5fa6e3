"""The jars of the embedded broker: locked by hash, fetched once, never trusted unseen."""

from __future__ import annotations

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from streams.embedded import jars, lock
from streams.embedded.errors import BrokerError
from streams.embedded.lock import KAFKA_VERSION, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"a jar"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository with one jar, named in jgo's own configuration file."""
    folder = tmp_path / "repository"
    jar = folder / "org" / "example" / "one" / "1.0" / "one-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = tmp_path / "jgo.conf"
        config.write_text(
            f"[repositories]\nours = http://127.0.0.1:{server.server_port}\n", "utf-8"
        )
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(jars.random, "uniform", lambda *_: 0.0)
        yield jar
        server.shutdown()


def lock_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str) -> None:
    file = tmp_path / "jars.lock"
    file.write_text("\n".join(lines), "utf-8")
    monkeypatch.setattr(lock, "LOCK_FILE", file)


def test_every_kafka_jar_is_of_the_one_version() -> None:
    versions = {
        jar.coordinate.split(":")[2]
        for jar in read_lock()
        if jar.coordinate.startswith("org.apache.kafka:")
    }

    assert versions == {KAFKA_VERSION}
    assert all(len(jar.sha256) == 64 for jar in read_lock())


def test_a_jar_is_fetched_once_and_then_needs_no_network(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_to(monkeypatch, tmp_path, f"{DIGEST}  org.example:one:1.0")
    said: list[str] = []

    first = jars.class_path(None, said.append)
    repository.unlink()
    second = jars.class_path(None, said.append)

    fetched = tmp_path / "cache" / "mailing-trigger" / f"kafka-{KAFKA_VERSION}" / "one-1.0.jar"
    assert first == second == str(fetched)
    assert fetched.read_bytes() == CONTENT
    assert len(said) == 1


def test_a_jar_with_another_hash_is_refused_and_not_kept(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_to(monkeypatch, tmp_path, f"{DIGEST}  org.example:one:1.0")
    repository.write_bytes(b"a jar of someone else")

    with pytest.raises(BrokerError, match="SHA-256 is not the one"):
        jars.class_path(None, lambda _line: None)

    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_jar_nobody_has_is_named(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_to(monkeypatch, tmp_path, f"{DIGEST}  org.example:two:1.0")

    with pytest.raises(BrokerError, match=r"no Maven repository has org\.example:two:1\.0"):
        jars.class_path(None, lambda _line: None)
    assert repository.exists()


def test_without_a_network_the_cure_is_named(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_to(monkeypatch, tmp_path, f"{DIGEST}  org.example:one:1.0")
    (tmp_path / "jgo.conf").write_text("[repositories]\nours = http://127.0.0.1:1\n", "utf-8")

    with pytest.raises(BrokerError, match="no connection; check the network, or name a folder"):
        jars.class_path(None, lambda _line: None)
    assert repository.exists()
