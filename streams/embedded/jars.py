"""The broker's class path: from a folder the user names, or fetched once into the user's cache."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from streams.embedded.errors import BrokerError
from streams.embedded.lock import KAFKA_VERSION, LockedJar, read_lock, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jgo.maven import MavenContext

FETCH_TRIES = 3
FETCH_TIMEOUT_S = 20  # of silence on one connection, not of the whole download
FETCH_THREADS = 6  # 12 s of waiting become 3 s; more gains nothing on a 44 MB whole
CURE = "check the network, or name a folder that holds the jars"


def cache_folder() -> Path:
    """Return where fetched jars stay: one folder a Kafka version, under XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailing-trigger" / f"kafka-{KAFKA_VERSION}"


def class_path(jars: Path | None, progress: Callable[[str], None]) -> str:
    """Return Java's class path for the broker; a named folder is used as it is."""
    if jars is None:
        folder = cache_folder()
        _fetch_missing(folder, progress)
        return os.pathsep.join(str(folder.absolute() / jar.filename) for jar in read_lock())
    if not any(jars.glob("kafka_2.13-4.*.jar")):
        raise BrokerError(
            f"no Kafka 4 in the folder of jars {jars}: copy the jars of {cache_folder()} "
            "from a machine that has fetched them"
        )
    return str(jars.absolute() / "*")


def _fetch_missing(folder: Path, progress: Callable[[str], None]) -> None:
    """Fetch what the lock names and *folder* lacks; what lies there has the right hash."""
    if not _missing(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two commands started together fetch once: the second waits here and finds nothing to do.
        with (folder / "fetching").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            missing = _missing(folder)
            progress(
                f"fetching Apache Kafka {KAFKA_VERSION} ({len(missing)} jars, about 44 MB, once)"
            )
            context = _maven(folder / "download")
            pool = ThreadPoolExecutor(FETCH_THREADS)
            try:
                list(pool.map(lambda jar: _fetch(jar, context, folder), missing))
            finally:
                pool.shutdown(cancel_futures=True)  # after one failure the rest is not even tried
    except OSError as exc:
        cause = "the disk is full" if exc.errno == errno.ENOSPC else str(exc)
        raise BrokerError(f"cannot keep the broker's jars in {folder}: {cause}") from exc


def _missing(folder: Path) -> list[LockedJar]:
    return [jar for jar in read_lock() if not (folder / jar.filename).exists()]


def _maven(downloads: Path) -> MavenContext:
    """Return jgo's pure-Python Maven: Maven Central, or the repositories of the user's jgo.conf."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - an optional extra
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ImportError as exc:
        raise BrokerError(
            "the embedded broker needs jgo to fetch its jars: install mailing-trigger[embedded]"
        ) from exc
    return MavenContext(
        repo_cache=downloads,
        remote_repos=GlobalSettings.load().repositories or None,
        timeout=FETCH_TIMEOUT_S,
    )


def _fetch(jar: LockedJar, context: MavenContext, folder: Path) -> None:
    import requests  # noqa: PLC0415 - jgo's own client, here with jgo

    cause = "its SHA-256 is not the one in jars.lock"
    for attempt in range(FETCH_TRIES):
        time.sleep(attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        try:
            path: Path = context.create_dependency(jar.coordinate).artifact.resolve()
        except requests.RequestException as exc:
            cause = "no connection" if isinstance(exc, requests.ConnectionError) else str(exc)
            continue
        except RuntimeError as exc:  # jgo's "not found in remote repositories"
            raise BrokerError(f"no Maven repository has {jar.coordinate}: {CURE}") from exc
        # jgo leaves the half of a broken download under the whole one's name: only the hash tells.
        if sha256_of(path) == jar.sha256:
            path.replace(folder / jar.filename)
            return
        path.unlink()
    raise BrokerError(f"the broker's jar {jar.filename} cannot be fetched: {cause}; {CURE}")
