"""A stranger's package in place of ours is refused by name, before it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailing_trigger.errors import CommandError
from mailing_trigger.guard import require_ours

ROOT = Path(__file__).parents[2]


def run_in(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """Run the command from *folder*, which `python -m` puts before everything else."""
    return subprocess.run(
        [sys.executable, *before, "-m", "mailing_trigger", "--help"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_our_own_packages_are_let_through() -> None:
    require_ours()


@pytest.mark.parametrize("name", ["schemas", "streams", "producers"])
def test_a_folder_of_that_name_beside_the_caller_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    stranger = tmp_path / name / "__init__.py"
    stranger.write_text("raise SystemExit('the stranger was loaded')\n", encoding="utf-8")

    refused = run_in(tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"mailing-trigger: {stranger} stands in for our package")
    assert len(refused.stderr.splitlines()) == 1


def test_safe_path_ignores_the_folder_beside_the_caller(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").touch()
    assert run_in(tmp_path, "-P").returncode == 0


def test_a_distribution_that_wrote_over_ours_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    information = tmp_path / "schemas-0.7.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: schemas\nVersion: 0.7.1\n")
    (information / "top_level.txt").write_text("schemas\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(CommandError, match="distribution schemas has written over"):
        require_ours()


def test_a_package_from_another_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="stands in for our package schemas"):
        require_ours(tmp_path)
