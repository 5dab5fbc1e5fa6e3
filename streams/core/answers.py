"""Answers to events of which each gets a record of its own, unlike triggers, which share theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enum import Enum

    from schemas.codec import Codec, Record
    from streams.core.effects import Effects


def answer(
    effects: Effects,
    codec: Codec,
    name: str,
    event: Record,
    index: int,
    outcome: Enum,
    **rest: object,
) -> None:
    """Answer *event* by a record called *name*, whose own fields are *rest*, if anybody waits."""
    if event["reply_partition"] < 0:
        return
    record = {
        "request_id": event["request_id"],
        "index": index,
        "outcome": outcome.name,
        **rest,
    }
    effects.replies.answers.append((event["reply_partition"], codec.encode(name, record)))
