"""The programs in the docs, run as they stand but for the address and the topics."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.records import Status
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from tests.support.worker import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "producers.md"
ADDRESS = 'bootstrap_servers="localhost:9092"'


def test_the_clients_examples_add_a_recipient_and_change_it(cluster: Cluster) -> None:
    example, recipients = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert ADDRESS in example
    here = f'bootstrap_servers="{cluster.bootstrap_servers}", topic_prefix="{cluster.prefix}"'

    async def story() -> None:
        cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            await asyncio.to_thread(exec, example.replace(ADDRESS, here), {})
            view = await all_sent(client)
            page = compile(recipients, PAGE.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            await eval(page, {"client": client})  # noqa: S307 - our own page
            stored = await client.recipient(ORG, email="user@domain.com")
        assert (view.created, view.sent, view.rejected) == (1, 1, 0)
        assert (stored.status, stored.profile["city"]) == (Status.UNSUBSCRIBED, "Ribe")

    asyncio.run(story())
