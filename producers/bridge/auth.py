"""HTTP Basic: a slow hash for the first call of a user, a keyed cache for every later one.

Digest, which the original also offered, would need MD5 and passwords that can be read back.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from producers.bridge.credentials import User
from producers.bridge.passwords import PasswordHash, unmatchable
from producers.bridge.problems import Problem, TooBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.bridge.credentials import CredentialsFile

# Each check takes 32 MiB for a third of a second: more at once would be an attacker's lever.
CHECKS_AT_ONCE = 2
CHECKS_WAITING = 32
CACHE_S = 300.0
CACHE_ENTRIES = 4096
CHALLENGE = {"WWW-Authenticate": 'Basic realm="mailing-trigger", charset="UTF-8"'}


class Authenticator:
    """Tells who calls; *check* compares a password with a hash and runs in a thread."""

    def __init__(
        self,
        file: CredentialsFile,
        *,
        check: Callable[[PasswordHash, str], bool] = PasswordHash.matches,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._check = check
        self._key = secrets.token_bytes(32)
        self._generation = file.generation
        # Two caches, so that a flood of wrong passwords cannot push the right ones out.
        self._right = _Cache(now)
        self._wrong = _Cache(now)
        self._running: dict[bytes, asyncio.Task[User | None]] = {}
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)
        # An unknown name costs what a known one does.
        self._nobody = unmatchable()

    async def user(self, authorization: str | None) -> User:
        """Return who *authorization* proves to be; raise a 401 when it proves nothing."""
        self._file.refresh()
        if self._generation != self._file.generation:
            self._generation = self._file.generation
            self._right.clear()
            self._wrong.clear()
        if authorization is None:
            raise _unauthenticated("credentials are needed: HTTP Basic")
        name, password = _basic(authorization)
        digest = hmac.digest(self._key, f"{name}\0{password}".encode(), "sha256")
        user = self._right.get(digest)
        if user is None:
            user = await self._slowly(digest, name, password)
        if user is None:
            raise _unauthenticated("no such user, or another password")
        return user

    async def _slowly(self, digest: bytes, name: str, password: str) -> User | None:
        if self._wrong.get(digest) is not None:
            return None
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= CHECKS_WAITING:
                raise TooBusy("too many passwords are being checked")
            task = asyncio.create_task(self._verify(digest, name, password))
            self._running[digest] = task
            task.add_done_callback(lambda _: self._running.pop(digest))
        # A caller that goes away must not take the check from those who wait for the same one.
        return await asyncio.shield(task)

    async def _verify(self, digest: bytes, name: str, password: str) -> User | None:
        async with self._slots:
            generation = self._generation
            account = self._file.accounts.get(name)
            hashed = account.password if account is not None else self._nobody
            right = await asyncio.to_thread(self._check, hashed, password)
        found = account.user if account is not None and right else None
        # An answer by accounts that were replaced meanwhile is not kept.
        if generation == self._generation:
            if found is None:
                self._wrong.put(digest, _NOBODY)
            else:
                self._right.put(digest, found)
        return found


_NOBODY = User("", frozenset())


class _Cache:
    """The newest digests and what they prove, each for a limited time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: OrderedDict[bytes, tuple[float, User]] = OrderedDict()
        self.clear = self._entries.clear

    def get(self, digest: bytes) -> User | None:
        entry = self._entries.get(digest)
        if entry is None:
            return None
        expires, user = entry
        if self._now() >= expires:
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return user

    def put(self, digest: bytes, user: User) -> None:
        self._entries[digest] = (self._now() + CACHE_S, user)
        self._entries.move_to_end(digest)
        if len(self._entries) > CACHE_ENTRIES:
            self._entries.popitem(last=False)


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _unauthenticated("only HTTP Basic is understood")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _unauthenticated("the credentials are not base64 of UTF-8") from None
    name, colon, password = decoded.partition(":")
    if not colon or "\0" in decoded:
        raise _unauthenticated("the credentials are not of the form name:password")
    return name, password


def _unauthenticated(detail: str) -> Problem:
    return Problem(401, "UNAUTHENTICATED", detail, headers=CHALLENGE)
