"""The framing a schema registry gives: our schemas' ids, and the schemas of ids we meet.

The client is handed in, so that this package needs none; Confluent's
``confluent_kafka.schema_registry.SchemaRegistryClient`` fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from schemas.errors import BadRecord, RegistryRefusal, RegistrySilent
from schemas.evolution import misfits
from schemas.framing import Framing, schema_text, writer_of
from schemas.records import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_TIMEOUT_S = 5
RETRIES = 3
# The client waits a random part of this, doubled with every retry up to the second number.
RETRY_WAIT_MS = 200
RETRY_MAX_WAIT_MS = 2000
# Ids that are remembered as useless; beyond it the oldest is asked for again.
MAX_REFUSED_IDS = 1000

NOT_FOUND = 404
SERVER_ERRORS = 500
TOO_MANY = 429
DETAIL_CHARS = 300


class RegistryClient(Protocol):
    """What we need of a schema registry client."""

    def register_schema(self, subject_name: str, schema: Any) -> int:
        """Return the id of *schema* under *subject_name*, registering it when it is new."""

    def get_schema(self, schema_id: int) -> Any:
        """Return the schema with this id; its text is in ``schema_str``."""


class Registry:
    """A schema registry: our schemas registered in it, its ids learnt when they are met.

    *schema_of* makes the client's own schema value of (text, "AVRO"). Calls wait for the network.
    """

    def __init__(
        self, client: RegistryClient, schema_of: Callable[[str, str], Any], url: str
    ) -> None:
        self._client = client
        self._schema_of = schema_of
        self._place = urlsplit(url).netloc.rpartition("@")[2]
        self._refused: dict[int, None] = {}

    def framing(self) -> Framing:
        """Register every record's schema and return the framing with the ids given."""
        try:
            return register(self._client, self._schema_of)
        except Exception as exc:  # noqa: BLE001 - the client lets its HTTP library's errors out
            self._fail(exc)

    def resolve(self, framing: Framing, schema_id: int) -> bool:
        """Make *framing* understand *schema_id*; False when that id is no schema we can read.

        Each id is asked for once. A registry that does not answer is an error, not a False.
        """
        if framing.knows(schema_id):
            return True
        if schema_id in self._refused:
            return False
        text = self._text(schema_id)
        if text is None or not _readable(text):
            if len(self._refused) >= MAX_REFUSED_IDS:
                del self._refused[next(iter(self._refused))]
            self._refused[schema_id] = None
            return False
        framing.learn(schema_id, text)
        return True

    def _text(self, schema_id: int) -> str | None:
        try:
            schema = self._client.get_schema(schema_id)
        except Exception as exc:  # noqa: BLE001 - as above
            if getattr(exc, "http_status_code", None) == NOT_FOUND:
                return None
            self._fail(exc)
        return str(schema.schema_str)

    def _fail(self, exc: Exception) -> NoReturn:
        status = getattr(exc, "http_status_code", None)
        if status is None:
            message = f"The schema registry at {self._place} does not answer: {type(exc).__name__}."
            raise RegistrySilent("REGISTRY_SILENT", message) from exc
        said = str(getattr(exc, "error_message", ""))[:DETAIL_CHARS]
        message = f"The schema registry at {self._place} answers {status}: {said}"
        if status >= SERVER_ERRORS or status == TOO_MANY:
            raise RegistrySilent("REGISTRY_SILENT", message) from exc
        raise RegistryRefusal("REGISTRY_REFUSES", message) from exc


def register(client: RegistryClient, schema_of: Callable[[str, str], Any]) -> Framing:
    """Register every record's schema and return the Confluent framing with the ids given.

    *schema_of* makes the client's own schema value of (text, "AVRO").
    """
    return Framing(
        {
            name: client.register_schema(subject(name), schema_of(schema_text(name), "AVRO"))
            for name in NAMES
        }
    )


def subject(name: str) -> str:
    """Return the subject of a record: its full name, because topics carry several records."""
    return f"mailing.{name}"


def client_settings(url: str) -> dict[str, object]:
    """Return what Confluent's client needs for the registry at *url*.

    Name and password leave the URL, because the HTTP library logs it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise RegistryRefusal(
            "REGISTRY_URL", "The URL of the schema registry is not of the form http(s)://host:port."
        )
    settings: dict[str, object] = {
        "url": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        "timeout": REQUEST_TIMEOUT_S,
        "max.retries": RETRIES,
        "retries.wait.ms": RETRY_WAIT_MS,
        "retries.max.wait.ms": RETRY_MAX_WAIT_MS,
    }
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        settings["basic.auth.user.info"] = login
    return settings


def _readable(text: str) -> bool:
    try:
        writer = writer_of(text)
    except BadRecord:
        return False
    return not misfits(reader=schema_text(writer.name), writer=text)
