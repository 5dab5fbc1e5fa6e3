"""A mail server that keeps what it takes, and refuses what it is told to."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.ports import own_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

USER, PASSWORD = "shop", "correct horse battery"


@dataclass
class MailServer:
    """The server's memory; `answers` are those to RCPT for an address, oldest first.

    After *room* mails it takes the next with 421 and hangs up.
    """

    port: int
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    data_answers: list[str] = field(default_factory=list)
    room: int | None = None
    connections: int = 0
    logins: list[str] = field(default_factory=list)
    _taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mails(self) -> list[tuple[str, EmailMessage]]:
        """All that was taken: recipient and mail."""
        with self._lock:
            return [*self._taken]

    def ids(self) -> list[str]:
        """The Message-IDs of all that was taken, repeats included."""
        return [mail["Message-ID"] for _, mail in self.mails()]

    async def handle_EHLO(
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if self.answers[address]:
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:
        with self._lock:
            if self.room is not None and len(self._taken) >= self.room:
                server.transport.close()
                return "421 no room"
            if self.data_answers:
                return self.data_answers.pop(0)
            self._taken += [(to, _parsed(envelope.content)) for to in envelope.rcpt_tos]
        return "250 kept"

    def authenticate(
        self, _server: Any, session: Any, _envelope: Any, _mechanism: str, login: object
    ) -> AuthResult:
        assert isinstance(login, LoginPassword)
        right = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
        if right:
            self.logins.append("TLS" if session.ssl else "clear")
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
    utf8: bool = True,
) -> Iterator[MailServer]:
    """Run one on this machine; with *tls* it offers STARTTLS, with *login* it demands one."""
    server = MailServer(port or own_port())
    more: dict[str, Any] = {}
    if login:
        more = {"authenticator": server.authenticate, "auth_required": True}
        more["auth_require_tls"] = tls is not None
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=server.port,
        tls_context=tls,
        enable_SMTPUTF8=utf8,
        ready_timeout=10,
        **more,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _parsed(data: bytes) -> EmailMessage:
    mail = message_from_bytes(data, policy=policy.SMTPUTF8)
    assert isinstance(mail, EmailMessage)
    return mail
