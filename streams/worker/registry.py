"""The schema registry, when one is configured."""

from __future__ import annotations

from schemas.framing import Framing
from schemas.registry import Registry, client_settings


def registry_at(url: str) -> Registry:
    """Return the schema registry at *url*, which may carry a name and a password."""
    # Half a second of imports, for those who have a registry.
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient  # noqa: PLC0415

    return Registry(SchemaRegistryClient(client_settings(url)), Schema, url)


def framing_from(url: str | None) -> Framing:
    """Return Confluent's framing with the ids of the registry at *url*; without one, Avro's own."""
    return registry_at(url).framing() if url else Framing()
