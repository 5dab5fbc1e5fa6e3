"""The pages say what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mailing_trigger import seed
from mailing_trigger.settings import load
from tests.unit.test_cli_help import COMMANDS

ROOT = Path(__file__).parents[2]
OF_OTHERS = {"JAVA_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "UNKNOWN_MEMBER_ID", "SSL_CERT_FILE"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_begins_with_the_two_commands_and_the_call() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert f"PUT {seed.PATH}\nContent-Type: {seed.CONTENT_TYPE}\n\n{seed.BODY}" in first_screen


def test_operations_has_every_command() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for command in {name.split()[0] for name in COMMANDS}:
        assert re.search(rf"^\| `{command}\b", page, re.MULTILINE), command


def test_the_settings_file_shown_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "mailing-trigger.toml"
    file.write_text(shown, encoding="utf-8")

    settings = load({}, config=file, environ={})

    assert settings.replication == tomllib.loads(shown)["replication"] == 3
    assert settings.kafka["security.protocol"] == "SASL_SSL"


def test_what_shows_a_promise_exists() -> None:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    for name, file in re.findall(r"`(test_\w+)`(?: \(([\w/]+)\))?", page):
        assert f"def {name}(" in (ROOT / "tests" / f"{file}.py").read_text("utf-8"), name
    for file in re.findall(r"`((?:producers|schemas|streams)/[\w/.]+)`", page):
        assert (ROOT / file).exists(), file


def test_codes_and_outcomes_that_pages_name_exist() -> None:
    source = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("producers", "schemas", "mailing_trigger")
        for file in (ROOT / folder).rglob("*.py")
    )
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for code in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text):
            if not code.startswith("MAILING_TRIGGER_") and code not in OF_OTHERS:
                assert f'"{code}"' in source or f"{code} =" in source, f"{page.name}: {code}"
