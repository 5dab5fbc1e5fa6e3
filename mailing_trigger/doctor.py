"""`doctor`: what is right, what is odd, what is wrong, each with a cure."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mailing_trigger import doctor_kafka, ports
from mailing_trigger.errors import CommandError
from mailing_trigger.findings import Finding, Level, cause_and_cure, fail, ok, warn
from mailing_trigger.settings import unknown_variables
from streams.core import runs
from streams.embedded.errors import BrokerError
from streams.embedded.jars import cache_folder
from streams.embedded.java import find_java
from streams.embedded.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing_trigger.settings import Settings

NEEDED = (3, 11)
LIBRARIES = ("confluent_kafka", "faust", "fastavro", "avro", "msgspec", "pyjson5", "uvicorn")


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield every finding, the machine's first, the broker's last."""
    yield _python()
    yield _packages()
    yield _compiled()
    yield _variables()
    if not settings.bootstrap_servers:
        yield _java()
        yield _jars(settings)
    yield _credentials(settings)
    yield _port(settings)
    yield from doctor_kafka.findings(settings)


def passed(found: list[Finding]) -> bool:
    """Return whether nothing is wrong; odd things are allowed."""
    return all(finding.level is not Level.FAIL for finding in found)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < NEEDED:
        return fail("python", version, "use Python 3.11 or newer")
    return ok("python", f"{version} at {sys.executable}")


def _packages() -> Finding:
    # That ours are ours is known: the command would not have started otherwise.
    for name in LIBRARIES:
        try:
            import_module(name)
        except ImportError as exc:
            return fail(
                "packages", f"{name} cannot be loaded ({exc})", "install mailing-trigger anew"
            )
    return ok("packages", f"{len(LIBRARIES)} libraries load, and nothing shadows our own packages")


def _compiled() -> Finding:
    if Path(runs.__file__).suffix == ".py":
        return warn(
            "fold",
            "interpreted, which takes about twice as long an event",
            "install gcc and Python's headers, then mailing-trigger anew",
        )
    return ok("fold", "compiled")


def _variables() -> Finding:
    unknown = unknown_variables()
    if unknown:
        return warn("settings", f"unknown variables {', '.join(unknown)}", "they do nothing")
    return ok("settings", "no unknown variables in the environment")


def _java() -> Finding:
    try:
        return ok("java", str(find_java()))
    except BrokerError as exc:
        return fail("java", *cause_and_cure(str(exc)))


def _jars(settings: Settings) -> Finding:
    if settings.jars is not None:
        if any(settings.jars.glob("kafka_2.13-4.*.jar")):
            return ok("jars", str(settings.jars))
        return fail("jars", f"{settings.jars} has no Kafka 4", "name a folder with its jars")
    folder = cache_folder()
    missing = sum(not (folder / jar.filename).exists() for jar in read_lock())
    if missing:
        return warn("jars", f"{missing} are not in {folder} yet", "`up` fetches them, about 44 MB")
    return ok("jars", str(folder))


def _credentials(settings: Settings) -> Finding:
    if settings.credentials is None:
        where = "anybody who reaches the port may call" if settings.insecure else "none"
        return ok("login", f"{where}; `mailing-trigger credentials` makes a file of users")
    from producers.bridge.credentials import CredentialsFile  # noqa: PLC0415 - only when there is one
    from producers.bridge.errors import BridgeError  # noqa: PLC0415

    try:
        users = len(CredentialsFile(settings.credentials).accounts)
    except BridgeError as exc:
        return fail("login", str(exc), "`mailing-trigger credentials` prints what belongs into it")
    if settings.credentials.stat().st_mode & 0o077:
        return warn(
            "login",
            f"others may read {settings.credentials}",
            f"chmod 600 {Path(settings.credentials).name}",
        )
    return ok("login", f"{users} users in {settings.credentials}")


def _port(settings: Settings) -> Finding:
    import httpx  # noqa: PLC0415 - 0.1 s

    host, port = settings.host, settings.port
    try:
        ports.require_free(host, port)
    except CommandError as exc:
        try:
            ready = httpx.get(f"http://{host}:{port}/readyz", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return warn("bridge", *cause_and_cure(str(exc)))
        if ready.is_success:
            return ok("bridge", f"answers on port {port} and is ready")
        said = f"answers on port {port} with status {ready.status_code}"
        return warn("bridge", said, "it is another program, or not ready: see its log")
    return ok("bridge", f"none runs here, and port {port} is free for one")
