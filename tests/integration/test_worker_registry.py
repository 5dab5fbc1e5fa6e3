"""Events in a schema registry's framing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from schemas.framing import schema_text
from schemas.ids import recipient_key
from schemas.partition import partition_for
from schemas.records import RECIPIENT_TRIGGERED
from tests.support import raw
from tests.support.events import triggered
from tests.support.load import Load
from tests.support.recount import Recount
from tests.support.registry import RegistryStub
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from tests.support.worker import Cluster

SINGLE_OBJECT_BYTES = 10


def test_ids_of_a_registry_are_learnt_and_one_nobody_knows_is_a_dead_letter(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        with RegistryStub() as registry:
            cluster.start(SCHEMA_REGISTRY_URL=registry.url)
            async with cluster.client(schema_registry_url=registry.url) as client:
                await client.define(ORG, MID, name="A mailing", interval_s=0)
                async with Load(client, seed=7) as load:
                    await load.more(20)
                    # An id that came after everybody's start, for a text with other remarks.
                    text = schema_text(RECIPIENT_TRIGGERED)
                    foreign = registry.add(json.dumps(json.loads(text) | {"doc": "Ours."}))
                    unknown = foreign + 1
                    _produce(cluster, "single@example.org", None)
                    _produce(cluster, "foreign@example.org", foreign)
                    place = _produce(cluster, "unknown@example.org", unknown)
                    await load.more(50)
                view = await all_sent(client)
            texts = dict(enumerate(registry.texts, 1))
            recount = Recount(cluster, registered=texts.get).verify(load, views=[view])
        (letter,) = recount.dead_letters
        assert (letter.partition, int(letter.headers["offset"])) == place
        assert letter.headers["reason"] == b"UNKNOWN_SCHEMA_ID"
        addresses = {send["email"] for send in recount.sends}
        assert {"single@example.org", "foreign@example.org"} < addresses
        assert load.unknown == []

    asyncio.run(story())


def _produce(cluster: Cluster, email: str, schema_id: int | None) -> tuple[int, int]:
    """Append an event by hand; without *schema_id* in single-object framing."""
    key, value = triggered(email=email, reply_partition=-1)
    assert value is not None
    if schema_id is not None:
        value = b"\x00" + schema_id.to_bytes(4, "big") + value[SINGLE_OBJECT_BYTES:]
    partition = partition_for(recipient_key(ORG, email), 4)
    log = cluster.topic("mailing.recipients")
    (place,) = raw.produce(cluster.bootstrap_servers, log, [(partition, key, value)])
    return place
