"""The same job as Faust's own guide writes it: `async for event`, one table write, one send.

    python -m bench.peers.stock_faust BOOTSTRAP_SERVERS TOPIC_PREFIX GROUP FOLDER

At least once, with the holes Faust's commit has. The settings are those its guide and its issues
recommend for throughput, each with its reason. Measured beside Faust's defaults, neither they nor
uvloop change the rate by more than one run differs from the next.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any

import faust
import mode.loop
from fastavro import schemaless_reader

from bench.peers.acks import reply
from schemas.codec import current_schema, fields_until
from schemas.framing import Framing
from schemas.ids import rid_of
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from schemas.topics import ACK_PARTITIONS, ACKS, LOG

_PARTITIONS = 4


def create_app(bootstrap_servers: str, prefix: str, group: str, data_dir: str) -> faust.App:
    """Return the app."""
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap_servers}",
        store="memory://",
        datadir=data_dir,
        topic_partitions=_PARTITIONS,
        # As the other peers; the default is 2.8 s.
        broker_commit_interval=1.0,
        # No second topic to rebalance with.
        topic_disable_leader=True,
        # The default of 16 KiB makes a request of some 60 records.
        producer_max_batch_size=262_144,
        # Batches fill for 5 ms instead of leaving half empty.
        producer_linger=0.005,
        # More than one fetch of records between consumer and agent.
        stream_buffer_maxsize=16_384,
        consumer_max_fetch_size=4 * 1024 * 1024,
        # One process alone: nobody to wait for.
        stream_wait_empty=False,
        # Checksums in Python cost more than the network's errors.
        broker_check_crcs=False,
        web_enabled=False,
    )
    framing = Framing()
    event_frame = framing.prefixes[RECIPIENT_TRIGGERED]
    head_schema = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")
    log = app.topic(prefix + LOG, key_serializer="raw", value_serializer="raw")
    acks = app.topic(
        prefix + ACKS, key_serializer="raw", value_serializer="raw", partitions=ACK_PARTITIONS
    )
    recipients = app.Table(
        "recipients",
        partitions=_PARTITIONS,
        schema=faust.Schema(key_serializer="raw", value_serializer="raw"),
    )
    pending: set[tuple[int, bytes]] = set()

    @app.agent(log)
    async def trigger(stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            value = event.value
            if not value.startswith(event_frame):
                continue  # the mailing's definition
            head: Any = schemaless_reader(BytesIO(value[len(event_frame) :]), head_schema, None)
            known = recipients.get(event.key)
            rid = head["rid"] or (
                int.from_bytes(known[:8], "big")
                if known
                else rid_of(event.message.offset, event.message.partition)
            )
            outcome = Outcome.KNOWN if known or head["rid"] else Outcome.CREATED
            message = (rid, head["context"])
            if message in pending:
                outcome = Outcome.DUPLICATE
            else:
                pending.add(message)
                recipients[event.key] = rid.to_bytes(8, "big") + value
            answer = reply(head["request_id"], head["index"], rid, outcome)
            # The send is buffered; awaiting its delivery as well would take a round trip an event.
            await acks.send(value=answer, partition=head["reply_partition"])

    return app


def main(bootstrap_servers: str, prefix: str, group: str, folder: str) -> None:
    """Run until killed."""
    mode.loop.use("uvloop")
    app = create_app(bootstrap_servers, prefix, group, folder)
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
