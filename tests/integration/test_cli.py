"""The commands against a broker and a worker that run."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from schemas.topics import TOPICS
from streams.embedded.ports import free_port
from tests.support.processes import ROOT
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.brokers import Broker
    from tests.support.processes import Processes

    Run = Callable[..., subprocess.CompletedProcess[str]]

ENDS_WITHIN_S = 60.0
PASSWORD = "correct horse battery"


def command(
    *args: str, env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `mailing-trigger` with *args* and nothing in the environment but *env*."""
    return subprocess.run(
        [sys.executable, "-m", "mailing_trigger", *args],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )


@pytest.fixture
def at(kafka: Broker, topics: str) -> dict[str, str]:
    """The environment that leads to this test's topics."""
    return {
        "MAILING_TRIGGER_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "MAILING_TRIGGER_TOPIC_PREFIX": topics,
        "MAILING_TRIGGER_GROUP": topics,
    }


@pytest.fixture
def nowhere() -> dict[str, str]:
    """The environment of a broker that does not answer."""
    return {"MAILING_TRIGGER_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}


def failed_with_one_line(done: subprocess.CompletedProcess[str], *named: str) -> None:
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
    assert second.stdout == "every topic was there already\n"
    assert (right.returncode, right.stdout) == (0, "the topics are as they must be\n")


def test_a_file_becomes_recipients_of_a_mailing_that_is_defined_shown_and_invoked(
    at: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    processes.start("worker", "--processes", "1", env=at)
    mailing = ("--orgid", "2", "--mid", "1")
    people = tmp_path / "people.jsonl"
    rows = [{"email": f"p{number}@example.com"} for number in range(3)]
    people.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    empty = command("mailings", "list", "--orgid", "2", env=at)
    defined = command(
        "mailings", "define", *mailing, "--name", "Hello", "--interval", "3600", env=at
    )
    sent = command("send", str(people), *mailing, env=at)
    piped = command("send", "-", *mailing, env=at, stdin='{"email": "nobody"}\n')
    invoked = command("invoke", *mailing, env=at)
    unknown = command("invoke", "--orgid", "2", "--mid", "99", env=at)
    listed = eventually(lambda: _listed_with_all_sent(at))
    who = ("--orgid", "2", "--email", "P0@example.com")
    left = command("recipients", "unsubscribe", *who, env=at)
    shown = command("recipients", "show", *who, env=at)
    back = command("recipients", "resubscribe", *who, env=at)
    erased = command("recipients", "erase", *who, env=at)
    nobody = command("recipients", "show", *who, env=at)
    unnamed = command("recipients", "show", "--orgid", "2", env=at)

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


def _listed_with_all_sent(at: dict[str, str]) -> list[str] | None:
    row = command("mailings", "list", "--orgid", "2", env=at).stdout.splitlines()[1].split()
    pending, sent = row[3:5]
    return row if (pending, sent) == ("0", "3") else None


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
    failed_with_one_line(command(*args, env=nowhere), nowhere["MAILING_TRIGGER_BOOTSTRAP_SERVERS"])


@pytest.mark.parametrize("part", ["worker", "bridge"])
def test_a_part_that_finds_no_broker_ends_with_the_reason(
    part: str, nowhere: dict[str, str]
) -> None:
    done = command(part, env={**nowhere, "MAILING_TRIGGER_PROCESSES": "1"})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mailing-trigger: no broker answers at 127.0.0.1:")


def test_without_any_broker_the_cure_is_named(tmp_path: Path) -> None:
    none = {"MAILING_TRIGGER_DATA_DIR": str(tmp_path)}
    done = command("invoke", "--orgid", "2", "--mid", "1", env=none)
    failed_with_one_line(done, "--bootstrap-servers", "mailing-trigger up")


def test_the_doctor_sees_two_worker_processes_and_nothing_wrong(
    at: dict[str, str], processes: Processes
) -> None:
    worker = processes.start("worker", "--processes", "2", env=at)

    def healthy() -> bool:
        assert worker.running(), worker.output()
        done = command("doctor", "--port", str(free_port()), env=at)
        assert done.returncode == 0, done.stdout
        return "ok    workers    2 processes in group" in done.stdout

    assert eventually(healthy, within_s=60)
    assert worker.stop() == 0, worker.output()


def test_the_doctor_says_that_no_broker_answers(nowhere: dict[str, str]) -> None:
    done = command("doctor", env=nowhere)
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
