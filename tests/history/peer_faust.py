"""The same job as Faust's guide has it, with the settings it names for safety.

    python -m tests.history.peer_faust BOOTSTRAP_SERVERS TOPIC_PREFIX GROUP FOLDER GUARANTEE

Each send is awaited until the broker has it, and GUARANTEE is Faust's `at_least_once` or
`exactly_once`.
"""

from __future__ import annotations

import asyncio
import sys
from io import BytesIO
from typing import Any

import faust
from fastavro import schemaless_reader

from bench.peers.acks import reply
from schemas.codec import current_schema, fields_until
from schemas.framing import Framing
from schemas.ids import rid_of
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from schemas.topics import ACK_PARTITIONS, ACKS, LOG, SENDS
from tests.history.peer_loop import SESSION_S
from tests.support.topics import PARTITIONS


def create_app(bootstrap_servers: str, prefix: str, group: str, folder: str, how: str) -> faust.App:
    """Return the app."""
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap_servers}",
        store="memory://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        processing_guarantee=how,
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=SESSION_S / 3,
        # Those of what was in hand are finished before a partition goes.
        stream_wait_empty=True,
        web_enabled=False,
    )
    frame = Framing().prefixes[RECIPIENT_TRIGGERED]
    head_schema = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")
    log = app.topic(prefix + LOG, key_serializer="raw", value_serializer="raw")
    acks = app.topic(
        prefix + ACKS, key_serializer="raw", value_serializer="raw", partitions=ACK_PARTITIONS
    )
    sends = app.topic(prefix + SENDS, key_serializer="raw", value_serializer="raw")
    people = app.Table("people", partitions=PARTITIONS, key_type=bytes, value_type=bytes)

    @app.agent(log)
    async def trigger(stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            value, place = event.value, event.message
            if not value.startswith(frame):
                continue
            head: Any = schemaless_reader(BytesIO(value[len(frame) :]), head_schema, None)
            known = people.get(event.key)
            rid, count = map(int, known.split(b":")) if known else (0, 0)
            outcome = Outcome.KNOWN if rid else Outcome.CREATED
            rid = rid or rid_of(place.offset, place.partition)
            people[event.key] = b"%d:%d" % (rid, count + 1)
            text = b"%d:%d:%d" % (rid, place.partition, place.offset)
            answer = reply(head["request_id"], head["index"], rid, outcome)
            buffered = (
                await sends.send(value=text, partition=place.partition),
                await acks.send(value=answer, partition=head["reply_partition"]),
            )
            await asyncio.gather(*buffered)

    return app


if __name__ == "__main__":
    faust.Worker(create_app(*sys.argv[1:6]), loglevel="WARNING").execute_from_commandline()
