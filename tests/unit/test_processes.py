"""Worker processes side by side: restarted when they die, given up when that is hopeless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailing_trigger import processes
from mailing_trigger.errors import NoBroker
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
# Leaves a file named after its process id, then does what it is told.
CHILD = "import os, pathlib, signal, sys; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); "
FOREVER = CHILD + "signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
# What a worker does that finds no broker.
AWAY = f"sys.exit({NoBroker.exit_code})"
# The first of them serves, the next seven find no broker, the ninth serves.
OUTAGE = (
    CHILD
    + "n = len(list(pathlib.Path(sys.argv[1]).iterdir())); "
    + f"1 < n < 9 and {AWAY}; signal.pause()"
)
# The command's own supervisor with small pauses; how long a child that has served has lived.
SUPERVISOR = """
import os, sys
from mailing_trigger import logs, processes
processes.FIRST_DELAY_S = 0.01
processes.LONGEST_DELAY_S = 0.1
processes.STOP_WITHIN_S = 0.5
processes.SERVED_AFTER_S = float(os.environ.get("SERVED_AFTER_S", processes.SERVED_AFTER_S))
logs.configure("INFO")
sys.exit(processes.run(sys.argv[2:], dict(os.environ), count=int(sys.argv[1])))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, int], subprocess.Popen[str]]]:
    """Starts a supervisor of *count* children that run *code*."""
    started = []

    def start(code: str, count: int) -> subprocess.Popen[str]:
        child = (sys.executable, "-c", code, str(tmp_path))
        supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(count), *child],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(supervisor)
        return supervisor

    yield start
    for supervisor in started:
        supervisor.kill()
        supervisor.communicate()


def children(folder: Path) -> set[int]:
    """Return the process ids of all children that ever were."""
    return {int(path.name) for path in folder.iterdir()}


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc on this system, or gone a moment ago
        return not Path("/proc/self").exists()


def living(folder: Path) -> set[int]:
    return {pid for pid in children(folder) if alive(pid)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_child_and_is_no_failure(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = start(FOREVER, 3)
    eventually(lambda: len(living(tmp_path)) == 3)

    supervisor.send_signal(number)

    assert supervisor.wait(20) == 0
    assert living(tmp_path) == set()


def test_a_killed_child_is_started_again(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    start(FOREVER, 2)
    eventually(lambda: len(living(tmp_path)) == 2)
    victim = min(living(tmp_path))

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: len(living(tmp_path) - {victim}) == 2)
    assert len(children(tmp_path)) == 3


def test_a_child_that_always_dies_is_given_up_with_its_reason(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = start(CHILD + "sys.exit(7)", 1)

    _, said = supervisor.communicate(timeout=30)

    assert supervisor.returncode == 1
    assert len(children(tmp_path)) == 5
    assert "exit status 7" in said.splitlines()[-1]


def test_a_child_with_wrong_settings_is_not_started_again(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = start(CHILD + "sys.exit(2)", 1)
    assert supervisor.wait(30) == 1
    assert len(children(tmp_path)) == 1


def test_a_child_that_ignores_the_signal_is_killed(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = start(STUBBORN, 2)
    eventually(lambda: len(living(tmp_path)) == 2)

    supervisor.terminate()
    _, said = supervisor.communicate(timeout=20)

    assert supervisor.returncode == 0
    assert living(tmp_path) == set()
    assert said.count("was killed") == 2


def test_brokers_that_are_away_for_longer_than_five_starts_need_no_restart_by_hand(
    start: Callable[[str, int], subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVED_AFTER_S", "0")
    supervisor = start(OUTAGE, 1)
    eventually(lambda: len(living(tmp_path)) == 1)

    os.kill(min(living(tmp_path)), signal.SIGKILL)

    eventually(lambda: len(children(tmp_path)) == 9)
    assert supervisor.poll() is None
    supervisor.terminate()
    _, said = supervisor.communicate(timeout=20)
    assert supervisor.returncode == 0
    assert said.count("worker process 1 found no broker; trying again in ") == 7


def test_a_wrong_address_at_the_first_start_is_given_up(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = start(CHILD + AWAY, 1)

    _, said = supervisor.communicate(timeout=30)

    assert supervisor.returncode == 1
    assert len(children(tmp_path)) == 5
    assert "exit status 69" in said.splitlines()[-1]


def test_the_pause_between_tries_is_bounded_however_long_the_brokers_are_away() -> None:
    place = processes._Place("worker process 1")
    pauses = [place.next_try_s() for _ in range(2_000)]
    assert pauses[0] <= processes.FIRST_DELAY_S
    assert max(pauses) <= processes.LONGEST_DELAY_S
    assert min(pauses[10:]) >= processes.LONGEST_DELAY_S / 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_die_with_a_killed_supervisor(
    start: Callable[[str, int], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = start(FOREVER, 2)
    eventually(lambda: len(living(tmp_path)) == 2)

    supervisor.kill()

    eventually(lambda: living(tmp_path) == set())
