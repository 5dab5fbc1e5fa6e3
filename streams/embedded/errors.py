"""What the embedded broker raises."""

from __future__ import annotations


class BrokerError(Exception):
    """The embedded broker cannot do what was asked; the text is one line with cause and cure."""
