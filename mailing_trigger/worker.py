"""`worker`: one process here, or several that are looked after."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from mailing_trigger import children, processes
from mailing_trigger.adapters import broker_of, worker_settings
from mailing_trigger.errors import NoBroker
from mailing_trigger.logs import configure
from mailing_trigger.settings import child_environment

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings


def run(settings: Settings) -> int:
    """Run the worker until SIGTERM or SIGINT; return the exit status."""
    configure(settings.log_level)
    settings = replace(settings, bootstrap_servers=broker_of(settings))
    count = settings.processes or cores()
    if count > 1:
        env = child_environment(replace(settings, processes=1))
        return processes.run(children.command("worker"), env, count=count)
    # Not in the parent of several.
    from streams.worker.admin import NoAnswer  # noqa: PLC0415
    from streams.worker.app import run as run_one  # noqa: PLC0415

    try:
        return run_one(worker_settings(settings))
    except NoAnswer as exc:
        raise NoBroker(str(exc)) from exc


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
