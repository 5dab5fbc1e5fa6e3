"""What stops a worker.

WorkerError            the process ends with this one line
├── TakeoverRefused    a partition's state and its log do not belong together
└── TopicsUnfit        topics are missing or have the wrong shape
TakeoverAbandoned      the partition was moved on while it was being taken over
"""

from __future__ import annotations


class WorkerError(Exception):
    """The worker cannot go on; the message names the cause and the cure."""


class TakeoverRefused(WorkerError):
    """A partition's state and its log do not belong together."""


class TopicsUnfit(WorkerError):
    """Topics are missing or have the wrong shape."""


class TakeoverAbandoned(Exception):
    """The partition was moved on while it was being taken over."""
