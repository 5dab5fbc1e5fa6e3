"""Password hashes: scrypt of the standard library, written as PHC strings."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

# One of OWASP's equivalent choices for scrypt: 32 MiB and about 0.3 s a check, so that two checks
# at once (see `auth`) stay small beside the rest of the process.
LOG_N = 15
BLOCK = 8
PARALLEL = 3
SALT_BYTES = 16
HASH_BYTES = 32
# A hash asking for more than this is refused: N = 2^20 would take 1 GiB.
MAX_LOG_N = 17
MAX_PARALLEL = 16


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password's hash and the cost it was made with."""

    log_n: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Return whether *password* has this hash; takes as long as the cost says."""
        made = _scrypt(password, self.salt, self.log_n, self.block, self.parallel, len(self.digest))
        return hmac.compare_digest(made, self.digest)


def hash_password(password: str) -> str:
    """Return the hash of *password* for a credentials file."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = _scrypt(password, salt, LOG_N, BLOCK, PARALLEL, HASH_BYTES)
    return f"$scrypt$ln={LOG_N},r={BLOCK},p={PARALLEL}${_encode(salt)}${_encode(digest)}"


def unmatchable() -> PasswordHash:
    """Return a hash that no password has; a check of it costs what any other costs."""
    salt, digest = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(HASH_BYTES)
    return PasswordHash(LOG_N, BLOCK, PARALLEL, salt, digest)


def read_hash(text: str) -> PasswordHash:
    """Return the hash written in *text*; raise ValueError when it is none of ours."""
    try:
        empty, name, costs, salt, digest = text.split("$")
        (n_name, log_n), (r_name, block), (p_name, parallel) = (
            cost.split("=") for cost in costs.split(",")
        )
        made = PasswordHash(int(log_n), int(block), int(parallel), _decode(salt), _decode(digest))
    except (ValueError, binascii.Error):
        raise ValueError("not a scrypt hash") from None
    if (empty, name, n_name, r_name, p_name) != ("", "scrypt", "ln", "r", "p"):
        raise ValueError("not a scrypt hash")
    if not (1 <= made.log_n <= MAX_LOG_N and made.block == BLOCK):
        raise ValueError(f"scrypt needs r={BLOCK} and ln from 1 to {MAX_LOG_N}")
    if not (1 <= made.parallel <= MAX_PARALLEL and made.salt and len(made.digest) >= HASH_BYTES):
        raise ValueError("scrypt needs p from 1 to 16, a salt and 32 bytes of hash")
    return made


def _scrypt(password: str, salt: bytes, log_n: int, block: int, parallel: int, size: int) -> bytes:
    n = 1 << log_n
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=n,
        r=block,
        p=parallel,
        # OpenSSL refuses more than 32 MiB unless told; it counts blocks of 128 bytes.
        maxmem=128 * block * (n + parallel + 2),
        dklen=size,
    )


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
