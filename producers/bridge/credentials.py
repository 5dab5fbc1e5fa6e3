"""Who may call for which organisations: a TOML file, read again when it changes.

[users.shop]
password = "$scrypt$ln=15,r=8,p=3$…"
orgids = [2, 3]
"""

from __future__ import annotations

import logging
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from producers.bridge.errors import BridgeError
from producers.bridge.passwords import PasswordHash, read_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = logging.getLogger("mailing_trigger.bridge")


@dataclass(frozen=True, slots=True)
class User:
    """Whoever calls; *orgids* None means every organisation (no credentials are asked for)."""

    name: str
    orgids: frozenset[int] | None

    def may(self, orgid: int) -> bool:
        return self.orgids is None or orgid in self.orgids


ANYONE = User("", None)


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the hash of the password that proves it is that user."""

    user: User
    password: PasswordHash


class _Account(msgspec.Struct, forbid_unknown_fields=True):
    password: str
    orgids: list[int]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    users: dict[str, _Account]


class CredentialsFile:
    """The accounts in *path*; *generation* grows whenever the file was read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self.accounts = _read(path)
        self.generation = 0

    def refresh(self) -> None:
        """Read the file again if it changed; keep the accounts when it cannot be read.

        A file caught half-written must not lock everyone out; the log says that it is not in use.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.accounts = _read(self._path)
        except BridgeError as exc:
            log.error("credentials not reloaded, the old ones hold: %s", exc)  # noqa: TRY400
            return
        self.generation += 1
        log.info("credentials reloaded", extra={"users": len(self.accounts)})

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            now = self._path.stat()
        except OSError:
            return None
        return (now.st_mtime_ns, now.st_size, now.st_ino)


def _read(path: Path) -> Mapping[str, Account]:
    try:
        raw = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        return {
            name: Account(User(name, frozenset(found.orgids)), read_hash(found.password))
            for name, found in raw.users.items()
        }
    except OSError as exc:
        raise BridgeError(f"credentials file {path}: {exc.strerror}") from None
    except (ValueError, msgspec.ValidationError) as exc:
        # TOMLDecodeError and UnicodeDecodeError are ValueErrors; none of these repeats a password.
        raise BridgeError(f"credentials file {path}: {exc}") from None
