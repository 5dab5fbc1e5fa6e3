"""`up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mailing_trigger import seed
from mailing_trigger.output import progress, say
from mailing_trigger.system import started

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings
    from mailing_trigger.system import System

LOOK_EVERY_S = 0.2


def run(settings: Settings) -> int:
    """Start everything, say where it is, watch it; return 0 after Ctrl-C or SIGTERM."""
    # One core folds 100,000 events a second; the others are the broker's and the bridge's.
    settings = replace(settings, processes=settings.processes or 1)
    began = time.monotonic()
    try:
        with started(settings, progress) as system:
            seed.define(system.settings)
            _announce(system, time.monotonic() - began)
            while True:
                system.check()
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        say("stopped; the data is kept")
        return 0


def _announce(system: System, took_s: float) -> None:
    settings = system.settings
    say(f"mailing-trigger is up, after {took_s:.1f} s")
    say(f"  bridge  {system.url}")
    say(f"  kafka   {settings.bootstrap_servers}")
    say(f"  data    {settings.data_dir}")
    say(f"  logs    {settings.data_dir / 'logs'}")
    say("")
    say(f"Add a recipient to mailing {seed.MID} of organisation {seed.ORGID}:")
    say(f"  {seed.curl(system.url)}")
    say(f"Who waits is mailed every {seed.INTERVAL_S} s. Ctrl-C stops everything.")
