"""The note a worker leaves with a partition's offset: how far its state is, and who wrote it."""

from __future__ import annotations

from typing import Final, NamedTuple

# In no name of a group or of a client.
_SEPARATOR: Final = "\x1f"


class Stamp(NamedTuple):
    """*seq* of the state that goes with the offset, and the writer's producer and group member."""

    seq: int
    transactional_id: str
    member_id: str

    def encode(self) -> str:
        """Return the metadata of an offset commit."""
        return _SEPARATOR.join((str(self.seq), self.transactional_id, self.member_id))

    @classmethod
    def decode(cls, metadata: str | None) -> Stamp | None:
        """Return the stamp, or None when somebody else committed the offset."""
        parts = (metadata or "").split(_SEPARATOR)
        if len(parts) != len(cls._fields) or not parts[0].isdigit():
            return None
        return cls(int(parts[0]), parts[1], parts[2])
