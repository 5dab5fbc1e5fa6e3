"""Outlets against real servers and a real folder, without Kafka."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from mailing_trigger.delivery.errors import (
    DeliveryError,
    Later,
    NoSuchAddress,
    Refused,
    Unavailable,
)
from mailing_trigger.delivery.message import Content
from mailing_trigger.delivery.outlet import outlet_at
from mailing_trigger.delivery.settings import (
    DeliverySettings,
    FolderPlace,
    HookPlace,
    Place,
    SmtpPlace,
    Tls,
    sender_of,
)
from tests.support.mail_server import PASSWORD, USER, mail_server
from tests.support.ports import own_port
from tests.support.sends import send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from mailing_trigger.delivery.message import Send
    from mailing_trigger.delivery.outlet import Outlet

CONTENT = Content(subject="Hello", plain="Hello, Wörld", html="<p>Hello, Wörld</p>")


def settings(place: Place, **more: Any) -> DeliverySettings:
    return DeliverySettings(
        bootstrap_servers="", group="", mails=place, sender=sender_of("shop@example.org"), **more
    )


def through(place: Place, *sends: Send, **more: Any) -> list[DeliveryError | None]:
    """What the outlet says to each of *sends*, one after the other."""

    async def each(outlet: Outlet) -> list[DeliveryError | None]:
        said: list[DeliveryError | None] = []
        for one in sends:
            try:
                await outlet.deliver(one, CONTENT)
            except DeliveryError as exc:
                said.append(exc)
            else:
                said.append(None)
        return said

    return asyncio.run(used(place, each, **more))


async def used(place: Place, use: Callable[[Outlet], Awaitable[Any]], **more: Any) -> Any:
    outlet = outlet_at(place, settings(place, **more))
    try:
        return await use(outlet)
    finally:
        await outlet.close()


def plain(port: int) -> SmtpPlace:
    return SmtpPlace("127.0.0.1", port, Tls.NEVER)


def test_a_mail_server_gets_whole_mails_over_one_connection() -> None:
    with mail_server() as server:
        assert through(plain(server.port), send(0), send(1)) == [None, None]
        (to, mail), (other, _) = server.mails()
        assert (to, other) == ("user0@example.com", "user1@example.com")
        assert (mail["Subject"], mail["From"]) == ("Hello", "shop@example.org")
        body = mail.get_body(("plain",))
        assert body is not None
        assert body.get_content().strip() == "Hello, Wörld"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("550 no such user", Refused),
        ("550 5.1.1 no such user", NoSuchAddress),
        ("551 5.1.6 moved", NoSuchAddress),
        ("556 5.1.10 null MX", NoSuchAddress),
        ("550 5.2.1 disabled", NoSuchAddress),
        ("550 5.2.2 full", Refused),
        ("550 5.1.8 the sender is nobody", Refused),
        ("550 5.7.1 5.1.1 is not what this is about", Refused),
        ("552 5.1.1 too large", Refused),
        ("450 4.1.1 perhaps later", Later),
        ("451 greylisted", Later),
        ("421 closing", Unavailable),
    ],
)
def test_an_answer_about_one_recipient_is_about_that_message_alone(
    answer: str, kind: type[DeliveryError]
) -> None:
    with mail_server() as server:
        server.answers["user0@example.com"] = [answer]
        first, second = through(plain(server.port), send(0), send(1))
        assert type(first) is kind
        assert first.reason == f"SMTP_{answer[:3]}"
        assert second is None
        assert [to for to, _ in server.mails()] == ["user1@example.com"]


def test_a_content_that_is_refused_is_told_from_one_that_may_come_later() -> None:
    with mail_server() as server:
        server.data_answers = ["554 5.1.1 spam", "452 disk full"]
        first, second, third = through(plain(server.port), send(0), send(0), send(0))
        assert (type(first), type(second), third) == (Refused, Later, None)


def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    address = "пользователь@example.com"
    with mail_server(utf8=True) as server:
        assert through(plain(server.port), send(email=address)) == [None]
        assert server.mails()[0][0] == address
    with mail_server(utf8=False) as server:
        (said,) = through(plain(server.port), send(email=address))
        assert type(said) is Refused


def test_many_mails_at_once_share_eight_connections() -> None:
    with mail_server() as server:

        async def all_at_once(outlet: Outlet) -> None:
            await asyncio.gather(*(outlet.deliver(send(number), CONTENT) for number in range(60)))

        asyncio.run(used(plain(server.port), all_at_once))
        assert len(set(server.ids())) == len(server.ids()) == 60
        assert 1 < server.connections <= 8


def test_a_server_that_is_not_there_is_nobodys_fault() -> None:
    (said,) = through(plain(own_port()), send())
    assert type(said) is Unavailable


def test_a_connection_that_the_server_ended_is_made_anew() -> None:
    port = own_port()

    async def story(outlet: Outlet) -> list[str]:
        said = []
        with mail_server(port=port):
            await outlet.deliver(send(0), CONTENT)
        with pytest.raises(Unavailable):
            await outlet.deliver(send(1), CONTENT)
        with mail_server(port=port) as server:
            await outlet.deliver(send(1), CONTENT)
            said += [to for to, _ in server.mails()]
        return said

    assert asyncio.run(used(plain(port), story)) == ["user1@example.com"]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate that this process trusts."""
    ca = trustme.CA()
    trusted = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


def test_a_login_goes_through_tls(certificate: ssl.SSLContext) -> None:
    with mail_server(tls=certificate, login=True) as server:
        place = SmtpPlace("localhost", server.port, Tls.STARTTLS)
        login = {"user": USER, "password": PASSWORD}
        assert through(place, send(), **login) == [None]
        assert server.logins == ["TLS"]
        (said,) = through(place, send(), **(login | {"password": "wrong"}))
        assert type(said) is Unavailable
        assert said.reason == "SMTP_535"


@pytest.mark.usefixtures("certificate")
def test_a_server_without_starttls_gets_nothing_where_it_is_asked_for() -> None:
    with mail_server() as server:
        place = SmtpPlace("localhost", server.port, Tls.STARTTLS)
        (said,) = through(place, send(), user=USER, password=PASSWORD)
        assert type(said) is Unavailable
        assert server.mails() == []
        assert server.logins == []


def test_a_certificate_nobody_vouches_for_is_not_trusted() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with mail_server(tls=context) as server:
        (said,) = through(SmtpPlace("localhost", server.port, Tls.STARTTLS), send())
        assert type(said) is Unavailable
        assert server.mails() == []


@contextmanager
def hook(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Run a hook that answers *statuses* in turn, then 204; yields its URL and what it got."""
    left, got = list(statuses), list[tuple[dict[str, str], bytes]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(left.pop(0) if left else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_hook_gets_json_with_the_context_byte_for_byte_and_may_know_repeats() -> None:
    context = b'{"price":1.10,"id":123456789012345678901234567890}'
    with hook() as (url, got):
        mail = send(0, context=context, firstName="Ada")
        text = send(1, channel="SMS", smsContact="+31612345678")
        assert through(HookPlace(url), mail, text, token="token") == [None, None]
    headers, body = got[0]
    assert headers["Idempotency-Key"] == '"1024:0:0"'
    assert headers["Authorization"] == "Bearer token"
    assert b'"context":' + context in body
    said = json.loads(body)
    assert (said["channel"], said["to"], said["name"]) == ("EMAIL", "user0@example.com", "Ada")
    assert (said["subject"], said["text"]) == (CONTENT.subject, CONTENT.plain)
    said = json.loads(got[1][1])
    assert (said["channel"], said["to"], said["text"]) == ("SMS", "+31612345678", CONTENT.plain)
    assert "context" not in said


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (422, Refused),
        (500, Later),
        (302, Unavailable),
        (401, Unavailable),
        (404, Unavailable),
        (429, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_hooks_status_says_whose_fault_it_is(status: int, kind: type[DeliveryError]) -> None:
    with hook(status) as (url, got):
        first, second = through(HookPlace(url), send(0), send(1))
        assert type(first) is kind
        assert first.reason == f"HTTP_{status}"
        assert second is None
        assert len(got) == 2


def test_a_folder_has_one_file_of_a_message_however_often_it_comes(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    text = send(1, channel="SMS", smsContact="+31612345678", context=b"{not json")
    assert through(FolderPlace(folder), send(0), text, send(0)) == [None, None, None]
    assert sorted(file.name for file in folder.iterdir()) == ["1024-0-0.eml", "2048-0-1.json"]
    assert folder.stat().st_mode & 0o077 == 0
    assert json.loads((folder / "2048-0-1.json").read_bytes())["context"] == "{not json"


def test_a_folder_that_takes_nothing_keeps_the_message_waiting(tmp_path: Path) -> None:
    folder = tmp_path / "mails"

    async def story(outlet: Outlet) -> str:
        folder.rmdir()
        with pytest.raises(Unavailable) as raised:
            await outlet.deliver(send(), CONTENT)
        return raised.value.reason

    assert asyncio.run(used(FolderPlace(folder), story)) == "FOLDER"
