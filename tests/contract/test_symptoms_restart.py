"""After a restart of the database the original's processes had to be restarted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import stack as stacks
from tests.support.wait import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded.broker import EmbeddedBroker


def test_after_a_restart_of_the_broker_triggers_move_again_by_themselves(
    own_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    with stacks.running(own_broker.bootstrap_servers, folder, ack_timeout_s=2) as stack:
        mailing = stack.mailing()
        (before,) = mailing.ids('[{"email":"before@example.com"}]')
        own_broker.kill()
        during = mailing.call('[{"email":"during@example.com"}]')
        own_broker.start()
        eventually(stack.ready)
        (known,) = mailing.ids('[{"email":"before@example.com"}]')
        (after,) = mailing.ids('[{"email":"after@example.com"}]')

        # Ready means that the same two processes answer: `ready` looks after them.
        assert during.status_code in {503, 504}, during.text
        assert known == before
        sends = mailing.mailed()
        rids = [send["rid"] for send in sends]
        assert len(rids) == len(set(rids))
        assert {before, after} <= set(rids)
        # The call in between was not promised; it may have reached the log.
        assert {send["email"] for send in sends} <= {
            "before@example.com",
            "during@example.com",
            "after@example.com",
        }
