"""The call every user of the original knows, character for character."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing_trigger.adapters import client_settings

if TYPE_CHECKING:
    from mailing_trigger.settings import Settings

ORGID = 2
MID = 1
PATH = f"/v3.7/mailing/trigger?orgid={ORGID}&mid={MID}"
BODY = '[{email: "user@domain.com", firstname: "John", lastname: "Doe", context: "XYZ-123"}]'
CONTENT_TYPE = "application/json"
INTERVAL_S = 15  # what the original's manual advises


def curl(url: str) -> str:
    """Return the call as a line for a shell."""
    return f"curl -X PUT '{url}{PATH}' -H 'Content-Type: {CONTENT_TYPE}' -d '{BODY}'"


def define(settings: Settings, *, interval_s: int = INTERVAL_S) -> None:
    """Define the call's mailing when nobody has; one that is there stays as it is."""
    from producers.errors import UnknownMailing  # noqa: PLC0415
    from producers.sync import SyncTriggerClient  # noqa: PLC0415 - help must not wait for it

    with SyncTriggerClient(client_settings(settings)) as client:
        try:
            client.mailing(ORGID, MID)
        except UnknownMailing:
            client.define(ORGID, MID, name="Example Mailing", interval_s=interval_s)
