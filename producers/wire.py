"""The framing a client writes, and the schema ids it learns on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from producers.errors import LogUnavailable
from schemas.codec import Codec
from schemas.errors import UnknownFraming
from schemas.registry import RegistryClient, register

if TYPE_CHECKING:
    from producers.settings import ClientSettings

REGISTRY_TIMEOUT_S = 10


class Wire:
    """A codec, and the registry that knows the ids it does not."""

    def __init__(self, codec: Codec, registry: RegistryClient | None = None) -> None:
        self.codec = codec
        self._registry = registry

    def meet(self, value: bytes | None) -> None:
        """Ask the registry for the schema of *value* when its id is new; blocks then."""
        try:
            self.codec.framing.split(value)
        except UnknownFraming as exc:
            if self._registry is None or exc.schema_id is None:
                raise
            schema = self._registry.get_schema(exc.schema_id)
            self.codec.framing.learn(exc.schema_id, schema.schema_str)


def open_wire(settings: ClientSettings) -> Wire:
    """Return the wire of *settings*; with a registry, register our schemas there. Blocks."""
    if settings.schema_registry_url is None:
        return Wire(Codec())
    # Its import takes as long as everything else here together.
    from confluent_kafka.schema_registry import (  # noqa: PLC0415
        Schema,
        SchemaRegistryClient,
        SchemaRegistryError,
    )

    conf: dict[str, Any] = {"url": settings.schema_registry_url, "timeout": REGISTRY_TIMEOUT_S}
    client = SchemaRegistryClient(conf)
    try:
        return Wire(Codec(register(client, Schema)), client)
    except (SchemaRegistryError, OSError) as exc:
        raise LogUnavailable("the schema registry does not answer", produced=False) from exc
