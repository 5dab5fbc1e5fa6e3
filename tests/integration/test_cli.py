"""The commands against a broker and a worker that run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from schemas.topics import TOPICS
from tests.support.commands import Commands, Done
from tests.support.ports import own_port
from tests.support.processes import ROOT
from tests.support.wait import WITHIN_S, eventually
from tests.support.worker import served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.brokers import Broker
    from tests.support.worker import Cluster
# The command, which waits a second where it would wait ten or twenty for a broker.
IMPATIENT = """
import sys
from mailing_trigger import doctor_kafka
from mailing_trigger.cli import main
from producers import exchange
from streams.worker import admin
admin._WAIT_S = exchange.START_TIMEOUT_S = doctor_kafka.ANSWER_WITHIN_S = 1.0
sys.exit(main())
"""
PASSWORD = "correct horse battery"


def command(*args: str, env: dict[str, str] | None = None, stdin: str = "") -> Done:
    """Run `mailing-trigger` with *args* and nothing in the environment but *env*."""
    return ended("-m", "mailing_trigger", *args, env=env, stdin=stdin)


def ended(*args: str, env: dict[str, str] | None, stdin: str = "") -> Done:
    """Run Python with *args*; return its exit status and what it said."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


@pytest.fixture
def at(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Commands:
    """Runs commands about this test's topics."""
    return Commands(capsys, monkeypatch, cluster.environment())


@pytest.fixture
def nowhere() -> dict[str, str]:
    """The environment of a broker that does not answer."""
    return {"MAILING_TRIGGER_BOOTSTRAP_SERVERS": f"127.0.0.1:{own_port()}"}


def failed_with_one_line(done: Done, *named: str) -> None:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("mailing-trigger: ")
    for part in named:
        assert part in done.stderr


def test_topics_are_created_once_and_found_right(kafka: Broker, cluster_prefix: str) -> None:
    where = ("--bootstrap-servers", kafka.bootstrap_servers, "--topic-prefix", cluster_prefix)

    missing = command("topics", "check", *where)
    first = command("topics", "create", *where, "--partitions", "3")
    second = command("topics", "create", *where)
    right = command("topics", "check", *where)

    assert missing.returncode == 1
    assert f"{cluster_prefix}mailing.recipients does not exist" in missing.stdout
    assert len(first.stdout.splitlines()) == len(TOPICS)
    assert second.stdout == "every topic was there already, and keeps its partitions\n"
    assert (right.returncode, right.stdout) == (0, "the topics are as they must be\n")


def test_a_file_becomes_recipients_of_a_mailing_that_is_defined_shown_and_invoked(
    at: Commands, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start()
    asyncio.run(served(cluster))
    mailing = ("--orgid", "2", "--mid", "1")
    people = tmp_path / "people.jsonl"
    rows = [{"email": f"p{number}@example.com"} for number in range(3)]
    people.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    empty = at.run("mailings", "list", "--orgid", "2")
    defined = at.run("mailings", "define", *mailing, "--name", "Hello", "--interval", "3600")
    sent = at.run("send", str(people), *mailing)
    piped = at.run("send", "-", *mailing, stdin='{"email": "nobody"}\n')
    invoked = at.run("invoke", *mailing)
    unknown = at.run("invoke", "--orgid", "2", "--mid", "99")
    listed = eventually(lambda: _listed_with_all_sent(at))
    who = ("--orgid", "2", "--email", "P0@example.com")
    left = at.run("recipients", "unsubscribe", *who)
    shown = at.run("recipients", "show", *who)
    back = at.run("recipients", "resubscribe", *who)
    erased = at.run("recipients", "erase", *who)
    nobody = at.run("recipients", "show", *who)
    unnamed = at.run("recipients", "show", "--orgid", "2")

    assert "no mailings" in empty.stdout, empty.stderr
    assert "Hello" in defined.stdout, defined.stderr
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout.startswith("3 rows: 3 created")
    failed_with_one_line(piped, "1 rows were rejected")
    assert invoked.stdout == "mailing 1 is invoked: 3 messages\n", invoked.stderr
    failed_with_one_line(unknown, "organisation 2 has no mailing 99")
    assert listed[:3] == ["1", "Hello", "ACTIVE"]
    stored = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert (stored["status"], stored["email"]) == ("unsubscribed", "p0@example.com"), shown.stderr
    assert left.stdout == f"recipient {stored['rid']} is unsubscribed\n"
    assert back.stdout == f"recipient {stored['rid']} is subscribed\n"
    assert erased.stdout.startswith(f"recipient {stored['rid']} was erased at "), erased.stderr
    assert "mailing.recipients may hold records from before until: 2" in erased.stdout
    failed_with_one_line(nobody, "no such recipient")
    assert (unnamed.returncode, unnamed.stdout) == (2, "")
    assert "--rid or by --email" in unnamed.stderr


def _listed_with_all_sent(at: Commands) -> list[str] | None:
    lines = at.run("mailings", "list", "--orgid", "2").stdout.splitlines()
    row = lines[1].split() if len(lines) > 1 else []
    return row if row[3:5] == ["0", "3"] else None


@pytest.mark.parametrize(
    "args",
    [
        ("invoke", "--orgid", "2", "--mid", "1"),
        ("topics", "create"),
    ],
    ids="-".join,
)
def test_a_broker_that_does_not_answer_is_one_line(
    args: tuple[str, ...], nowhere: dict[str, str]
) -> None:
    done = ended("-c", IMPATIENT, *args, env=nowhere)
    failed_with_one_line(done, nowhere["MAILING_TRIGGER_BOOTSTRAP_SERVERS"])


@pytest.mark.parametrize(
    ("part", "status"),
    # A worker's supervisor has to know this reason from others.
    [("worker", 69), ("bridge", 1), ("topics check", 1)],
)
def test_a_part_that_finds_no_broker_ends_with_the_reason(
    part: str, status: int, nowhere: dict[str, str]
) -> None:
    alone = {"MAILING_TRIGGER_PROCESSES": "1", "MAILING_TRIGGER_PORT": str(own_port())}
    done = ended("-c", IMPATIENT, *part.split(), env=nowhere | alone)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mailing-trigger: no broker answers at 127.0.0.1:")


def test_without_any_broker_the_cure_is_named(tmp_path: Path) -> None:
    none = {"MAILING_TRIGGER_DATA_DIR": str(tmp_path)}
    done = command("invoke", "--orgid", "2", "--mid", "1", env=none)
    failed_with_one_line(done, "--bootstrap-servers", "mailing-trigger up")


def test_the_doctor_sees_two_worker_processes_and_nothing_wrong(
    at: Commands, cluster: Cluster
) -> None:
    worker = cluster.start(processes=2)

    def healthy() -> bool:
        assert worker.running(), worker.output()
        done = at.run("doctor", "--port", str(own_port()))
        return done.returncode == 0 and "ok    workers    2 processes in group" in done.stdout

    assert eventually(healthy)
    assert worker.stop() == 0, worker.output()


def test_the_doctor_says_that_no_broker_answers(nowhere: dict[str, str]) -> None:
    done = ended("-c", IMPATIENT, "doctor", env=nowhere)
    assert done.returncode == 1
    assert "fail  broker" in done.stdout


def test_the_doctor_says_that_topics_are_missing(kafka: Broker, cluster_prefix: str) -> None:
    done = command(
        "doctor", "--bootstrap-servers", kafka.bootstrap_servers, "--topic-prefix", cluster_prefix
    )
    assert done.returncode == 1
    assert done.stdout.count("fail  topics") == len(TOPICS)


def test_printed_credentials_are_those_of_the_password(tmp_path: Path) -> None:
    from producers.bridge.credentials import CredentialsFile

    done = command("credentials", 'the "shop"', "--orgid", "3", "--orgid", "2", stdin=PASSWORD)
    file = tmp_path / "credentials.toml"
    file.write_text(done.stdout, encoding="utf-8")

    account = CredentialsFile(file).accounts['the "shop"']

    assert PASSWORD not in done.stdout + done.stderr
    assert account.user.orgids == {2, 3}
    assert account.password.matches(PASSWORD)
    assert not account.password.matches(PASSWORD + "!")
    assert tomllib.loads(done.stdout)["users"]


def test_a_short_password_is_refused() -> None:
    failed_with_one_line(command("credentials", "shop", "--orgid", "2", stdin="short\n"), "8")
