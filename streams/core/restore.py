"""A state is rebuilt of its changelog's records, and of what its table has kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import Channel, DedupPolicy, MailingPhase, UnknownRecipients
from streams.core.changelog import META_KEY, RECIPIENT_FRAME, dedup_keys
from streams.core.errors import NewerState
from streams.core.messages import batch_of
from streams.core.partition import FOLD_VERSION, Cut, Mailing
from streams.core.recipient_batches import SPAN, read_recipients
from streams.core.recipients import head_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.codec import Record
    from streams.core.partition import PartitionState
    from streams.core.recipients import ChangelogRecord

_CODEC = Codec()
_CURRENT = frozenset(_CODEC.framing.prefixes.values())
_RECIPIENTS = (b"b:", b"r:")


class Restore:
    """Rebuilds *state*: begins with what its table has kept, `take`s the rest, and `finish`es.

    Recipients, nearly all there is, go to the table by the thousand. Of other records only each
    key's last value counts, so none is decoded before the end.
    """

    def __init__(self, state: PartitionState) -> None:
        self.state = state
        self._others: dict[bytes, bytes] = {}
        self._deletes = False
        self._keep(state.recipients.kept())

    @property
    def meta(self) -> bytes | None:
        """The last `meta` record so far."""
        return self._others.get(META_KEY)

    @property
    def seq(self) -> int:
        """How many transactions the state has seen so far."""
        return 0 if self.meta is None else int(_decode(self.meta)["seq"])

    @property
    def origin(self) -> tuple[str, int]:
        """The UUID and the partition count of the log the state was made of, when there is any."""
        if self.meta is None:
            return "", 0
        meta = _decode(self.meta)
        return meta["topic_id"], meta["partitions"]

    def take(self, records: list[ChangelogRecord]) -> None:
        """Take records in the order of the topic."""
        keys: list[bytes] = []
        values: list[bytes] = []
        last: dict[bytes, bytes | None] = {}
        for key, value in records:
            kind = key[:2]
            self._deletes |= value is None and kind in _RECIPIENTS
            if kind == b"b:":
                # Of a batch that is deleted, those who are left come in others.
                batch_keys, batch_values = (
                    ([], []) if value is None else read_recipients(_as_current(value))
                )
                if wide := _wide(batch_values):
                    last[b"w:" + key[2:]] = wide
                keys += batch_keys
                values += batch_values
            elif kind == b"r:" and value is None:
                self._load_recipients(keys, values)
                keys, values = [], []
                self.state.recipients.unload(key[2:])
            elif kind == b"r:":
                keys.append(key[2:])
                values.append(value or b"")
            else:
                last[key] = value
        others = list(last.items())
        self._load_recipients(keys, values, others)
        self._keep(others)

    def finish(self, offset: int) -> None:
        """Know that everything was taken, up to the last `meta` record, which lies at *offset*."""
        state = self.state
        for key, value in self._others.items():
            self._load(key, value)
        if self._deletes and not state.stubs.secret:
            raise BadRecord(
                "RECIPIENT_DELETED", "the changelog deletes recipients, and nobody was ever erased"
            )
        meta = self.meta
        for (orgid, mid, invocation), queue in state.queues.items():
            mailing = state.mailings[orgid, mid]
            # Compaction keeps a record's last place in the topic, which is not its first.
            queue.batches = dict(sorted(queue.batches.items()))
            if invocation == mailing.invocation + 1:
                queue.seen = dedup_keys(mailing, queue)
        state.calls.sort()
        state.caps.finish_load()
        # What their last owner told of them, nobody knows.
        state.unreported = dict.fromkeys(state.mailings)
        state.order_drains()
        state.recipients.finish_load(None if meta is None else (offset, meta))
        self._others.clear()

    def _load_recipients(
        self, keys: list[bytes], values: list[bytes], others: Sequence[ChangelogRecord] = ()
    ) -> None:
        if {value[:SINGLE_OBJECT_BYTES] for value in values} != {RECIPIENT_FRAME}:
            values = [_as_current(value) for value in values]
        if keys or others:
            self.state.recipients.load(keys, values, list(others))

    def _keep(self, records: list[ChangelogRecord]) -> None:
        for key, value in records:
            if value is not None:
                self._others[key] = value
            else:
                self._others.pop(key, None)

    def _load(self, key: bytes, value: bytes) -> None:
        kind, state = key[:2], self.state
        if kind == b"p:":
            orgid, mid, invocation, base_offset = map(int, key[2:].split(b":"))
            batch = batch_of(_as_current(value), _as_current)
            state.open_queue((orgid, mid, invocation)).batches[base_offset] = batch
        elif kind == b"m:":
            mailing = _mailing(_decode(value))
            state.mailings[mailing.orgid, mailing.mid] = mailing
        elif kind in (b"k:", b"o:"):
            state.calls.load(key, _as_current(value))
        elif kind == b"e:":
            state.stubs.load(key, _as_current(value))
        elif kind == b"w:":
            state.wide_batches[int(key[2:])] = int(value)
        elif kind == b"c:":
            state.caps.load(key, _as_current(value))
        elif key == META_KEY:
            _load_meta(state, _decode(value))
        elif kind != b"x:":
            raise BadRecord(
                "UNKNOWN_STATE_KEY", f"the changelog holds a key we never wrote: {kind!r}"
            )


def _wide(recipients: list[bytes]) -> bytes:
    """Return the last rid of a batch that reaches beyond a span; empty when it does not.

    No changelog has it: where it is kept beside the recipients, a restart need not read the batch.
    """
    if not recipients:
        return b""
    first, last = head_of(recipients[0])[0], head_of(recipients[-1])[0]
    return b"" if first // SPAN == last // SPAN else b"%d" % last


def _load_meta(state: PartitionState, meta: Record) -> None:
    if meta["fold_version"] > FOLD_VERSION:
        raise NewerState(state.partition, meta["fold_version"], FOLD_VERSION)
    state.seq = meta["seq"]
    state.applied = meta["applied"]
    state.applied_at = meta["applied_at"]
    state.topic_id = meta["topic_id"]
    state.partitions = meta["partitions"]


def _mailing(record: Record) -> Mailing:
    cuts = record.pop("cuts")
    mailing = Mailing(**record)
    mailing.dedup = DedupPolicy(mailing.dedup)
    mailing.state = MailingPhase(mailing.state)
    mailing.channels = _channels(record)
    mailing.unknown_recipients = UnknownRecipients(mailing.unknown_recipients)
    mailing.cuts = tuple(Cut(**cut | {"channels": _channels(cut)}) for cut in cuts)
    return mailing


def _channels(record: Record) -> tuple[Channel, ...]:
    return tuple(map(Channel, record["channels"]))


def _as_current(value: bytes) -> bytes:
    """Return a record as today's schema writes it; only bytes of an old release are decoded."""
    if value[:SINGLE_OBJECT_BYTES] in _CURRENT:
        return value
    return _CODEC.encode(*_CODEC.decode(value))


def _decode(value: bytes) -> Record:
    return _CODEC.decode(value)[1]
