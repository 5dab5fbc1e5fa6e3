"""The framing a schema registry gives: our schemas' ids, and the schemas of ids we meet.

The client is handed in, so that this package needs none; Confluent's
``confluent_kafka.schema_registry.SchemaRegistryClient`` fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from schemas.framing import Framing, schema_text
from schemas.records import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable


class RegistryClient(Protocol):
    """What we need of a schema registry client."""

    def register_schema(self, subject_name: str, schema: Any) -> int:
        """Return the id of *schema* under *subject_name*, registering it when it is new."""

    def get_schema(self, schema_id: int) -> Any:
        """Return the schema with this id; its text is in ``schema_str``."""


def subject(name: str) -> str:
    """Return the subject of a record: its full name, because topics carry several records."""
    return f"mailing.{name}"


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
