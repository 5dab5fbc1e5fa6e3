"""Where messages leave, as it is written in settings, and that no secret leaves in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailing_trigger.adapters import delivery_settings
from mailing_trigger.delivery.settings import (
    FolderPlace,
    HookPlace,
    Place,
    SmtpPlace,
    Tls,
    place_of,
    require_safe,
    sender_of,
)
from mailing_trigger.errors import CommandError, SettingsError
from mailing_trigger.settings import Settings

SECRET = "hunter2-correct-horse"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("smtp://mail.example", SmtpPlace("mail.example", 587, Tls.STARTTLS)),
        ("smtps://mail.example/", SmtpPlace("mail.example", 465, Tls.FROM_THE_START)),
        ("smtp+plain://[::1]:2525", SmtpPlace("::1", 2525, Tls.NEVER)),
        ("https://hook.example/mail?a=b", HookPlace("https://hook.example/mail?a=b")),
        ("/var/mails", FolderPlace(Path("/var/mails"))),
        ("mails", FolderPlace(Path("mails").absolute())),
    ],
)
def test_a_place_is_a_server_a_url_or_a_folder(text: str, place: Place) -> None:
    assert place_of(text, "outlet") == place


@pytest.mark.parametrize(
    "text",
    [
        "smtp://",
        "smtp://mail.example:port",
        "smtp://mail.example/path",
        "ftp://mail.example",
        f"smtp://me:{SECRET}@mail.example",
        f"https://me:{SECRET}@hook.example",
    ],
)
def test_what_is_no_place_is_named_without_its_secrets(text: str) -> None:
    with pytest.raises(SettingsError, match="outlet") as raised:
        place_of(text, "outlet")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (SmtpPlace("mail.example", 25, Tls.NEVER), "smtp_password"),
        (HookPlace("http://hook.example/"), "webhook_token"),
    ],
)
def test_a_secret_never_crosses_the_network_in_clear(place: Place, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        require_safe(place, password=SECRET, token=SECRET)
    require_safe(place, password="", token="")


def test_on_this_machine_a_secret_may_go_in_clear() -> None:
    for place in (SmtpPlace("127.0.0.1", 25, Tls.NEVER), HookPlace("http://localhost:80/")):
        require_safe(place, password=SECRET, token=SECRET)


@pytest.mark.parametrize(
    "text", ["Shop", "a@b.example, c@d.example\n", "Shop <shop>", "ü@b.example"]
)
def test_a_sender_is_one_address(text: str) -> None:
    with pytest.raises(SettingsError, match="sender"):
        sender_of(text)


def test_a_sender_may_have_a_name() -> None:
    sender = sender_of("The Shop <shop@example.com>")
    assert (sender.display_name, sender.addr_spec) == ("The Shop", "shop@example.com")


def test_secrets_do_not_show_in_what_a_deliverer_is_told() -> None:
    settings = Settings(
        bootstrap_servers="kafka:9092",
        outlet="smtps://mail.example",
        sender="shop@example.com",
        smtp_user="shop",
        smtp_password=SECRET,
        webhook_token=SECRET,
    )
    delivery = delivery_settings(settings)
    assert (delivery.password, delivery.token) == (SECRET, SECRET)
    assert SECRET not in repr(delivery) + repr(settings)


def test_text_messages_go_into_the_folder_of_mails_unless_they_have_a_place() -> None:
    folder = Settings(bootstrap_servers="kafka:9092", outlet="/var/mails")
    assert delivery_settings(folder).texts == FolderPlace(Path("/var/mails"))
    server = Settings(
        bootstrap_servers="kafka:9092", outlet="smtp://mail.example", sender="shop@example.com"
    )
    assert delivery_settings(server).texts is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "--outlet"),
        ({"outlet": "smtp://mail.example"}, "--sender"),
        ({"outlet": "mails", "sms_outlet": "smtp://mail.example"}, "sms_outlet"),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        delivery_settings(Settings(bootstrap_servers="kafka:9092", **settings))
