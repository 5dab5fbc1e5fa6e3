"""What is done of a partition whose messages end out of order, small enough to commit with.

Everything below the committed offset is done. What is done above it goes into the metadata of the
commit, a bit an offset, so a successor repeats nothing that was done when it was committed.
"""

from __future__ import annotations

import base64

# In offsets from the committed one: 2,732 characters of metadata, of the 4,096 that brokers take.
SPAN = 16_384
_FORMAT = "done:"


class Offsets:
    """The messages of one partition from *begin* on, of which *done* were done before."""

    def __init__(self, begin: int, done: frozenset[int] = frozenset()) -> None:
        self._read_to = begin
        # Insertion is ascending, so the first is the lowest.
        self._open: dict[int, None] = {}
        self._done = set(done)

    @property
    def position(self) -> int:
        """The first offset that is not known to be done."""
        return next(iter(self._open), self._read_to)

    @property
    def read_to(self) -> int:
        """The offset that is to be read next."""
        return self._read_to

    @property
    def room(self) -> bool:
        """Whether the commit could say of another message that it is done."""
        return self._read_to - self.position < SPAN

    def take(self, offset: int) -> bool:
        """Note that a message was read; False when it was done, or read, before."""
        if offset < self._read_to:
            return False
        self._read_to = offset + 1
        if offset in self._done:
            return False
        self._open[offset] = None
        return True

    def end(self, offset: int) -> None:
        """Note that a message is done."""
        self._open.pop(offset, None)
        self._done.add(offset)

    def to_commit(self) -> tuple[int, str]:
        """Return the position, and as metadata which offsets above it are done."""
        position = self.position
        self._done = {offset for offset in self._done if offset > position}
        bits = sum(1 << (offset - position) for offset in self._done)
        if not bits:
            return position, ""
        packed = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
        return position, _FORMAT + base64.b64encode(packed).decode("ascii")


def done_of(position: int, metadata: str | None) -> frozenset[int]:
    """Return the offsets that *metadata*, committed at *position*, says are done.

    What somebody else wrote there says nothing.
    """
    if not metadata or not metadata.startswith(_FORMAT):
        return frozenset()
    try:
        packed = base64.b64decode(metadata.removeprefix(_FORMAT), validate=True)
    except ValueError:
        return frozenset()
    return frozenset(
        position + 8 * place + bit
        for place, byte in enumerate(packed)
        for bit in range(8)
        if byte >> bit & 1
    )
