"""By which channels a message goes, and how it is counted."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from fastavro import schemaless_writer

from schemas.framing import SINGLE_OBJECT_MAGIC, released_writers
from schemas.ids import rid_of
from schemas.records import Channel, MailingPhase
from tests.support.contents import RECORDS
from tests.support.events import CODEC, Event, defined, invoked, log_of, switched, triggered
from tests.support.folding import HOME, Partition, at_home, dump, rebuilt
from tests.support.golden import golden

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = at_home("user@domain.com", "b@b.org")
EMAIL, SMS = Channel.EMAIL, Channel.SMS
NUMBER = "+4512345678"


def folded(*events: Event) -> Partition:
    return Partition().run(log_of(events))


def by_channel(partition: Partition) -> list[tuple[str, str]]:
    return [(send["channel"], send["email"]) for send in partition.drain_all().sends()]


def counted(partition: Partition) -> tuple[int, int, int, int, int]:
    mailing = partition.state.mailings[2, 1]
    return (mailing.sent, mailing.sms, mailing.sms_only, mailing.unreachable, mailing.pending)


def test_who_has_a_number_gets_an_sms_beside_the_email() -> None:
    partition = folded(
        defined(channels=(EMAIL, SMS)),
        triggered(email=A, smsContact=NUMBER, context=b'"x"'),
        triggered(email=B),
        invoked(),
    )
    assert by_channel(partition) == [("EMAIL", A), ("SMS", A), ("EMAIL", B)]
    email, sms, _ = partition.sends()
    assert email["send_id"] == f"{rid_of(1, HOME)}:{HOME}:1"
    assert sms["send_id"] == f"{email['send_id']}:sms"
    differ = {"send_id", "channel"}
    assert {**sms, **dict.fromkeys(differ)} == {**email, **dict.fromkeys(differ)}
    assert sms["smsContact"] == NUMBER
    assert counted(partition) == (2, 1, 0, 0, 0)


def test_a_mailing_of_sms_alone_reaches_who_has_a_number_and_counts_who_has_none() -> None:
    partition = folded(
        defined(channels=(SMS,)),
        triggered(email=A, smsContact=NUMBER),
        triggered(email=B),
        invoked(),
    )
    assert by_channel(partition) == [("SMS", A)]
    assert counted(partition) == (2, 1, 1, 1, 0)


def test_a_mailing_that_says_nothing_goes_by_email_alone() -> None:
    partition = folded(defined(), triggered(email=A, smsContact=NUMBER), invoked())
    assert by_channel(partition) == [("EMAIL", A)]
    assert counted(partition) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("profile", "active"),
    [
        ({"smsContact": "+12345678"}, True),
        ({"smsContact": "+123456789012345"}, True),
        ({"smsContact": NUMBER, "smsSubscribed": True}, True),
        ({"smsContact": NUMBER, "smsSubscribed": False}, False),
        ({"smsContact": "+1234567"}, False),
        ({"smsContact": "+1234567890123456"}, False),
        ({"smsContact": "004512345678"}, False),
        ({"smsContact": "+45 12345678"}, False),
        ({"smsContact": "+4512345678\n"}, False),
        ({"smsContact": "+٤٥١٢٣٤٥٦٧٨"}, False),
        ({"smsContact": ""}, False),
        ({"smsSubscribed": True}, False),
    ],
    ids=str,
)
def test_an_sms_needs_a_sound_number_and_no_opt_out(
    profile: dict[str, object], *, active: bool
) -> None:
    partition = folded(defined(channels=(SMS,)), triggered(email=A, **profile), invoked())  # type: ignore[arg-type]
    assert by_channel(partition) == ([("SMS", A)] if active else [])


def test_the_number_may_be_stored_or_of_the_call_and_who_opted_out_stays_out() -> None:
    partition = folded(
        defined(channels=(SMS,)),
        triggered(email=A, smsContact=NUMBER),
        triggered(email=A, context=b"1"),
        triggered(email=B, smsSubscribed=False),
        triggered(email=B, context=b"2", smsContact=NUMBER, smsSubscribed=True),
        invoked(),
    )
    assert [send["context"] for send in partition.drain_all().sends()] == [b"", b"1"]


@pytest.mark.parametrize("given", [(SMS, EMAIL), (EMAIL, SMS, EMAIL)])
def test_channels_are_kept_once_each_in_one_order(given: Sequence[Channel]) -> None:
    partition = folded(defined(channels=given))
    assert partition.state.mailings[2, 1].channels == (EMAIL, SMS)


def test_the_cut_freezes_the_channels_whatever_is_defined_before_the_drain() -> None:
    partition = folded(
        defined(channels=(EMAIL, SMS)),
        triggered(email=A, smsContact=NUMBER),
        invoked(),
        defined(channels=(EMAIL,)),
        triggered(email=A, context=b"2"),
        invoked(),
        switched(MailingPhase.CANCELLED),
    )
    restored = rebuilt(partition.output.changelog)
    assert dump(restored.state) == dump(partition.state)
    assert by_channel(partition) == [("EMAIL", A), ("SMS", A), ("EMAIL", A)]
    assert restored.drain_all(slice_size=1).output.sends == partition.output.sends
    assert counted(restored) == counted(partition) == (2, 1, 0, 0, 0)


def as_first_released(value: bytes | None) -> bytes:
    """A record as the first release wrote it, without what came after."""
    name, fields = CODEC.decode(value)
    frame = SINGLE_OBJECT_MAGIC + bytes.fromhex(golden("schemas")["released"][name][0])
    out = BytesIO()
    schemaless_writer(out, released_writers()[frame].schema, fields)
    return frame + out.getvalue()


def test_a_mailing_that_an_older_release_kept_goes_by_email() -> None:
    live = folded(defined(), triggered(email=A, smsContact=NUMBER), invoked())
    changelog = [
        (key, as_first_released(value) if key.startswith(b"m:") else value)
        for key, value in live.output.changelog
    ]
    assert changelog != live.output.changelog
    restored = rebuilt(changelog)
    assert dump(restored.state) == dump(live.state)
    assert by_channel(restored) == [("EMAIL", A)]


def test_a_send_and_a_mailing_of_an_older_release_are_read_by_the_recount_with_defaults() -> None:
    partition = folded(defined(), triggered(email=A), invoked())
    changelog = dict(partition.output.changelog)
    (_, send), *_ = partition.drain_all().output.sends
    for value in (send, changelog[b"m:2:1"]):
        assert RECORDS.read(as_first_released(value)) == RECORDS.read(value)
