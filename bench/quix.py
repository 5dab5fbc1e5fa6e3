"""The environment of the Quix Streams peer, which asks for another confluent-kafka than ours."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "3.28.1"
# `librt` is what our compiled modules ask for, of which the peer uses those that take events apart.
_PACKAGES = (f"quixstreams=={VERSION}", "fastavro", "avro", "murmurhash2", "librt>=0.16,<0.18")
_WITHIN_S = 300.0


def folder() -> Path:
    """Return where it lies: the user's cache, since it is made once."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailing-trigger" / f"quixstreams-{VERSION}"


def python() -> str:
    """Return its interpreter."""
    return str(folder() / "bin" / "python")


def missing() -> str | None:
    """Make the environment the first time; return why that failed, or None."""
    ready = folder() / "ready"
    if ready.exists():
        return None
    try:
        venv.create(folder(), with_pip=True)
        subprocess.run(
            (python(), "-m", "pip", "install", "--quiet", *_PACKAGES),
            check=True,
            timeout=_WITHIN_S,
            stdout=sys.stderr,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return f"Quix Streams could not be installed: {exc}"
    ready.touch()
    return None
