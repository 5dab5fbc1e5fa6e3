"""Kafka's own encoding of requests, answers and what brokers keep."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(slots=True)
class KafkaBytes:
    """*data*, read from *at* to its end."""

    data: bytes
    at: int = 0

    def number(self, form: str) -> int:
        """Return a number of a size that `struct` knows."""
        (number,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(number)

    def text(self, *, compact: bool = False) -> str:
        """Return a text; nothing where there is none."""
        # A compact size is one more, so that 0 is none.
        size = max(self.varint() - 1, 0) if compact else self.number(">h")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def varint(self) -> int:
        """Return an unsigned number of variable length."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
