"""What a figure was measured on, without which it is not written anywhere."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import confluent_kafka

from streams.embedded.lock import KAFKA_VERSION

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("confluent-kafka", "faust-streaming", "fastavro", "uvicorn", "starlette", "uvloop")


def describe() -> dict[str, object]:
    """Return machine, versions, commit and command."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "kafka": f"Apache Kafka {KAFKA_VERSION}, embedded",
        "librdkafka": confluent_kafka.libversion()[0],
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "commit": _commit(),
        "command": " ".join(("python -m bench", *sys.argv[1:])),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.check_output(("git", *arguments), cwd=_ROOT, text=True).strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + (" and changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
