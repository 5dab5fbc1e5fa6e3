"""Those who read recipients and change them: unsubscribe, subscribe again, leave SMS, write a name.

A change writes its call's number as the last name, as every trigger does: so whoever reads a
recipient sees which call wrote it last.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.history.generator import NUMBERS, spelt
from tests.history.told import by_client, over_http, read_document

if TYPE_CHECKING:
    import httpx

    from producers.recipients import RecipientView
    from tests.history.desk import Desk
    from tests.history.generator import Known

_PATH = "/v3.7/recipient"
# So few that calls meet, and so famous that messages for them wait.
_MEN_AND_WOMEN = 40
# What is done: how often.
_SHARES = {"read": 9, "unsubscribe": 3, "subscribe": 3, "no sms": 2, "sms": 2, "name": 2}
# Of a hundred who unsubscribe, so many are subscribed again a moment later.
_BACK_PERCENT = 75
_BACK_AFTER_S = (0.1, 1.5)


@dataclass(slots=True)
class Stewards:
    """All who make calls about recipients."""

    desk: Desk
    known: Known
    pause_s: float

    async def live(self, place: int) -> None:
        """Read and change recipients, until the run stops."""
        rng = random.Random(f"{self.desk.seed} steward {place}")
        process, way = self.desk.process(), ("http", "direct")[place % 2]
        while not self.desk.stopping.is_set():
            what = rng.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
            org, who = self._somebody(rng)
            process = await self._do(process, way, what, org, who, rng)
            if what == "unsubscribe" and rng.randrange(100) < _BACK_PERCENT:
                await self.desk.sleep(rng.uniform(*_BACK_AFTER_S))
                process = await self._do(process, way, "subscribe", org, who, rng)
            await self.desk.sleep(rng.expovariate(1 / self.pause_s))

    def _somebody(self, rng: random.Random) -> tuple[int, str | int]:
        org = rng.choice((2, 2, 3))
        rids = self.known.rids[org]
        by_rid, rank = rng.random() < 0.2, rng.randrange(_MEN_AND_WOMEN)
        if by_rid and rids:
            return org, rng.choice(rids)
        return org, spelt(rank, rng)

    async def _do(
        self, process: int, way: str, what: str, org: int, who: str | int, rng: random.Random
    ) -> int:
        """Make one call; return who makes the next."""
        number = self.desk.call()
        fields = None if what == "read" else _change(what, number, rng)
        asking = (
            over_http(self._http(org, who, fields), read_document)
            if way == "http"
            else by_client(self._direct(org, who, fields), _shown)
        )
        f = "read" if fields is None else "change"
        told = await self.desk.make(
            process, number, f, way, asking, org=org, who=who, fields=fields or {}
        )
        return self.desk.process() if told.type == "info" else process

    async def _http(
        self, org: int, who: str | int, fields: dict[str, object] | None
    ) -> httpx.Response:
        params = {"orgid": org, "rid" if isinstance(who, int) else "email": who}
        if fields is None:
            return await self.desk.http.get(_PATH, params=params)
        return await self.desk.http.put(_PATH, params=params, json=fields)

    async def _direct(
        self, org: int, who: str | int, fields: dict[str, object] | None
    ) -> RecipientView:
        client = self.desk.direct[0]
        rid, email = (who, None) if isinstance(who, int) else (None, who)
        if fields is None:
            return await client.recipient(org, rid=rid, email=email)
        return await client.change_recipient(org, fields, rid=rid, email=email)


def _change(what: str, number: int, rng: random.Random) -> dict[str, object]:
    given: dict[str, object] = {
        "unsubscribe": {"status": 0},
        "subscribe": {"status": 1},
        "no sms": {"smsSubscribed": False},
        "sms": {"smsSubscribed": True, "smsContact": rng.choice(NUMBERS)},
        "name": {"firstName": f"Zoë {rng.randrange(1000)}"},
    }[what]
    return given | {"lastName": f"call {number}"}


def _shown(view: RecipientView) -> dict[str, object]:
    given = {name: view.profile.get(name) for name in ("firstName", "lastName", "smsContact")}
    sms = view.profile.get("smsSubscribed", True)
    return given | {"rid": view.rid, "status": int(view.status), "smsSubscribed": sms}
