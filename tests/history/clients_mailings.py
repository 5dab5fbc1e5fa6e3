"""Those who define, invoke and switch mailings: two of them switch the same one at once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.history.generator import MAILINGS, MORTAL, MORTAL_ORG
from tests.history.told import Told, by_client, over_http, read_document
from tests.support.worker import until

if TYPE_CHECKING:
    import httpx

    from producers.control import MailingView
    from tests.history.desk import Desk
    from tests.history.generator import Known

REDEFINED = (3, 1)
# Held back for a while, again and again; the one that a fault has invoked is not among them.
HELD = ((2, 1), (2, 3), (3, 1))
_HELD_S = (0.4, 1.5)
_BETWEEN_S = (0.3, 1.2)
# Of so many rounds of the two who switch, one closes a mailing for good, and one changes another's
# definition.
_ROUNDS = 4
_STEPS = {"SUSPENDED": "suspend", "ACTIVE": "suspend", "CANCELLED": "cancel", "FINISHED": "finish"}


@dataclass(slots=True)
class Operators:
    """All who make calls about mailings; *known* has the one that lives until it is closed.

    Without *closing* it lives for ever.
    """

    desk: Desk
    known: Known
    closing: bool = True
    # The two who switch: the first over HTTP, the second by the client.
    _two: list[int] = field(default_factory=list)

    async def define(self) -> None:
        """Define the mailings; again and again while workers share the partitions out."""
        self._two = [self.desk.process(), self.desk.process()]

        async def defined(org: int, mid: int, definition: dict[str, object]) -> bool:
            told = await self._define(self.desk.process(), org, mid, definition)
            return told.type == "ok" and "code" not in told.shown

        every = MAILINGS | {(MORTAL_ORG, self.known.mortal): MORTAL}
        for (org, mid), definition in every.items():
            await until(lambda where=(org, mid, definition): defined(*where))

    async def invoke_now_and_then(self) -> None:
        """Invoke any mailing, until the run stops."""
        rng = random.Random(f"{self.desk.seed} invoker")
        process = self.desk.process()
        while not self.desk.stopping.is_set():
            await self.desk.sleep(rng.uniform(1, 3))
            told = await self.invoke(process, *rng.choice(tuple(MAILINGS)))
            process = self._next(process, told)

    async def switch_now_and_then(self) -> None:
        """Hold mailings back and let them go, and close one for good, until the run stops."""
        rng = random.Random(f"{self.desk.seed} switchers")
        number = 0
        while not self.desk.stopping.is_set():
            await self.desk.sleep(rng.uniform(*_BETWEEN_S))
            number += 1
            if number % _ROUNDS == 1 and self.closing:
                await self._close(rng)
            elif number % _ROUNDS == 3:
                await self._redefine(rng)
            else:
                await self._hold(rng, *rng.choice(HELD))

    async def resume_all(self) -> bool:
        """Let every mailing that is not closed go; return whether all are active."""
        mailings = [*HELD, (MORTAL_ORG, self.known.mortal)]
        told = [await self._switch(0, *mailing, "ACTIVE") for mailing in mailings]
        return all(each.type == "ok" for each in told)

    async def invoke_all(self) -> bool:
        """Invoke every mailing; return whether all were."""
        mailings = [*MAILINGS, (MORTAL_ORG, self.known.mortal)]
        told = [await self.invoke(self.desk.process(), *mailing) for mailing in mailings]
        return all(each.type == "ok" for each in told)

    async def invoke(self, process: int, org: int, mid: int) -> Told:
        """Invoke a mailing."""
        asking = self.desk.http.post("/v3.7/mailing/invoke", params={"orgid": org, "mid": mid})
        return await self.desk.make(
            process,
            self.desk.call(),
            "invoke",
            "http",
            over_http(asking, read_document),
            org=org,
            mid=mid,
        )

    async def _redefine(self, rng: random.Random) -> None:
        """Let a mailing go by other channels from its next invocation on."""
        channels = rng.choice((["email"], ["sms"], ["email", "sms"]))
        definition = MAILINGS[REDEFINED] | {"channels": channels}
        told = await self._define(self._two[0], *REDEFINED, definition)
        self._two[0] = self._next(self._two[0], told)

    async def _hold(self, rng: random.Random, org: int, mid: int) -> None:
        """Suspend a mailing while another does so too, or resumes it; then let it go."""
        other = rng.choice(("SUSPENDED", "SUSPENDED", "ACTIVE"))
        await self._at_once(org, mid, "SUSPENDED", other)
        await self._look(org, mid)
        await self.desk.sleep(rng.uniform(*_HELD_S))
        await self._at_once(org, mid, "ACTIVE", "ACTIVE")

    async def _close(self, rng: random.Random) -> None:
        """Close a mailing in two ways at once, try to open it again, and begin another."""
        org, mid = MORTAL_ORG, self.known.mortal
        wanted = rng.sample(("CANCELLED", "FINISHED", "SUSPENDED"), 2)
        await self._at_once(org, mid, *wanted)
        if "SUSPENDED" in wanted:
            await self._at_once(org, mid, "CANCELLED", "ACTIVE")
        await self._look(org, mid)
        await self._switch(1, org, mid, "ACTIVE")
        await self.desk.sleep(rng.uniform(*_HELD_S))
        told = await self._define(self._two[0], org, mid + 1, MORTAL | {"state": "created"})
        self._two[0] = self._next(self._two[0], told)
        if told.type != "ok":
            return
        self.known.mortal = mid + 1
        await self.desk.sleep(rng.uniform(0.1, 0.3))
        await self._at_once(org, mid + 1, "ACTIVE", "ACTIVE")

    async def _at_once(self, org: int, mid: int, *wanted: str) -> None:
        await asyncio.gather(
            *(self._switch(place, org, mid, state) for place, state in enumerate(wanted))
        )

    async def _switch(self, place: int, org: int, mid: int, state: str) -> Told:
        if place:
            way, asking = "direct", by_client(self._client_step(state, org, mid), _shown)
        else:
            way, asking = "http", over_http(self._http_step(state, org, mid), read_document)
        process = self._two[place]
        told = await self.desk.make(
            process, self.desk.call(), "switch", way, asking, org=org, mid=mid, state=state
        )
        self._two[place] = self._next(process, told)
        return told

    async def _http_step(self, state: str, org: int, mid: int) -> httpx.Response:
        params: dict[str, object] = {"orgid": org, "mid": mid}
        if _STEPS[state] == "suspend":
            params["suspend"] = "true" if state == "SUSPENDED" else "false"
        return await self.desk.http.put(f"/v3.7/mailing/{_STEPS[state]}", params=params)

    async def _client_step(self, state: str, org: int, mid: int) -> MailingView:
        client = self.desk.direct[0]
        steps = {
            "SUSPENDED": client.suspend,
            "ACTIVE": client.resume,
            "CANCELLED": client.cancel,
            "FINISHED": client.finish,
        }
        return await steps[state](org, mid)

    async def _look(self, org: int, mid: int) -> None:
        process = self.desk.process()
        asking = by_client(self.desk.direct[-1].mailing(org, mid), _shown)
        await self.desk.make(process, self.desk.call(), "look", "direct", asking, org=org, mid=mid)

    async def _define(
        self, process: int, org: int, mid: int, definition: dict[str, object]
    ) -> Told:
        asking = self.desk.http.put(
            "/v3.7/mailing",
            params={"orgid": org, "mid": mid},
            json={"name": f"Mailing {mid}"} | definition,
        )
        return await self.desk.make(
            process,
            self.desk.call(),
            "define",
            "http",
            over_http(asking, read_document),
            org=org,
            mid=mid,
        )

    def _next(self, process: int, told: Told) -> int:
        """Return who makes the next call: whoever does not know how a call ended makes no other."""
        return self.desk.process() if told.type == "info" else process


def _shown(view: MailingView) -> dict[str, object]:
    return {"state": view.state.value, "revision": view.revision}
