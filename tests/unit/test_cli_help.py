"""Help that helps, and mistakes that get one line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mailing_trigger.cli import main

COMMANDS = [
    "demo",
    "up",
    "worker",
    "bridge",
    "send",
    "invoke",
    "mailings define",
    "mailings list",
    "mailings show",
    "mailings pending",
    "mailings suspend",
    "mailings resume",
    "mailings cancel",
    "mailings finish",
    "recipients show",
    "recipients unsubscribe",
    "recipients resubscribe",
    "recipients erase",
    "topics create",
    "topics check",
    "credentials",
    "dead-letters drop",
    "dead-letters list",
    "dead-letters redrive",
    "dead-letters show",
    "deliver",
    "doctor",
    "explain",
    "verify",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"Example: .*mailing-trigger {command}", shown)


def test_the_overview_names_every_command_with_a_whole_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in {name.split()[0] for name in COMMANDS}:
        assert re.search(rf"^  {command} +\S.*\.$", shown, re.MULTILINE), command
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["up", "--prot", "1"], "--prot", id="unknown flag"),
        pytest.param(["uq"], "uq", id="unknown command"),
        pytest.param([], "Missing command;", id="no command"),
        pytest.param(["mailings"], "Missing command;", id="no command of a group"),
        pytest.param(["invoke", "--orgid", "2"], "--mid", id="missing flag"),
        pytest.param(["invoke", "--orgid", "2", "--mid", "0"], "--mid", id="mid of zero"),
        pytest.param(["up", "--port", "http"], "--port", id="port without a number"),
        pytest.param(["up", "--config", "/nowhere.toml"], "/nowhere.toml", id="no such file"),
    ],
)
def test_a_mistake_gets_one_line_that_names_it(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith("mailing-trigger: ")
    assert named in shown.err


def test_a_wrong_flag_leads_to_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list", "--everything"]) == 2
    assert capsys.readouterr().err.endswith("; see mailing-trigger dead-letters list --help\n")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from mailing_trigger.cli import main; main(['up', '--help']);"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stderr.split())
    assert not loaded & {"confluent_kafka", "faust", "fastavro", "httpx", "uvicorn", "starlette"}


def test_a_defect_gets_one_line_without_the_data_it_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defect() -> None:
        raise ValueError("somebody@example.com")

    monkeypatch.setattr("mailing_trigger.cli.require_ours", defect)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("mailing-trigger: defect: ValueError at ")
    assert "somebody" not in shown
    assert len(shown.splitlines()) == 1


def test_debug_shows_where_a_defect_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defect() -> None:
        raise ValueError

    monkeypatch.setenv("MAILING_TRIGGER_LOG_LEVEL", "DEBUG")
    monkeypatch.setattr("mailing_trigger.cli.require_ours", defect)
    main(["doctor"])
    assert "Traceback" in capsys.readouterr().err
