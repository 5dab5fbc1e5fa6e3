"""A mail of a send and its content, byte for byte the same at every try."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import idna

from mailing_trigger.delivery.errors import Refused

if TYPE_CHECKING:
    from mailing_trigger.delivery.message import Content, Send


class Mail(NamedTuple):
    """A mail and its recipient; *utf8*: only a server with SMTPUTF8 takes the address."""

    to: str
    data: bytes
    utf8: bool


def compose(send: Send, content: Content, sender: Address, *, installation: str = "") -> Mail:
    """Return the mail; Refused when its recipient has no address that a mail can have.

    The Message-ID is that of *send* in this *installation*, so whoever gets a mail twice can tell.
    """
    to = _address(send)
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = content.subject
    message["Date"] = datetime.fromtimestamp(send.sent_at_ms / 1000, UTC)
    place = f"{installation}{send.send_id}".replace(":", ".")
    message["Message-ID"] = f"<{place}@{sender.domain}>"
    # Holiday notices and the like do not answer it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    _fill(message, content, send.send_id)
    utf8 = not to.addr_spec.isascii()
    return Mail(to.addr_spec, message.as_bytes(policy=policy.SMTPUTF8 if utf8 else None), utf8)


def _fill(message: EmailMessage, content: Content, send_id: str) -> None:
    # Quoted-printable also where it need not be: no line is too long for a server, and no text can
    # look like the boundary, whose `=_` would be written otherwise (RFC 2045, 6.7).
    if content.plain is not None:
        message.set_content(content.plain, cte="quoted-printable")
    if content.html is None:
        return
    if content.plain is None:
        message.set_content(content.html, subtype="html", cte="quoted-printable")
        return
    message.add_alternative(content.html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{sha256(send_id.encode()).hexdigest()[:32]}")


def _address(send: Send) -> Address:
    local, _, domain = send.email.rpartition("@")
    if not send.email.isprintable():
        raise Refused("BAD_ADDRESS", "the address has control characters")
    try:
        if not domain.isascii():
            domain = idna.encode(domain, uts46=True).decode("ascii")
        spec = Address(addr_spec=f"{local}@{domain}") if local.isascii() else None
        user = spec.username if spec else local
        name = "".join(letter for letter in send.name if letter.isprintable())
        return Address(display_name=name, username=user, domain=domain)
    except (ValueError, IndexError, MessageError) as exc:
        # Not its text: that repeats the address. idna's own error is a ValueError, too.
        raise Refused(
            "BAD_ADDRESS", f"no mail can have this address: {type(exc).__name__}"
        ) from exc
