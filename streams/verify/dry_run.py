"""What would become of entries: the model's own rule for a trigger, on a copy that is dropped."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from streams.verify.consequences import Ack
from streams.verify.identities import same_person

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from streams.verify.consequences import Out
    from streams.verify.mailing import Mailing
    from streams.verify.model import Model
    from streams.verify.records import Record

    Rule = Callable[[Model, int, bytes | None, Record], list[Out]]

T = TypeVar("T")
Shown = tuple[int, int, str | None]
"""(index, rid, outcome); rid 0 of who has none"""

_LITERAL_BYTES = 256


def foretold(model: Model, event: Record, rule: Rule) -> tuple[tuple[Shown, ...], bool]:
    """Return what *rule* answers to an event's entries, one after the other, and whether for sure.

    Nothing tells of them afterwards, as the changelog does of triggers.
    """
    ident = event["orgid"], event["mid"]
    mailing = model.mailings.get(ident)
    above = model.above({} if mailing is None else {ident: _copy_of(mailing)})
    told: list[Ack] = []
    # Events that were never written, below all that were.
    for offset, entry in enumerate(event["entries"], -1 - len(event["entries"])):
        fields = event | entry | {"reply_partition": 0}
        outs = rule(above, offset, _key_of(fields), fields)
        told += [out for out in outs if isinstance(out, Ack)]
    shown = tuple((ack.entry, max(ack.rid, 0), ack.outcome) for ack in told)
    sure = all(ack.outcome is not None and not (ack.unclear or ack.open) for ack in told)
    return shown, sure and (mailing is None or model.at > mailing.guessed)


def comparable(context: bytes) -> bytes:
    """Return what tells a context from others: all of it, or a digest of a long one."""
    return context if len(context) <= _LITERAL_BYTES else b"\xff" + blake2b(context).digest()


def _key_of(entry: Record) -> bytes:
    if entry["rid"]:
        return b"%d:#%d" % (entry["orgid"], entry["rid"])
    return f"{entry['orgid']}:{same_person(entry['email'])}".encode()


def _copy_of(mailing: Mailing) -> Mailing:
    return replace(
        mailing,
        counts=dict(mailing.counts),
        queue=[],
        rids=SetAbove(mailing.rids),
        pairs=SetAbove(mailing.pairs),
        may_wait=SetAbove(mailing.may_wait),
    )


class SetAbove(set[T]):
    """A set that also has what the one *below* has."""

    def __init__(self, below: AbstractSet[T]) -> None:
        super().__init__()
        self._below = below

    def __contains__(self, item: object) -> bool:
        return super().__contains__(item) or item in self._below
