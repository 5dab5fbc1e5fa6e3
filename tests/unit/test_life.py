"""One recipient's life, told from logs that were folded."""

from __future__ import annotations

from typing import Any

import pytest

from mailing_trigger.explain import lines
from mailing_trigger.masking import masked_address
from schemas.ids import rid_of
from schemas.records import DedupPolicy, Origin
from streams.verify.life import Life, NotThere, life_of
from streams.verify.reading import LOG, SENDS
from tests.support.contents import RECORDS, World
from tests.support.events import START_MS, defined, erased, invoked, once, tried, triggered
from tests.support.folding import HOME, at_home

ADA, EVE = at_home("ada@example.com", "eve@example.com")


def life(world: World, offset: int) -> Life:
    """The life of the recipient that the event at *offset* of the home partition created."""
    contents: Any = world.contents.seal()
    return life_of(rid_of(offset, HOME), contents, RECORDS)


def told(of: Life) -> list[tuple[str, str, int]]:
    return [(each.what, each.topic, each.offset) for each in of.happenings]


def facts(of: Life, name: str) -> list[Any]:
    return [each.facts.get(name) for each in of.happenings]


def test_a_life_has_each_trigger_what_became_of_it_each_invocation_and_each_send() -> None:
    # Offsets 0 to 7 of the home partition.
    world = World().log(
        defined(),
        triggered(email=ADA, context=b'"a"', request_id="one", reply_partition=-1),
        triggered(email=EVE, context=b'"a"', request_id="two"),
        triggered(email=ADA.upper(), context=b'"a"', request_id="three", index=4),
        triggered(email=ADA, context=b'"b"', request_id="four"),
        invoked(request_id="cut"),
        triggered(email=ADA, context=b'"a"', request_id="five"),
        triggered(email=ADA, mid=9, request_id="six"),
    )
    ada = life(world.work(), 1)
    rid = rid_of(1, HOME)
    first, third, fourth = (f"{rid}:{HOME}:{offset}" for offset in (1, 4, 6))
    assert (ada.orgid, ada.email, ada.status) == (2, ADA, 1)
    assert sorted(told(ada)) == sorted(
        [
            ("triggered", LOG, 1),
            ("triggered", LOG, 3),
            ("triggered", LOG, 4),
            ("invoked", LOG, 5),
            ("invoked", LOG, 5),
            ("triggered", LOG, 6),
            ("triggered", LOG, 7),
            ("sent", SENDS, 0),
            ("sent", SENDS, 2),
        ]
    )
    triggers = [each.facts for each in ada.happenings if each.what == "triggered"]
    assert [each["outcome"] for each in triggers] == [
        "CREATED",
        "DUPLICATE",
        "KNOWN",
        "KNOWN",
        "UNKNOWN_MAILING",
    ]
    assert [each.get("send_id") for each in triggers] == [first, None, third, fourth, None]
    assert triggers[1]["duplicate_of"] == first
    assert (triggers[1]["request_id"], triggers[1]["index"]) == ("three", 4)
    cuts = [each.facts for each in ada.happenings if each.what == "invoked"]
    assert [(cut["send_id"], cut["invocation"], cut["request_id"]) for cut in cuts] == [
        (first, 1, "cut"),
        (third, 1, "cut"),
    ]
    sent = [each.facts["send_id"] for each in ada.happenings if each.what == "sent"]
    assert sent == [first, third]
    assert ada.waiting == [fourth]
    assert ada.limits == []


def test_a_dry_run_is_no_part_of_a_life() -> None:
    world = World().log(defined(), triggered(email=ADA))
    world.log(tried([{"email": ADA}, {"email": EVE}]), partition=HOME).log(triggered(email=ADA))
    ada = life(world.work(), 1)
    assert told(ada) == [("triggered", LOG, 1), ("triggered", LOG, 3)]
    assert facts(ada, "outcome") == ["CREATED", "DUPLICATE"]


def test_a_duplicate_is_of_whatever_the_mailing_takes_for_the_same() -> None:
    world = World().log(
        defined(dedup=DedupPolicy.RECIPIENT),
        triggered(email=ADA, context=b'"a"'),
        triggered(email=ADA, context=b'"b"', request_id="again"),
    )
    assert facts(life(world.work(), 1), "duplicate_of") == [None, f"{rid_of(1, HOME)}:{HOME}:1"]


def test_triggers_by_rid_are_part_of_a_life_and_so_is_a_timers_cut() -> None:
    rid = rid_of(1, HOME)
    world = World().log(defined(), triggered(email=ADA))
    world.log(triggered(rid=rid, status=0), partition=HOME)
    world.log(invoked(origin=Origin.TIMER, invocation=1), partition=HOME)
    ada = life(world.work(), 1)
    assert sorted(told(ada))[:3] == [("invoked", LOG, 3), ("sent", SENDS, 0), ("triggered", LOG, 1)]
    assert facts(ada, "outcome").count("DUPLICATE") == 1


def test_an_event_that_was_laid_aside_is_told_with_its_reason() -> None:
    world = World().log(defined(), triggered(email=ADA), triggered(email=ADA, reply_partition=9))
    aside = life(world.work(), 1).happenings[-1]
    assert (aside.what, aside.facts["reason"]) == ("laid aside", "BAD_REPLY_PARTITION")


@pytest.mark.parametrize(
    ("rid", "said"),
    [
        pytest.param(rid_of(3, HOME), f"is about recipient {rid_of(1, HOME)}", id="of a repeat"),
        pytest.param(rid_of(0, HOME), "creates nobody", id="of a definition"),
        pytest.param(rid_of(2, HOME), "is a dead letter", id="of a dead letter"),
        pytest.param(rid_of(99, HOME), "yet", id="beyond the end"),
        pytest.param(rid_of(1, 77), "4 partitions", id="of no partition"),
        pytest.param(5, "4 partitions", id="of no offset"),
    ],
)
def test_a_rid_that_nobody_has_is_answered_with_what_stands_there(rid: int, said: str) -> None:
    dead = triggered(email=EVE, reply_partition=9)
    world = World().log(defined(), triggered(email=ADA), dead, triggered(email=ADA))
    contents: Any = world.work().contents.seal()
    with pytest.raises(NotThere, match=said):
        life_of(rid, contents, RECORDS)


def test_a_log_that_lost_its_beginning_says_how_far_back_it_reaches() -> None:
    world = World().log(defined(), triggered(email=ADA), invoked(), triggered(email=ADA))
    world.work().contents.begins[LOG, HOME] = 3
    ada = life(world, 1)
    assert ada.reaches_back_to == 3
    assert ("triggered", LOG, 3) in told(ada)
    assert ("triggered", LOG, 1) not in told(ada)
    assert "begins at offset 3" in ada.limits[0]
    assert ada.email == ADA


def test_lines_have_nothing_personal_unless_that_is_asked_for() -> None:
    world = World().log(defined(), triggered(email=ADA, context=b'"secret"', firstName="Ada"))
    ada = life(world.work(), 1)
    masked = "\n".join(lines(ada, personal=False))
    assert masked_address(ADA) in masked
    for personal in (ADA, "secret", "firstName"):
        assert personal not in masked
    shown = "\n".join(lines(ada, personal=True))
    for personal in (ADA, 'context="secret"', "firstName=Ada"):
        assert personal in shown


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("user@domain.com", "u***@d***.com"),
        ("a@b.co.uk", "a***@b***.uk"),
        ("user@localhost", "u***@***"),
        ("nobody", "***@***"),
    ],
)
def test_a_masked_address_is_known_to_its_owner_alone(email: str, masked: str) -> None:
    assert masked_address(email) == masked


@pytest.mark.parametrize("gone", [False, True])
def test_who_was_erased_has_a_life_without_an_address(*, gone: bool) -> None:
    rid = rid_of(1, HOME)
    world = World().log(defined(), triggered(email=ADA))
    world.log(erased(rid=rid, request_id="forget"), partition=HOME).work()
    if gone:
        world.contents.begins[LOG, HOME] = 2
    ada = life(world, 1)
    assert (ada.orgid, ada.email, ada.status, ada.erased) == (2, "", 1, START_MS + 2)
    assert told(ada)[-1] == ("erased", LOG, 2)
    assert facts(ada, "request_id")[-1] == "forget"
    assert ada.waiting == []
    (who, *_) = lines(ada, personal=True)
    assert "erased at " in who
    assert "@" not in who


def test_who_came_back_has_the_life_of_before_and_after() -> None:
    events = (defined(), triggered(email=ADA), erased(email=ADA), triggered(email=ADA))
    ada = life(World().log(*events).work(), 1)
    assert (ada.email, ada.erased) == (ADA, None)
    assert [what for what, _, _ in told(ada)] == ["triggered", "erased", "triggered"]
    assert facts(ada, "outcome") == ["CREATED", None, "CREATED"]


def test_triggers_of_a_call_under_a_key_are_told_with_what_became_of_them() -> None:
    under_a_key = once(triggered(email=ADA, context=b'"a"', request_id="one"), call=4097)
    world = World().log(
        defined(),
        under_a_key,
        once(triggered(email=EVE, context=b'"a"', request_id="two"), call=4097),
        under_a_key,
        triggered(email=ADA, context=b'"a"', request_id="three"),
    )
    ada = life(world.work(), 1)
    first = f"{rid_of(1, HOME)}:{HOME}:1"
    assert told(ada) == [("triggered", LOG, offset) for offset in (1, 3, 4)]
    assert facts(ada, "outcome") == ["CREATED", "CREATED", "DUPLICATE"]
    assert facts(ada, "call") == [4097, 4097, None]
    assert facts(ada, "send_id") == [first, None, None]
    assert facts(ada, "duplicate_of") == [None, None, first]
    assert facts(ada, "status") == [None, None, None]
