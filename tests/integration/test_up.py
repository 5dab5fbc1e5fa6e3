"""Everything on one machine: it starts, keeps its data, stops in order, and says what died."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from mailing_trigger import running, seed
from tests.support.ports import own_port
from tests.support.processes import Processes
from tests.support.wait import eventually
from tests.support.worker import SESSION_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Running

UP_WITHIN_S = 110.0


@dataclass
class Machine:
    """One on which `up` is run again and again, each time on the data of the time before."""

    env: dict[str, str]
    processes: Processes
    last: Running | None = None

    def up(self) -> Running:
        """Return the `up` that runs there, once it has said that everything does."""
        if self.last is None or not self.last.running():
            self.last = self.processes.start("up", env=self.env)
        up = self.last

        def is_up() -> bool:
            assert up.running(), up.output()
            return "mailing-trigger is up" in up.output()

        eventually(is_up, within_s=UP_WITHIN_S)
        return up


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of all tests here: each start takes many seconds."""
    folder = tmp_path_factory.mktemp("machine")
    env = {
        "MAILING_TRIGGER_DATA_DIR": str(folder / "data"),
        "MAILING_TRIGGER_PORT": str(own_port()),
        # The next start waits for a worker that was killed as long as this.
        "MAILING_TRIGGER_SESSION_TIMEOUT_S": str(SESSION_S),
        "MAILING_TRIGGER_ACK_TIMEOUT_S": "50",
    }
    machine = Machine(env, Processes(folder))
    yield machine
    machine.processes.end_all()


@pytest.fixture
def env(machine: Machine) -> dict[str, str]:
    """Its settings."""
    return machine.env


def call(env: dict[str, str]) -> list[int]:
    """Send the seed's call and return the IDs."""
    answer = httpx.put(
        f"http://127.0.0.1:{env['MAILING_TRIGGER_PORT']}{seed.PATH}",
        content=seed.BODY,
        headers={"Content-Type": seed.CONTENT_TYPE},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    ids: list[int] = answer.json()
    return ids


def descendants(pid: int) -> dict[int, str]:
    """Return the command lines of all processes below *pid*, by process id."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text("ascii").split()):
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ")
            found |= {child: line.decode()} | descendants(child)
    return found


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_port_that_is_taken_is_one_line_before_anything_starts(
    processes: Processes, tmp_path: Path
) -> None:
    port = own_port()
    env = {"MAILING_TRIGGER_DATA_DIR": str(tmp_path / "data"), "MAILING_TRIGGER_PORT": f"{port}"}
    with socket.create_server(("127.0.0.1", port)):
        up = processes.start("up", env=env)
        assert up.wait() == 1
    (line,) = up.output().splitlines()
    assert f"port {port} is taken" in line
    assert "--port" in line


def test_a_second_up_on_the_same_data_is_refused_and_harms_nothing(
    machine: Machine, processes: Processes, env: dict[str, str]
) -> None:
    machine.up()

    second = processes.start("up", env=env | {"MAILING_TRIGGER_PORT": str(own_port())})

    assert second.wait() == 1
    assert "is in use" in second.output().splitlines()[-1]
    assert running.address(Path(env["MAILING_TRIGGER_DATA_DIR"])) is not None
    assert len(call(env)) == 1


def test_ctrl_c_stops_everything_and_the_data_is_there_again(
    machine: Machine, env: dict[str, str]
) -> None:
    up = machine.up()
    url = f"http://127.0.0.1:{env['MAILING_TRIGGER_PORT']}"
    assert seed.curl(url) in up.output()
    first = call(env)
    below = set(descendants(up.pid))
    assert len(below) == 3, "broker, worker and bridge"

    assert up.stop() == 0
    assert gone(below)
    assert running.address(Path(env["MAILING_TRIGGER_DATA_DIR"])) is None

    machine.up()
    assert call(env) == first


def test_a_part_that_dies_is_named_and_takes_the_rest_with_it(machine: Machine) -> None:
    up = machine.up()
    below = descendants(up.pid)
    (worker,) = [pid for pid, line in below.items() if "mailing_trigger worker" in line]

    os.kill(worker, signal.SIGKILL)

    assert up.wait() == 1
    assert "the worker ended by itself (signal 9)" in up.output().splitlines()[-1]
    assert "    " in up.output().splitlines()[-2], "the end of its log"
    assert gone(set(below))


def test_nothing_outlives_an_up_that_was_killed(machine: Machine) -> None:
    up = machine.up()
    below = set(descendants(up.pid))

    os.kill(up.pid, signal.SIGKILL)
    up.wait()

    eventually(lambda: gone(below))
