"""The commands that bring a mailing into another state, against a worker that runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from producers import ClientSettings, SyncTriggerClient
from tests.support.commands import Commands
from tests.support.worker import served

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.embedded_will_do


def test_a_mailing_is_prepared_suspended_looked_into_and_closed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = Commands(capsys, monkeypatch, cluster.environment())
    cluster.start()
    asyncio.run(served(cluster))

    def mailings(command: str, *more: str) -> str:
        """Run a command, and return what it says on either stream."""
        done = commands.run("mailings", command, "--orgid", "2", "--mid", "1", *more)
        return done.stdout + done.stderr

    assert "has no mailing 1: give --name" in mailings("define", "--interval", "0")
    channels = ("--channel", "email", "--channel", "sms", "--unknown", "reject")
    more = (*channels, "--hourly-cap", "3", "--state", "created")
    prepared = mailings("define", "--name", "Hello", *more)
    shown = dict(line.split(maxsplit=1) for line in prepared.splitlines())
    assert shown["channels"] == "EMAIL, SMS", prepared
    assert (shown["unknown_recipients"], shown["state"]) == ("REJECT", "CREATED")
    assert shown["hourly_cap"] == "3"

    opened = mailings("define", "--unknown", "create", "--interval", "0", "--state", "active")
    now = dict(line.split(maxsplit=1) for line in opened.splitlines())
    assert (now["state"], now["interval_s"]) == ("ACTIVE", "0"), opened
    # What is not given stays as it was.
    kept = ("name", "type", "dedup", "channels", "hourly_cap")
    assert [now[name] for name in kept] == [shown[name] for name in kept]
    assert mailings("suspend") == "mailing 1 is suspended: 0 waiting, 0 sent\n"
    with SyncTriggerClient(ClientSettings(cluster.bootstrap_servers, cluster.prefix)) as client:
        (rid,) = client.trigger(orgid=2, mid=1, recipients=[{"email": "a@example.com"}])
    assert mailings("pending") == f"{rid}\n"
    assert mailings("resume") == "mailing 1 is active: 1 waiting, 0 sent\n"
    assert mailings("cancel") == "mailing 1 is cancelled: 1 waiting, 0 sent\n"
    refused = mailings("finish")
    assert len(refused.splitlines()) == 1
    assert "WRONG_STATE, it is cancelled: it is closed for good" in refused
