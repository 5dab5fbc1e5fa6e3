"""Who is let in, and what it costs to find out."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import TYPE_CHECKING

import pytest

from producers.bridge import auth
from producers.bridge.auth import Authenticator
from producers.bridge.credentials import CredentialsFile
from producers.bridge.errors import BridgeError
from producers.bridge.passwords import PasswordHash, hash_password, read_hash
from producers.bridge.problems import Problem
from producers.bridge.server import serve
from tests.support.bridge import GOOD, TRIGGER, Bridge, running, settings
from tests.support.hand_clock import HandClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Made once: a hash takes a third of a second, as it should.
SECRET = hash_password("sécret:with colon")
OTHER = hash_password("other")
FOREIGN = "/v3.7/mailing/trigger?orgid=3&mid=1"
ANSWER = "/v3.7/mailing/trigger/2-0123456789abcdef0.3.70.1.1"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


RIGHT = basic("shop", "sécret:with colon")


def write(path: Path, password: str = SECRET, orgids: str = "[2]") -> None:
    path.write_text(f'[users.shop]\npassword = "{password}"\norgids = {orgids}\n')


class CountedCheck:
    """The real comparison would do; what matters is how often it is asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, hashed: PasswordHash, password: str) -> bool:
        self.count += 1
        return hashed == read_hash(SECRET) and password == "sécret:with colon"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "credentials.toml")
    return tmp_path / "credentials.toml"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    path = tmp_path_factory.mktemp("credentials") / "credentials.toml"
    write(path)
    with running(credentials=path) as started:
        yield started


def test_a_credential_check_costs_microseconds_after_the_first(path: Path) -> None:
    check = CountedCheck()

    async def hundred_calls() -> set[str]:
        authenticator = Authenticator(CredentialsFile(path), check=check)
        return {(await authenticator.user(RIGHT)).name for _ in range(100)}

    assert asyncio.run(hundred_calls()) == {"shop"}
    assert check.count == 1


def test_a_hundred_first_calls_at_once_are_checked_once(path: Path) -> None:
    check = CountedCheck()

    async def hundred_calls() -> None:
        authenticator = Authenticator(CredentialsFile(path), check=check)
        await asyncio.gather(*(authenticator.user(RIGHT) for _ in range(100)))

    asyncio.run(hundred_calls())
    assert check.count == 1


@pytest.mark.parametrize(("name", "password"), [("shop", "wrong"), ("nobody", "other")])
def test_a_wrong_password_is_checked_once_too(path: Path, name: str, password: str) -> None:
    check = CountedCheck()

    async def ten_calls() -> None:
        authenticator = Authenticator(CredentialsFile(path), check=check)
        for _ in range(10):
            with pytest.raises(Problem) as refused:
                await authenticator.user(basic(name, password))
            assert refused.value.status == 401

    asyncio.run(ten_calls())
    assert check.count == 1


def test_a_flood_of_wrong_passwords_does_not_push_the_right_one_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHE_ENTRIES", 8)
    check = CountedCheck()

    async def flood() -> None:
        authenticator = Authenticator(CredentialsFile(path), check=check)
        await authenticator.user(RIGHT)
        for number in range(50):
            with pytest.raises(Problem):
                await authenticator.user(basic("shop", str(number)))
        count = check.count
        await authenticator.user(RIGHT)
        assert check.count == count

    asyncio.run(flood())


def test_more_passwords_than_can_be_checked_are_turned_away(path: Path) -> None:
    async def burst() -> list[int]:
        authenticator = Authenticator(CredentialsFile(path), check=CountedCheck())
        calls = (authenticator.user(basic("shop", str(number))) for number in range(100))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return [answer.status for answer in answers if isinstance(answer, Problem)]

    statuses = asyncio.run(burst())
    assert statuses.count(401) == auth.CHECKS_WAITING
    assert statuses.count(429) == 100 - auth.CHECKS_WAITING


def test_a_check_is_made_again_after_five_minutes(path: Path) -> None:
    check, clock = CountedCheck(), HandClock()

    async def later() -> None:
        authenticator = Authenticator(CredentialsFile(path), check=check, now=clock)
        await authenticator.user(RIGHT)
        clock.now = 299.0
        await authenticator.user(RIGHT)
        assert check.count == 1
        clock.now = 301.0
        await authenticator.user(RIGHT)

    asyncio.run(later())
    assert check.count == 2


def test_a_changed_password_holds_from_the_next_call(path: Path) -> None:
    with running(credentials=path) as bridge:
        first = bridge.http.put(TRIGGER, content=GOOD, headers={"Authorization": RIGHT})
        write(path, password=OTHER, orgids="[2, 3]")
        old = bridge.http.put(TRIGGER, content=GOOD, headers={"Authorization": RIGHT})
        new = bridge.http.put(
            FOREIGN, content=GOOD, headers={"Authorization": basic("shop", "other")}
        )

    assert (first.status_code, old.status_code) == (200, 401)
    assert new.status_code == 404, "let in; the mailing is unknown"


def test_a_file_caught_half_written_locks_nobody_out(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(credentials=path) as bridge, caplog.at_level(logging.ERROR):
        path.write_text("[users.shop\npassword =")
        answers = [
            bridge.http.put(TRIGGER, content=GOOD, headers={"Authorization": RIGHT})
            for _ in range(3)
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len([record for record in caplog.records if "not reloaded" in record.message]) == 1


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"shop:\xff").decode(),
        "Basic " + base64.b64encode(b"shop:\0").decode(),
        'Digest username="shop"',
        "Bearer abc",
        basic("shop", "wrong"),
        basic("shop", ""),
        basic("", ""),
        basic("nobody", "sécret:with colon"),
    ],
)
def test_without_credentials_that_hold_the_answer_is_401(
    bridge: Bridge, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = bridge.http.put(TRIGGER, content=GOOD, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == 'Basic realm="mailing-trigger", charset="UTF-8"'


CHECKS = [
    ("401 before 404 of the path", {}, "GET", "/nothing", 401),
    ("401 before 405", {}, "DELETE", TRIGGER, 401),
    ("404 before 405", {"Authorization": RIGHT}, "DELETE", "/nothing", 404),
    ("405 before 400", {"Authorization": RIGHT}, "DELETE", "/v3.7/mailing/trigger", 405),
    ("400 before 403", {"Authorization": RIGHT}, "PUT", "/v3.7/mailing/trigger?orgid=3", 400),
    ("403 before 415", {"Authorization": RIGHT, "Content-Type": "a/b"}, "PUT", FOREIGN, 403),
    ("415", {"Authorization": RIGHT, "Content-Type": "a/b"}, "PUT", TRIGGER, 415),
    ("an answer of one's own", {"Authorization": RIGHT}, "GET", ANSWER, 202),
    ("an answer is not for everyone", {}, "GET", ANSWER, 401),
    ("another's", {"Authorization": RIGHT}, "GET", ANSWER.replace("/2-", "/3-"), 403),
    ("metrics are not for everyone", {}, "GET", "/metrics", 401),
    ("metrics for a user", {"Authorization": RIGHT}, "GET", "/metrics", 200),
    ("liveness is", {}, "GET", "/healthz", 200),
    ("readiness is", {}, "GET", "/readyz", 200),
    ("the interface is", {}, "GET", "/openapi.json", 200),
    ("its page is", {}, "GET", "/docs", 200),
]


@pytest.mark.parametrize(
    ("headers", "verb", "path", "status"),
    [row[1:] for row in CHECKS],
    ids=[row[0] for row in CHECKS],
)
def test_checks_come_in_the_order_of_the_contract(
    bridge: Bridge, headers: dict[str, str], verb: str, path: str, status: int
) -> None:
    answer = bridge.http.request(verb, path, headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PUT", "/v3.7/mailing/trigger"),
        ("POST", "/v3.5/mailing/trigger"),
        ("POST", "/v1.0/mailing/trigger.csv"),
        ("GET", "/v3.7/mailing"),
        ("PUT", "/v3.7/mailing"),
        ("POST", "/v3.7/mailing/invoke"),
    ],
)
def test_another_organisation_is_forbidden_on_every_path(
    bridge: Bridge, verb: str, path: str
) -> None:
    asked = len(bridge.client.calls)
    answer = bridge.http.request(
        verb, f"{path}?orgid=3&mid=1", content=GOOD, headers={"Authorization": RIGHT}
    )

    assert (answer.status_code, answer.json()["detail"]) == (403, "organisation 3 is not yours")
    assert len(bridge.client.calls) == asked


def test_a_browser_that_knows_the_password_still_may_not_be_used_from_another_site(
    bridge: Bridge,
) -> None:
    answer = bridge.http.post(
        TRIGGER,
        data={"email": "form@example.com"},
        headers={"Authorization": RIGHT, "Sec-Fetch-Site": "cross-site"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "mail.example.com"])  # noqa: S104
def test_without_credentials_nobody_but_this_machine_is_listened_to(host: str) -> None:
    with pytest.raises(BridgeError, match="needs a file of credentials"):
        serve(settings(host=host))


@pytest.mark.parametrize(
    ("changes", "local"),
    [({}, True), ({"insecure": True, "host": "::"}, False), ({"host": "::1"}, True)],
    ids=str,
)
def test_insecure_is_said_out_loud(changes: dict[str, object], local: bool) -> None:
    chosen = settings(**changes)
    chosen.check()

    assert chosen.local_only is local


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[users.shop\n", "credentials.toml"),
        ("users = 3", "Expected `object`"),
        ('[users.shop]\npassword = "plain"\norgids = [2]', "not a scrypt hash"),
        (f'[users.shop]\npassword = "{SECRET}"', "orgids"),
        (f'[users.shop]\npassword = "{SECRET}"\norgids = ["2"]', "orgids"),
        (f'[users.shop]\npassword = "{SECRET}"\norgids = [2]\nrole = "x"', "role"),
        (None, "No such file"),
    ],
)
def test_a_bad_credentials_file_is_one_readable_line(
    tmp_path: Path, text: str | None, cause: str
) -> None:
    path = tmp_path / "credentials.toml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(BridgeError, match=cause) as refused:
        CredentialsFile(path)
    assert "\n" not in str(refused.value)
    assert "plain" not in str(refused.value)


def test_a_hash_is_of_its_password_alone_and_never_the_same() -> None:
    again = hash_password("sécret:with colon")

    assert again != SECRET
    assert read_hash(SECRET).matches("sécret:with colon")
    assert not read_hash(SECRET).matches("sécret:with colons")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$scrypt$ln=15,r=8,p=3$c2FsdA",
        SECRET.replace("scrypt", "md5"),
        SECRET.replace("ln=15", "ln=40"),
        SECRET.replace("ln=15", "ln=0"),
        SECRET.replace("r=8", "r=4096"),
        SECRET.replace("p=3", "p=0"),
        SECRET[:-20],
        SECRET + "!",
    ],
    ids=["empty", "no digest", "md5", "huge n", "no n", "huge r", "no p", "cut", "trailing"],
)
def test_what_is_no_hash_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scrypt"):
        read_hash(text)
