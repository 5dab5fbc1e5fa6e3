"""Those who were erased: what is left of each, found by a digest of its log key."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.consequences import PersonAnswer
from streams.verify.identities import same_person
from streams.verify.people import rid_and_status

if TYPE_CHECKING:
    from streams.verify.changelog import Table
    from streams.verify.consequences import Out
    from streams.verify.model import Model
    from streams.verify.reading import Raw
    from streams.verify.records import Record


class Left(NamedTuple):
    """What is left of a person; not *sure* when the log that is left says no more than the rid."""

    orgid: int
    rid: int
    status: int
    sms_opted_out: bool
    erased: int
    sure: bool = True

    def shown(self) -> Record:
        """Return it as an ErasedRecipient."""
        shown = self._asdict()
        del shown["sure"]
        return shown


def erase(model: Model, event: Record, name: bytes, refusal: str | None) -> list[Out]:
    """Erase the person of the log key *name*, or answer for one who was, or was not there."""
    org, rid, email = event["orgid"], event["rid"], event["email"]
    given = f"{org}:{same_person(email)}".encode()
    left, outcome = None, refusal or "DONE"
    if refusal is None:
        left = _take(model, event, name)
    elif refusal == "UNKNOWN_RECIPIENT":
        left = model.erased.of_rid(rid) if rid else model.erased.of(given)
        if left is not None and left.orgid == org:
            fits = not (rid and email) or model.erased.of(given) is left
            outcome = "DONE" if fits else "EMAIL_MISMATCH"
    if event["reply_partition"] < 0:
        return []
    call = (event["reply_partition"], event["request_id"], event["index"])
    shown = left.shown() if left is not None and outcome == "DONE" else {}
    return [PersonAnswer(*call, outcome, shown, left is None or left.sure)]


def _take(model: Model, event: Record, name: bytes) -> Left:
    """Take a person away, and the messages that wait; return what is left."""
    person = model.people.pop(name)
    rid, status = rid_and_status(person)
    del model.keys[rid]
    for (org, _mid), mailing in model.mailings.items():
        if org == event["orgid"] and rid in mailing.rids:
            mailing.take_back(rid)
    opted_out = model.shown(person)["smsSubscribed"] is False
    left = Left(event["orgid"], rid, status, opted_out, model.now, name not in model.unclear)
    model.unclear.discard(name)
    model.perhaps.discard(name)
    model.erased.add(name, left, event["secret"])
    return left


@dataclass(slots=True)
class Erased:
    """What is left, by digest; *named* are digests of keys that only the changelog's stub has."""

    secret: bytes = b""
    left: dict[bytes, Left] = field(default_factory=dict)
    named: dict[bytes, bytes] = field(default_factory=dict)

    def digest(self, key: bytes) -> bytes:
        """Return under what the person of this log key is kept."""
        return self.named.get(key) or blake2b(key, key=self.secret, digest_size=16).digest()

    def of(self, key: bytes) -> Left | None:
        """Return what is left of the person of this log key."""
        return self.left.get(self.digest(key))

    def of_rid(self, rid: int) -> Left | None:
        """Return what is left of the person who had this rid."""
        return next((each for each in self.left.values() if each.rid == rid), None)

    def add(self, key: bytes, left: Left, secret: bytes) -> None:
        """Keep what is left; the first secret is that of all."""
        self.secret = self.secret or secret
        self.left[self.digest(key)] = left

    def back(self, key: bytes) -> Left | None:
        """Return what was left of a person who is there again."""
        return self.left.pop(self.digest(key), None)


class ErasedBefore:
    """Who had a rid before the log's first offset *begin*, and was erased or came back after it.

    Of these the log does not say what they were: `meet` what is left of it, then `give`.
    """

    def __init__(self, table: Table, begin: int) -> None:
        self._secret, self._first_ms = table.secret, -1
        self._first_key: bytes | None = None
        self._left = {
            digest: record
            for digest, record in table.erased.items()
            if record["rid"] // 1024 - 1 < begin
        }
        self._keys: dict[int, bytes] = {}
        self.asked: set[bytes | None] = set()

    def meet(self, raw: Raw, name: str) -> None:
        """Learn of the log's next event who is asked to be erased, and whose key is whose."""
        if self._first_ms < 0:
            self._first_ms, self._first_key = raw.time_ms, raw.key
        if name == "RecipientErased":
            self.asked.add(raw.key)
        if self._left and raw.key:
            digest = blake2b(raw.key, key=self._secret, digest_size=16).digest()
            if digest in self._left:
                self._keys[self._left[digest]["rid"]] = raw.key

    def give(self, model: Model) -> None:
        """Give the stubs that were there, and those who became stubs after."""
        model.erased.secret = self._secret
        for digest, record in self._left.items():
            org, rid = record["orgid"], record["rid"]
            key = self._keys.get(rid, b"%d:?%d" % (org, rid))
            asked = not self.asked.isdisjoint((key, b"%d:#%d" % (org, rid)))
            if not asked or record["erased"] < self._first_ms:
                model.erased.left[digest] = Left(**record)
                continue
            model.erased.named[key] = digest
            if rid in self._keys or record["erased"] == self._first_ms:
                # Erased before as well, perhaps, and back in between.
                model.doubt(key, rid)
                continue
            model.people[key], model.keys[rid] = model.nameless(rid), key
            model.unclear.add(key)

    def came_back(self, key: bytes, person: Record, model: Model) -> bool:
        """Give what was left of a *person* who came back after the log's first event, or may have.

        False when nobody asked for its erasing, and it was there.
        """
        org, rid = int(key.partition(b":")[0]), person["rid"]
        if not self.asked.isdisjoint((key, b"%d:#%d" % (org, rid))):
            model.doubt(key, rid)
            return True
        # Others may have been created in the same millisecond as the first event, before it.
        since = self._first_ms if key == self._first_key else self._first_ms + 1
        if self._first_ms < 0 or person["created"] < since:
            return False
        left = Left(org, rid, 1, sms_opted_out=False, erased=0, sure=False)
        model.erased.left[model.erased.digest(key)] = left
        return True
