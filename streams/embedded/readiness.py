"""Whether the broker really serves, asked as its clients will ask."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from streams.embedded.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_ID = "mailing-trigger.embedded.readiness"
EVERY_S = 0.05
ASK_S = 1.0  # one question's share of the deadline, so that a broker that dies is noticed soon


def wait_until_serving(
    host: str, port: int, *, within_s: float, check_alive: Callable[[], None]
) -> None:
    """Return when metadata and the transaction coordinator answer; *check_alive* may raise."""
    deadline = time.monotonic() + within_s
    while not _listens(host, port):
        check_alive()
        _give_up_after(deadline, within_s, "it does not listen")
        time.sleep(EVERY_S)
    probe = Producer(
        {
            "bootstrap.servers": f"{host}:{port}",
            "transactional.id": PROBE_ID,
            "retry.backoff.ms": 50,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,  # what fails here is said by us, once
        }
    )
    while True:
        try:
            probe.init_transactions(ASK_S)
        except KafkaException as exc:
            check_alive()
            _give_up_after(deadline, within_s, exc.args[0].str())
            time.sleep(EVERY_S)
        else:
            return


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ASK_S):
            return True
    except OSError:
        return False


def _give_up_after(deadline: float, within_s: float, state: str) -> None:
    if time.monotonic() > deadline:
        raise BrokerError(f"the broker does not serve within {within_s:.0f} s ({state})")
