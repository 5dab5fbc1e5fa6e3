"""A mail server, by a few connections that stay open."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mailing_trigger.delivery.errors import (
    DeliveryError,
    Later,
    NoSuchAddress,
    Refused,
    Unavailable,
)
from mailing_trigger.delivery.mail import compose
from mailing_trigger.delivery.settings import AT_ONCE, Tls
from mailing_trigger.errors import CommandError

try:
    import aiosmtplib
except ImportError:
    raise CommandError(
        "aiosmtplib is missing: install mailing-trigger with its extra `deliver`"
    ) from None

if TYPE_CHECKING:
    from mailing_trigger.delivery.mail import Mail
    from mailing_trigger.delivery.message import Content, Send
    from mailing_trigger.delivery.settings import DeliverySettings, SmtpPlace

# RFC 5321 (4.5.3.2) would wait ten minutes for the end of the data; a relay nearby needs seconds.
WITHIN_S = 60.0
# Servers end what is idle, many after a minute: it is not offered a message any more.
_IDLE_S = 20.0
_CLOSE_S = 5.0
_CLOSING = 421
_TOO_LARGE = 552
_FOR_GOOD = 500
# RFC 3463: no such mailbox, host, or spelling; moved; a null MX (RFC 7505); disabled. A 550 alone
# may be policy, which 5.7 is, and 5.1.7 and 5.1.8 are about the sender.
_NO_SUCH_ADDRESS = re.compile(r"5\.(1\.(1|2|3|6|10)|2\.1)\b")


class _Connection:
    """A connection that may be used once more; without a *client* one that is to be made."""

    def __init__(self, client: aiosmtplib.SMTP | None = None) -> None:
        self.client = client
        self.used_at = time.monotonic()

    def fresh(self) -> bool:
        return (
            self.client is not None
            and self.client.is_connected
            and time.monotonic() - self.used_at < _IDLE_S
        )


class SmtpOutlet:
    """Hands mails to the server at *place*."""

    def __init__(self, place: SmtpPlace, settings: DeliverySettings) -> None:
        self._place, self._settings = place, settings
        self._tls = ssl.create_default_context() if place.tls is not Tls.NEVER else None
        # The one used last is taken first, so those that are not needed become idle.
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        for _ in range(AT_ONCE):
            self._free.put_nowait(_Connection())

    async def deliver(self, send: Send, content: Content) -> None:
        """Hand a mail over: the server has said that it is its own now."""
        mail = compose(
            send, content, self._settings.sender, installation=self._settings.topic_prefix
        )
        connection = await self._free.get()
        try:
            if not connection.fresh():
                await _end(connection)
                connection = _Connection(await self._connect())
            await self._send(connection, mail)
        except (aiosmtplib.SMTPException, OSError) as exc:
            error = _sorted(exc)
            if not isinstance(error, Refused | Later):
                await _end(connection)
            raise error from exc
        except BaseException:
            # Nobody knows where the dialogue stands.
            if connection.client is not None:
                connection.client.close()
            raise
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while not self._free.empty():
            await _end(self._free.get_nowait())

    async def _connect(self) -> aiosmtplib.SMTP:
        place, settings = self._place, self._settings
        client = aiosmtplib.SMTP(
            hostname=place.host,
            port=place.port,
            username=settings.user or None,
            password=settings.password or None,
            timeout=WITHIN_S,
            use_tls=place.tls is Tls.FROM_THE_START,
            # True: refused by a server that has none. The default would go on in clear.
            start_tls=place.tls is Tls.STARTTLS,
            tls_context=self._tls,
        )
        await client.connect()
        return client

    async def _send(self, connection: _Connection, mail: Mail) -> None:
        client = connection.client
        assert client is not None  # noqa: S101 - it was just made
        await client.sendmail(
            self._settings.sender.addr_spec,
            [mail.to],
            mail.data,
            mail_options=["SMTPUTF8"] if mail.utf8 else [],
        )
        connection.used_at = time.monotonic()


async def _end(connection: _Connection) -> None:
    client, connection.client = connection.client, None
    if client is None:
        return
    with suppress(aiosmtplib.SMTPException, OSError):
        if client.is_connected:
            await client.quit(timeout=_CLOSE_S)
    client.close()


def _sorted(exc: Exception) -> DeliveryError:
    """Return what a server's answer, or its silence, means for the message."""
    if isinstance(exc, aiosmtplib.SMTPRecipientsRefused):
        exc = exc.recipients[0]
    if isinstance(exc, aiosmtplib.SMTPNotSupported):
        # An address that is not ASCII, and a server without SMTPUTF8.
        return Refused("SMTP_NOT_SUPPORTED", "the server has no SMTPUTF8")
    if not isinstance(exc, aiosmtplib.SMTPResponseException):
        return Unavailable("SMTP_SILENT", type(exc).__name__)
    reason, said = f"SMTP_{exc.code}", str(exc.message)[:200]
    ours = isinstance(exc, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if exc.code == _CLOSING or not (ours or exc.code == _TOO_LARGE):
        # Greeting, login, sender: the next message would be told the same.
        return Unavailable(reason, said)
    if exc.code < _FOR_GOOD:
        return Later(reason, said)
    at_rcpt = isinstance(exc, aiosmtplib.SMTPRecipientRefused)
    if at_rcpt and exc.code != _TOO_LARGE and _NO_SUCH_ADDRESS.match(said):
        return NoSuchAddress(reason, said)
    return Refused(reason, said)
