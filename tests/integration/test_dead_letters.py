"""`mailing-trigger dead-letters` and `explain`, beside a worker that runs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailing_trigger.dead_letters.letters import letters_of
from mailing_trigger.dead_letters.settling import HEADER, Settler
from mailing_trigger.errors import CommandError
from schemas.ids import recipient_key
from schemas.partition import partition_for
from schemas.topics import DEAD_LETTERS, LOG
from streams.verify.reading import Topics
from tests.support import raw
from tests.support.commands import Commands
from tests.support.events import CODEC, triggered
from tests.support.recount import read_all
from tests.support.topics import PARTITIONS
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent, until

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.embedded_will_do

EMAIL = "ada@example.com"
HOME = partition_for(recipient_key(ORG, EMAIL), PARTITIONS)
ELSEWHERE = (HOME + 1) % PARTITIONS
EVENT = triggered(ORG, MID, email=EMAIL, context=b'"XYZ-123"', request_id="stray")


class DeadLetters:
    """Runs commands about dead letters."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def run(self, *args: str, status: int = 0) -> str:
        """Run a command that has to end with *status*, and return its output."""
        done = self._commands.run(*args)
        assert done.returncode == status, done
        return done.stdout + done.stderr

    def listed(self, *flags: str) -> list[dict[str, Any]]:
        """Return what `dead-letters list` says."""
        found: list[dict[str, Any]] = json.loads(self.run("dead-letters", "list", "--json", *flags))
        return found


@pytest.fixture
def commands(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> DeadLetters:
    """Commands about this test's topics."""
    return DeadLetters(Commands(capsys, monkeypatch, cluster.environment()))


async def define(cluster: Cluster) -> None:
    """Define the mailing: then the worker has all partitions."""
    async with cluster.client() as client:
        await client.define(ORG, MID, name="A mailing", interval_s=0)


def write_letters(cluster: Cluster) -> list[str]:
    """Put an event on a partition that is not its own, and one nobody can read; name them."""
    log = cluster.topic(LOG)
    written = [(ELSEWHERE, *EVENT), (ELSEWHERE, b"key", b"no event")]
    places = raw.produce(cluster.bootstrap_servers, log, written)
    return [f"{partition}:{offset}" for partition, offset in places]


def test_a_stray_event_is_redriven_to_its_home_once_and_its_recipients_life_is_told(
    cluster: Cluster, commands: DeadLetters
) -> None:
    async def sent() -> None:
        async with cluster.client() as client:

            async def triggered_once() -> bool:
                return (await client.mailing(ORG, MID)).triggered == 1

            await until(triggered_once)
            assert (await all_sent(client)).sent == 1

    cluster.start()
    asyncio.run(define(cluster))
    stray, garbage = write_letters(cluster)
    eventually(lambda: len(read_all(cluster, DEAD_LETTERS)) == 2)

    shown = commands.run("dead-letters", "list")
    assert EMAIL not in shown
    assert "2 open" in shown
    assert [each["reason"] for each in commands.listed()] == ["NOT_HOME", "WRONG_MAGIC"]
    assert commands.listed("--since", "1m", "--partition", str(HOME)) == []
    assert EMAIL in commands.run("dead-letters", "show", stray)

    assert commands.run("dead-letters", "drop", garbage) == "1 dropped\n"
    redriven = commands.run("dead-letters", "redrive", "--all")
    assert f"{stray} redriven to {HOME}:" in redriven
    assert f"{garbage} was dropped" in redriven
    assert "0 redriven" in commands.run("dead-letters", "redrive", "--reason", "NOT_HOME")
    listed = commands.run("dead-letters", "list", "--reason", "NOT_HOME", "--reason", "NONSENSE")
    assert f"\n{stray} " in listed, "a place is never cut"
    assert listed.startswith("no letter has the reason NONSENSE; there is NOT_HOME, WRONG_MAGIC\n")
    asyncio.run(sent())
    states = {f"{each['partition']}:{each['offset']}": each["state"] for each in commands.listed()}
    assert states == {stray: "redriven", garbage: "dropped"}
    (again,) = (each for each in read_all(cluster, LOG) if HEADER in each.headers)
    assert (again.partition, again.key, again.value) == (HOME, *EVENT)
    assert again.headers[HEADER] == stray.encode()

    verified = commands.run("verify")
    assert verified.splitlines()[-1] == "nothing is lost, doubled or changed"
    assert "2 of them redriven or dropped" in verified

    rid = (again.offset + 1) * 1024 + HOME
    life = commands.run("explain", str(rid))
    assert EMAIL not in life
    assert "a***@e***.com" in life
    told = [line.split()[1] for line in life.splitlines() if LOG in line or "mailing.sends" in line]
    assert told == ["triggered", "invoked", "sent"]
    whole = json.loads(commands.run("explain", str(rid), "--json", "--show-personal"))
    assert whole["email"] == EMAIL
    first = whole["happenings"][0]
    assert (first["facts"]["outcome"], first["offset"]) == ("CREATED", again.offset)
    assert first["personal"]["context"] == '"XYZ-123"'
    assert all(each["time_ms"] > 0 for each in whole["happenings"])
    assert "no recipient has the rid" in commands.run("explain", str(rid + 1024), status=1)


def test_of_two_that_redrive_at_once_the_first_does_nothing(cluster: Cluster) -> None:
    cluster.start()
    asyncio.run(define(cluster))
    raw.produce(cluster.bootstrap_servers, cluster.topic(LOG), [(0, b"key", b"no event")] * 2)
    eventually(lambda: len(read_all(cluster, DEAD_LETTERS)) == 2)
    where = {"prefix": cluster.prefix}
    first = Settler(cluster.bootstrap_servers, CODEC, **where)
    topics = Topics(cluster.bootstrap_servers, cluster.prefix)
    letters = letters_of(topics.read(DEAD_LETTERS), cluster.topic(LOG), CODEC)
    before = len(read_all(cluster, LOG))

    second = Settler(cluster.bootstrap_servers, CODEC, **where)
    with pytest.raises(CommandError, match="has begun meanwhile"):
        first.redrive([*letters.values()], PARTITIONS, lambda *_: None)
    assert len(read_all(cluster, LOG)) == before
    told = []
    second.redrive([*letters.values()], PARTITIONS, lambda letter, to: told.append((letter, to)))
    assert len(told) == 2
    assert len(read_all(cluster, LOG)) == before + 2


def test_which_letters_are_meant_has_to_be_said(commands: DeadLetters) -> None:
    assert "--all" in commands.run("dead-letters", "redrive", status=2)
    assert "--all" in commands.run("dead-letters", "drop", "0:1", "--all", status=2)
    assert "no dead letter 0:1" in commands.run("dead-letters", "show", "0:1", status=2)
