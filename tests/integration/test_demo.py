"""The command a newcomer types first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailing_trigger import seed

if TYPE_CHECKING:
    from tests.support.processes import Processes

DONE_WITHIN_S = 110.0
# Nothing of this exists: the demo must be about itself alone.
PRODUCTION = {
    "MAILING_TRIGGER_BOOTSTRAP_SERVERS": "kafka.invalid:9092",
    "MAILING_TRIGGER_TOPIC_PREFIX": "production.",
    "MAILING_TRIGGER_CREDENTIALS": "/nowhere/credentials.toml",
    "MAILING_TRIGGER_DATA_DIR": "/nowhere",
    "MAILING_TRIGGER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
}


def test_the_demo_shows_one_call_one_id_and_one_send(processes: Processes) -> None:
    demo = processes.start("demo", env=PRODUCTION)

    assert demo.wait(within_s=DONE_WITHIN_S) == 0, demo.output()

    shown = demo.output()
    assert shown.count("200 OK") == 2
    first, again = re.findall(r"^\[(\d+)\]$", shown, re.MULTILINE)
    assert first == again
    assert seed.BODY in shown
    assert shown.count('"send_id"') == 1
    assert f'"rid": {first}' in shown
    assert '"email": "user@domain.com"' in shown
    assert r'"context": "\"XYZ-123\""' in shown
    assert "To: John Doe <user@domain.com>\nSubject: Mailing 1 for John Doe\n" in shown
    assert "\x1b" not in shown, "escape codes in what is not a terminal"
