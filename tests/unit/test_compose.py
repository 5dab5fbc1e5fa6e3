"""docker-compose.yml and the Dockerfile hold together, as far as that shows without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailing_trigger import settings
from tests.support.brokers import missing
from tests.support.environment import DEFAULT_IMAGE

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {
    name
    for service in SERVICES.values()
    for name, wait in service.get("depends_on", {}).items()
    if wait["condition"] == "service_completed_successfully"
}
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
# A version with a minor part: `3`, `latest` and no tag at all may change under us.
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_stack_is_a_broker_two_workers_a_bridge_and_a_registry() -> None:
    asked_for = {name for name, service in SERVICES.items() if "profiles" in service}
    assert set(SERVICES) - asked_for == {"kafka", "schema-registry", "topics", "worker", "bridge"}
    assert asked_for == {"deliver"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_the_stack_runs_the_broker_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == DEFAULT_IMAGE


@each_service
def test_an_image_never_changes_under_its_tag(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


@each_service
def test_a_service_says_whether_it_is_healthy(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    if name in ONE_SHOT:
        assert check == {"disable": True}
    else:
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert set(check) == {"test", "interval", "timeout", "retries", "start_period"}


@each_service
def test_a_service_waits_only_for_what_can_happen(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert wait["condition"] == expected
        assert other in SERVICES


@each_service
def test_a_service_has_a_memory_limit(name: str) -> None:
    assert re.fullmatch(r"\d+m", SERVICES[name]["mem_limit"])


@each_service
def test_ports_are_published_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_every_volume_is_declared_and_used() -> None:
    used = {v.split(":")[0] for service in SERVICES.values() for v in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command = [sys.executable, "-m", "mailing_trigger", *SERVICES[name]["command"], "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_settings_that_exist(name: str) -> None:
    given: dict[str, str | None] = SERVICES[name]["environment"]
    assert settings.unknown_variables(given) == []
    fixed = {variable: value for variable, value in given.items() if value is not None}
    assert settings.load({}, environ=fixed).bootstrap_servers == "kafka:9092"


def test_compose_itself_accepts_the_file() -> None:
    plugin = ["docker", "compose"]
    if (
        not shutil.which("docker")
        or subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode
    ):
        plugin = ["docker-compose"]
        if not shutil.which(plugin[0]):
            missing("neither `docker compose` nor `docker-compose` is installed")
    asked = [*plugin, "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_image_is_built_from_pinned_images() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(PINNED.fullmatch(base) for base in bases)


def test_the_image_copies_files_that_exist_and_are_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_has_what_its_settings_may_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # Its broker is another container, and it is neither tested nor measured.
    elsewhere = {"embedded", "test", "dev", "bench"}
    (extras,) = re.findall(r"\*\.whl\)\[([\w,]+)\]", DOCKERFILE)
    assert set(extras.split(",")) == set(project["optional-dependencies"]) - elsewhere


def test_the_image_is_not_run_by_root_and_checks_its_health() -> None:
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.findall(r"^USER (\S+)", final, re.MULTILINE) == ["mailing-trigger"]
    assert "\nHEALTHCHECK " in final
