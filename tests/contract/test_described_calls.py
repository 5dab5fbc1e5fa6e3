"""Calls drawn from the interface's own description, valid and not, are answered as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import stack as stacks
from tests.support.processes import ROOT
from tests.support.topics import remove_topics
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.brokers import Broker
    from tests.support.stack import Stack

pytestmark = pytest.mark.embedded_will_do

CONFIG = Path(__file__).with_name("described_calls.toml")


@pytest.fixture
def system(kafka: Broker, tmp_path: Path) -> Iterator[Stack]:
    """A system of these calls alone: whom they cancel and what they invoke is anybody's guess."""
    with stacks.running(kafka.bootstrap_servers, tmp_path, ack_timeout_s=30) as started:
        eventually(lambda: started.http.get("/v3.7/mailing/list?orgid=2").status_code == 200)
        yield started
    remove_topics(kafka.bootstrap_servers, started.cluster.prefix)


def test_every_call_is_answered_as_it_is_described(system: Stack, tmp_path: Path) -> None:
    # As a command, for schemathesis's plugin for pytest is not what pytest is by now.
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG)]
    url = f"{str(system.http.base_url).rstrip('/')}/openapi.json"
    done = subprocess.run(
        [*command, "run", "--continue-on-failure", url],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert system.worker.running(), system.worker.output()
