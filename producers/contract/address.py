"""Which addresses are acceptable: RFC 5321 and 6531 as email-validator reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import email_validator

from producers.contract.errors import Code, Refused

if TYPE_CHECKING:
    from mypy_extensions import i64

MAX_ADDRESS_OCTETS: Final = 254
MAX_LOCAL_OCTETS: Final = 64
_MAX_LABEL: Final = 63

# The validator refuses names that DNS reserves (`test`, `local`, `invalid` …) as undeliverable.
# Here only the syntax counts; the list is documented as its users' to change.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# What a byte of a plain address may be; every other byte is no part of one.
_SYMBOL: Final = 1
_LETTER: Final = 2  # or a digit
_HYPHEN: Final = 3
_DOT: Final = 4
_AT: Final = 5
_ALPHANUMERICS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KINDS: Final = bytes(
    _LETTER
    if char in _ALPHANUMERICS
    else _SYMBOL
    if char in "!#$%&'*+/=?^_`{|}~"
    else {"-": _HYPHEN, ".": _DOT, "@": _AT}.get(char, 0)
    for char in map(chr, range(256))
)


def read_address(text: str) -> str:
    """Return the address in *text* as written, without white space around it or a final dot."""
    address = text.strip().removesuffix(".")
    if not is_plain(address.encode(errors="surrogatepass")):
        check(address)
    return address


def is_plain(address: bytes) -> bool:
    """Whether *address* is acceptable at first sight; False says nothing.

    A strict subset of what the validator accepts, for the plain address that nearly all are: no
    `--` in the domain, so no A-label that would need decoding. It is some hundred times as fast.
    """
    size: i64 = len(address)
    if size > MAX_ADDRESS_OCTETS:
        return False
    at: i64 = 0
    atom: i64 = 0
    while True:
        if at == size:
            return False
        kind: i64 = _KINDS[address[at]]
        if kind == _DOT:
            if not atom:
                return False
            atom = 0
        elif kind == _AT:
            break
        elif kind:
            atom += 1
        else:
            return False
        at += 1
    if not atom or at > MAX_LOCAL_OCTETS:
        return False
    label: i64 = 0
    last: i64 = _DOT
    at += 1
    while at < size:
        kind = _KINDS[address[at]]
        at += 1
        if kind == _LETTER:
            label += 1
        elif last != _LETTER or label > _MAX_LABEL:
            # A label begins and ends with a letter, and so does what stands around a hyphen.
            return False
        elif kind == _HYPHEN:
            label += 1
        elif kind == _DOT:
            label = 0
        else:
            return False
        last = kind
    return last == _LETTER and label <= _MAX_LABEL


def check(address: str) -> None:
    """Refuse an *address* that breaks the syntax."""
    # Before the validator, whose work grows with the length.
    if len(address.encode(errors="surrogatepass")) > MAX_ADDRESS_OCTETS:
        raise Refused(Code.INVALID_EMAIL, f"an address has at most {MAX_ADDRESS_OCTETS} octets")
    try:
        email_validator.validate_email(
            address,
            allow_smtputf8=True,
            allow_quoted_local=True,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,
            check_deliverability=False,
            globally_deliverable=False,
        )
    except email_validator.EmailSyntaxError as exc:
        raise Refused(Code.INVALID_EMAIL, str(exc)) from exc
    local = address.rpartition("@")[0]
    if len(local.encode()) > MAX_LOCAL_OCTETS:
        detail = f"an address has at most {MAX_LOCAL_OCTETS} octets before the @-sign"
        raise Refused(Code.INVALID_EMAIL, detail)
