"""Mails as they leave."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest

from mailing_trigger.delivery.errors import Refused
from mailing_trigger.delivery.mail import compose
from mailing_trigger.delivery.message import Content, Send
from tests.support.sends import send

SHOP = Address("The Shop", addr_spec="shop@example.org")


def text_of(part: EmailMessage) -> str:
    """The text of a body, its lines as Python has them."""
    return str(part.get_content()).replace("\r\n", "\n")


def parsed(sent: Send, content: Content) -> EmailMessage:
    mail = message_from_bytes(compose(sent, content, SHOP).data, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_a_mail_says_from_whom_to_whom_when_and_which_it_is() -> None:
    mail = parsed(
        send(firstName="Ada", lastName="Byron"), Content(subject="Grüße", plain="Hello, Wörld")
    )
    assert mail["From"] == "The Shop <shop@example.org>"
    assert mail["To"] == "Ada Byron <user0@example.com>"
    assert mail["Subject"] == "Grüße"
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert mail["Message-ID"] == "<1024.0.0@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert text_of(mail) == "Hello, Wörld\n"


def test_both_bodies_are_alternatives_the_better_one_last() -> None:
    mail = parsed(send(), Content(subject="x", html="<p>hé</p>", plain="hé"))
    assert mail.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), text_of(part)) for part in mail.iter_parts()]
    assert parts == [("text/plain", "hé\n"), ("text/html", "<p>hé</p>\n")]


def test_a_mail_has_the_same_bytes_at_every_try_and_no_two_have_the_same_id() -> None:
    content = Content(subject="x", html="<p>a</p>", plain="a")
    assert compose(send(1), content, SHOP) == compose(send(1), content, SHOP)
    ids = {parsed(send(number), content)["Message-ID"] for number in range(5)}
    assert len(ids) == 5
    other = compose(send(1), content, SHOP, installation="staging.").data
    assert b"Message-ID: <staging.2048.0.1@example.org>" in other


def test_a_text_cannot_end_its_part() -> None:
    first = compose(send(), Content(subject="x", html="a", plain="b"), SHOP).data
    boundary = message_from_bytes(first).get_boundary()
    evil = f"a\n--{boundary}\nContent-Type: text/html\n\nevil\n--{boundary}--\n"
    mail = parsed(send(), Content(subject="x", html="b", plain=evil))
    assert [text_of(part) for part in mail.iter_parts()] == [evil, "b\n"]


@pytest.mark.parametrize(
    ("email", "to", "utf8"),
    [
        ("user@bücher.example", "user@xn--bcher-kva.example", False),
        ("пользователь@example.com", "пользователь@example.com", True),
        ('"odd name"@example.com', '"odd name"@example.com', False),
        ("user+tag@example.com", "user+tag@example.com", False),
    ],
)
def test_an_address_is_written_as_servers_want_it(email: str, to: str, *, utf8: bool) -> None:
    mail = compose(send(email=email), Content(subject="x", plain="y"), SHOP)
    assert (mail.to, mail.utf8) == (to, utf8)
    assert message_from_bytes(mail.data, policy=policy.default)["To"] == to


@pytest.mark.parametrize(
    "email",
    [
        "a@b.example\r\nBcc: all@example.com",
        "a@b.example>, <all@example.com",
        "a@b.example, all@example.com",
        "all@example.com, a@b.example",
        "nobody",
        "@example.com",
        "",
    ],
)
def test_what_is_no_one_address_is_refused_and_not_repeated(email: str) -> None:
    with pytest.raises(Refused) as raised:
        compose(send(email=email), Content(subject="x", plain="y"), SHOP)
    assert raised.value.reason == "BAD_ADDRESS"
    assert "example" not in raised.value.detail


def test_a_name_cannot_add_headers_or_recipients() -> None:
    mail = parsed(
        send(firstName="Eve\r\nBcc: all@example.com\r\n\r\nbody", lastName='" <x@y.example>, "'),
        Content(subject="x", plain="y"),
    )
    assert [address.addr_spec for address in mail["To"].addresses] == ["user0@example.com"]
    assert sorted(name.lower() for name in mail) == sorted(
        name.lower() for name in parsed(send(), Content(subject="x", plain="y"))
    )
