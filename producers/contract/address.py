"""Which addresses are acceptable: RFC 5321 and 6531 as email-validator reads them."""

from __future__ import annotations

import re

import email_validator

from producers.contract.errors import Code, Refused

MAX_ADDRESS_OCTETS = 254
MAX_LOCAL_OCTETS = 64

# The validator refuses names that DNS reserves (`test`, `local`, `invalid` …) as undeliverable.
# Here only the syntax counts; the list is documented as its users' to change.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A strict subset of what the validator accepts, for the plain address that nearly all are: no
# `--`, so no A-label that would need decoding. It is some forty times as fast.
_PLAIN = re.compile(
    rf"(?=[^@]{{1,{MAX_LOCAL_OCTETS}}}@)(?!.*@.*--){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
)


def read_address(text: str) -> str:
    """Return the address in *text* as written, without white space around it or a final dot."""
    address = text.strip().removesuffix(".")
    if not is_plain(address):
        check(address)
    return address


def is_plain(address: str) -> bool:
    """Whether *address* is acceptable at first sight; False says nothing."""
    return len(address) <= MAX_ADDRESS_OCTETS and _PLAIN.fullmatch(address) is not None


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
