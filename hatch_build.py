"""Compiles the modules that every event passes, where there is a C compiler: docs/adr/0011.

The same sources run interpreted without one, so whatever goes wrong here is told and built around.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Where the code of all of them lies, as mypyc names it.
_TOGETHER = "schemas.compiled"


class CompileHook(BuildHookInterface):
    """Adds the compiled modules to a wheel; an editable install has them beside their sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say why not."""
        root = Path(self.root)
        if version == "editable":
            for package in ("schemas", "streams", "producers"):
                for stale in (*root.glob(f"{package}/**/*.so"), *root.glob(f"{package}/**/*.pyd")):
                    stale.unlink()
        self._built = Path(tempfile.mkdtemp(prefix="compiled-"))
        try:
            _compile(root, self.config["modules"], self._built)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - the sources do without
            self.app.display_warning(
                f"the fold is not compiled and will take about twice as long "
                f"({type(exc).__name__}: {str(exc)[:60]}): "
                "install gcc and Python's headers, then install mailing-trigger anew"
            )
            return
        for file in self._built.glob("*/**/*.*"):
            if file.suffix in {".so", ".pyd"}:
                place = file.relative_to(self._built / "lib")
                if version == "editable":
                    shutil.copy(file, root / place)
                else:
                    build_data["force_include"][str(file)] = str(place)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact: str) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._built, ignore_errors=True)


def _compile(root: Path, modules: list[str], into: Path) -> None:
    from mypyc.build import mypycify  # noqa: PLC0415 - must not keep a build from being tried
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    options = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={into / 'cache'}"]
    with chdir(root):
        extensions = mypycify(
            [*options, *modules],
            opt_level="3",
            debug_level="0",
            group_name=_TOGETHER,
            target_dir=str(into / "c"),
        )
        command = build_ext(Distribution({"name": "compiled", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(into / "lib"), str(into / "temp")
        command.ensure_finalized()
        command.run()
