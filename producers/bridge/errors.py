"""What keeps the bridge from starting: one readable line, cause and cure."""

from __future__ import annotations


class BridgeError(Exception):
    """The bridge cannot start; the message is for the person who started it."""
