"""Who is who: the identity of an address, the keys of the log, and the number of a recipient."""

from __future__ import annotations

import unicodedata

import idna

from schemas.topics import MAX_PARTITIONS

_CAPITAL_SIGMA, _SIGMA, _FINAL_SIGMA = "\u03a3", "\u03c3", "\u03c2"


def identity(email: str) -> str:
    """Return what makes two spellings of an address one recipient.

    NFC, lower case in both parts, the domain as IDNA A-label, without white space around it or a
    final dot. Not case-folded: that would make ``straße@`` and ``strasse@`` one person. Lower case
    is taken letter by letter, and a final sigma in the local part is a sigma: ``ΓΙΆΝΝΗΣ@`` and
    ``γιάννης@`` are one person in every language's library.
    """
    bare = email.strip()
    if bare.isascii():
        return bare.rstrip(".").lower()
    composed = unicodedata.normalize("NFC", bare)
    # Sigma alone has a lower case that depends on its neighbours; in domains IDNA wants this one.
    folded = unicodedata.normalize("NFC", composed.replace(_CAPITAL_SIGMA, _SIGMA).lower())
    local, at, domain = folded.rstrip(".").rpartition("@")
    # An ideographic full stop becomes a dot only in the A-label.
    return f"{local.replace(_FINAL_SIGMA, _SIGMA)}{at}{_a_label(domain)}".rstrip(".")


def _a_label(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        # No registrable name, so nobody else's either: it stands for itself.
        return domain


def recipient_key(orgid: int, email: str) -> bytes:
    """Return the log key of an event that names its recipient by address."""
    return f"{orgid}:{identity(email)}".encode()


def rid_key(orgid: int, rid: int) -> bytes:
    """Return the log key of an event that names its recipient by rid."""
    return b"%d:#%d" % (orgid, rid)


def mailing_key(orgid: int, mid: int) -> bytes:
    """Return the log key of a mailing's control events; its partition is the mailing's home."""
    return b"%d:@%d" % (orgid, mid)


def rid_of(offset: int, partition: int) -> int:
    """Return the rid of the recipient that the event at *partition*, *offset* creates."""
    return (offset + 1) * MAX_PARTITIONS + partition


def partition_of_rid(rid: int) -> int:
    """Return the partition that keeps the recipient *rid*."""
    return rid % MAX_PARTITIONS


def offset_of_rid(rid: int) -> int:
    """Return the offset of the event that created *rid*."""
    return rid // MAX_PARTITIONS - 1
