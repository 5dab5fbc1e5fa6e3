"""Dead letters, what became of them, and where their events belong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailing_trigger.dead_letters.choosing import Choice, places_of, since_ms
from mailing_trigger.dead_letters.letter_state import LetterState
from mailing_trigger.dead_letters.letters import (
    Letter,
    Place,
    decode,
    home_of,
    letters_of,
)
from mailing_trigger.dead_letters.showing import row, whole
from mailing_trigger.errors import SettingsError
from schemas.ids import mailing_key, recipient_key
from schemas.partition import partition_for
from schemas.records import DEAD_LETTER_SETTLED, Origin
from streams.verify.reading import DEAD_LETTERS, LOG
from tests.support.contents import World
from tests.support.events import CODEC, START_MS, Event, defined, invoked, triggered
from tests.support.folding import HOME, PARTITIONS, at_home

(EMAIL,) = at_home("ada@example.com")
GOOD = triggered(email=EMAIL, firstName="Ada")
ELSEWHERE = (HOME + 1) % PARTITIONS


def laid_aside(*events: Event, partition: int = HOME) -> World:
    """A log with *events* on one partition, folded: those that are dead are letters."""
    return World().log(defined()).work().log(*events, partition=partition).work()


def settle(
    world: World, place: Place, *, settlement: str = "REDRIVEN", to: Place | None = None
) -> None:
    """Write the note of what became of a letter."""
    to = to or Place(-1, -1)
    record = {
        "topic": LOG,
        "partition": place.partition,
        "offset": place.offset,
        "settlement": settlement,
        "to_partition": to.partition,
        "to_offset": to.offset,
    }
    value = CODEC.encode(DEAD_LETTER_SETTLED, record)
    world.contents.add(DEAD_LETTERS, place.partition, None, value)


def letters(world: World) -> dict[Place, Letter]:
    return letters_of(world.contents.seal().read(DEAD_LETTERS), LOG, CODEC)


def letter(key: bytes | None, value: bytes | None, partition: int = HOME) -> Letter:
    return Letter(Place(partition, 1), "REASON", "a sentence", key, value, at_ms=1_700_000_000_000)


def test_a_letter_is_open_until_it_was_redriven_or_dropped() -> None:
    world = laid_aside((b"key", b"no event"), (None, GOOD[1]), (b"key", b""))
    (first, second, third) = letters(world)
    settle(world, first, to=Place(0, 77))
    settle(world, second, settlement="DROPPED")
    found = letters(world)
    assert [(each.state, each.to) for each in found.values()] == [
        (LetterState.REDRIVEN, Place(0, 77)),
        (LetterState.DROPPED, None),
        (LetterState.OPEN, None),
    ]
    assert Choice(state=LetterState.OPEN).of(found) == [found[third]]


def test_the_recount_knows_what_a_note_is_and_one_of_no_letter() -> None:
    world = laid_aside((b"key", b"no event"))
    (place,) = letters(world)
    settle(world, place, settlement="DROPPED")
    report = world.contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert report.counts["dead_letters_settled"] == report.counts["dead_letters"] == 1
    settle(world, Place(HOME, 0), settlement="DROPPED")
    (breach,) = world.contents.recount().breaches
    assert "settles a dead letter that is not there" in breach.line()


def test_a_redriven_event_is_answered_a_second_time_and_the_recount_agrees() -> None:
    world = laid_aside(GOOD, partition=ELSEWHERE)
    (place,) = letters(world)
    world.log(GOOD).work()
    settle(world, place, to=Place(HOME, 1))
    report = world.contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert report.counts["acks"] == 2
    assert report.counts["recipients"] == 1


@pytest.mark.parametrize(
    ("event", "home"),
    [
        pytest.param(GOOD, HOME, id="an address"),
        pytest.param(triggered(rid=5 * 1024 + 3), 3, id="a rid"),
        pytest.param(triggered(rid=5 * 1024 + 77), ELSEWHERE, id="a rid of no partition"),
        pytest.param((None, GOOD[1]), ELSEWHERE, id="no key"),
        pytest.param((b"key", b"no event"), partition_for(b"key", PARTITIONS), id="no event"),
        pytest.param(defined(), HOME, id="a request"),
        pytest.param(defined(origin=Origin.COPY, revision=1), ELSEWHERE, id="a copy"),
        pytest.param(invoked(origin=Origin.TIMER, invocation=1), ELSEWHERE, id="a timer's"),
    ],
)
def test_an_event_goes_where_it_belongs_not_where_it_was(event: Event, home: int) -> None:
    assert home_of(letter(*event, partition=ELSEWHERE), PARTITIONS, CODEC) == home


def test_requests_belong_to_the_home_of_their_mailing() -> None:
    home = partition_for(mailing_key(2, 9), PARTITIONS)
    assert home_of(letter(*defined(mid=9)), PARTITIONS, CODEC) == home


def test_what_can_be_read_of_an_event_is_shown_and_then_what_is_wrong() -> None:
    value = GOOD[1] or b""
    all_of_it = decode(value, CODEC)
    assert (all_of_it.name, all_of_it.wrong) == ("RecipientTriggered", "")
    assert (all_of_it.fields["email"], all_of_it.fields["firstName"]) == (EMAIL, "Ada")
    cut = decode(value[: value.index(b"Ada")], CODEC)
    assert cut.fields["email"] == EMAIL
    assert "firstName" not in cut.fields
    assert "firstName" in cut.wrong
    assert "1 bytes follow" in decode(value + b"\x00", CODEC).wrong
    assert decode(b"no event", CODEC).name == ""
    assert decode(None, CODEC).wrong
    mailing = decode(invoked()[1], CODEC)
    assert (mailing.fields["origin"], mailing.wrong) == ("REQUEST", "")


def test_the_list_shows_nobodys_address_and_the_whole_shows_all() -> None:
    key, value = GOOD
    one = letter(key, (value or b"")[:-2])
    assert EMAIL not in " ".join(row(one, CODEC))
    shown = "\n".join(whole(one, CODEC))
    assert f'email           "{EMAIL}"' in shown
    assert recipient_key(2, EMAIL).decode() in shown
    assert "its bytes end" in shown


def test_letters_are_chosen_by_place_or_by_all_that_fits() -> None:
    found = letters(laid_aside((b"key", b"no event"), (None, GOOD[1])))
    first, second = found
    assert Choice(places=(second, second)).of(found) == [found[second]]
    assert Choice(reasons=frozenset({"WRONG_MAGIC"})).of(found) == [found[first]]
    assert Choice(partition=ELSEWHERE).of(found) == []
    assert Choice(since_ms=START_MS + 1).of(found) == []
    assert len(Choice().of(found)) == 2
    with pytest.raises(SettingsError, match="3:99"):
        Choice(places=(Place(3, 99),)).of(found)


def test_places_and_times_are_written_as_people_write_them() -> None:
    assert places_of(["2:20481"]) == (Place(2, 20481),)
    now = datetime(2026, 2, 1, tzinfo=UTC)
    day_ms = 24 * 60 * 60 * 1000
    assert since_ms("1d", now) == since_ms("2026-01-31", now) == now.timestamp() * 1000 - day_ms
    assert since_ms("2026-01-31T01:00:00+01:00", now) == since_ms("2026-01-31", now)
    for wrong in ("2", "2@20481", "-1:2", "two:3"):
        with pytest.raises(SettingsError, match="PARTITION:OFFSET"):
            places_of([wrong])
    for wrong in ("soon", "5 days", "-1d", "999999d"):
        with pytest.raises(SettingsError, match="--since"):
            since_ms(wrong, now)
