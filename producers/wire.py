"""The framing a client writes, and the schema ids it learns on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.errors import LogUnavailable, NotSetUp
from producers.registry import registry_at
from schemas.codec import Codec
from schemas.errors import RegistryRefusal, RegistrySilent, UnknownFraming

if TYPE_CHECKING:
    from producers.settings import ClientSettings
    from schemas.registry import Registry


class Wire:
    """A codec, and the registry that knows the ids it does not."""

    def __init__(self, codec: Codec, registry: Registry | None = None) -> None:
        self.codec = codec
        self._registry = registry

    def meet(self, value: bytes | None) -> None:
        """Ask the registry for the schema of *value* when its id is new; blocks then."""
        framing = self.codec.framing
        try:
            framing.split(value)
        except UnknownFraming as exc:
            if self._registry is None or exc.schema_id is None:
                raise
            if not self._registry.resolve(framing, exc.schema_id):
                raise


def open_wire(settings: ClientSettings) -> Wire:
    """Return the wire of *settings*; with a registry, register our schemas there. Blocks."""
    if settings.schema_registry_url is None:
        return Wire(Codec())
    try:
        registry = registry_at(settings.schema_registry_url)
        return Wire(Codec(registry.framing()), registry)
    except RegistrySilent as exc:
        raise LogUnavailable(exc.detail, produced=False) from exc
    except RegistryRefusal as exc:
        raise NotSetUp(exc.detail) from exc
