"""A second member of a worker group's Faust app that does nothing but join and leave."""

from __future__ import annotations

import sys

import faust

from streams.worker.app import create_app
from streams.worker.settings import WorkerSettings

if __name__ == "__main__":
    import os

    settings = WorkerSettings.from_environ(os.environ)
    theirs = create_app(settings).conf
    app = faust.App(
        theirs.id,
        broker=theirs.broker,
        broker_session_timeout=theirs.broker_session_timeout,
        broker_heartbeat_interval=theirs.broker_heartbeat_interval,
        datadir=str(settings.data_dir / "other"),
        topic_partitions=1,
        web_enabled=False,
    )
    sys.exit(faust.Worker(app, quiet=True, loglevel="WARNING").execute_from_commandline())
