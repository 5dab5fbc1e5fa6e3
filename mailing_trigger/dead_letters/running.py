"""`dead-letters list`, `show`, `redrive` and `drop`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from mailing_trigger.adapters import broker_of
from mailing_trigger.dead_letters.letter_state import LetterState
from mailing_trigger.dead_letters.letters import letters_of
from mailing_trigger.dead_letters.settling import Settler
from mailing_trigger.dead_letters.showing import COLUMNS, aligned, fate, row, summary, whole
from mailing_trigger.output import console, say
from mailing_trigger.progress import counting
from producers.registry import registry_at
from schemas.codec import Codec
from schemas.framing import Framing
from schemas.topics import DEAD_LETTERS, LOG
from streams.verify.reading import Topics

if TYPE_CHECKING:
    from mailing_trigger.dead_letters.choosing import Choice
    from mailing_trigger.dead_letters.letters import Letter, Place
    from mailing_trigger.settings import Settings


def show_list(settings: Settings, choice: Choice, *, as_json: bool) -> None:
    """Print the letters meant, a line each, without personal data."""
    codec = codec_of(settings)
    there = _read(settings, codec)[0]
    letters = choice.of(there)
    if as_json:
        found = [summary(letter, codec) for letter in letters]
        console.print_json(json.dumps(found), indent=None)
        return
    _tell_reasons(choice, there)
    if not letters:
        say("there are no such dead letters")
        return
    for line in aligned([COLUMNS, *(row(letter, codec) for letter in letters)]):
        say(line)
    counted = Counter(letter.state for letter in letters)
    say(", ".join(f"{counted[state]:,} {state}" for state in LetterState if counted[state]))


def show_whole(settings: Settings, choice: Choice) -> None:
    """Print all there is of the letters meant."""
    codec = codec_of(settings)
    for letter in choice.of(_read(settings, codec)[0]):
        for line in whole(letter, codec):
            say(line)


def redrive(settings: Settings, choice: Choice, *, again: bool) -> None:
    """Put the events of the letters meant into the log again."""
    codec, settler = _settler(settings)
    letters, partitions = _read(settings, codec)
    _tell_reasons(choice, letters)
    chosen = _to_settle(choice.of(letters), again=again)

    def told(letter: Letter, to: Place) -> None:
        say(f"{letter.place} redriven to {to}")

    settler.redrive(chosen, partitions, told)
    say(f"{len(chosen):,} redriven")


def drop(settings: Settings, choice: Choice) -> None:
    """Note that nobody wants the letters meant; they stay until retention takes them."""
    codec, settler = _settler(settings)
    letters = _read(settings, codec)[0]
    _tell_reasons(choice, letters)
    chosen = _to_settle(choice.of(letters), again=False)
    settler.drop(chosen)
    say(f"{len(chosen):,} dropped")


def codec_of(settings: Settings) -> Codec:
    """Return what reads events; of a registry's schemas those that it has today."""
    url = settings.schema_registry_url
    return Codec(registry_at(url).framing() if url else Framing())


def _settler(settings: Settings) -> tuple[Codec, Settler]:
    codec = codec_of(settings)
    settler = Settler(
        broker_of(settings), codec, prefix=settings.topic_prefix, security=settings.kafka
    )
    return codec, settler


def _read(settings: Settings, codec: Codec) -> tuple[dict[Place, Letter], int]:
    """Return all letters, and how many partitions the log has."""
    topics = Topics(broker_of(settings), settings.topic_prefix, settings.kafka)
    with counting(topics.size(DEAD_LETTERS)) as read_to:
        raws = topics.read(DEAD_LETTERS, read_to=read_to)
        letters = letters_of(raws, settings.topic_prefix + LOG, codec)
    return letters, topics.partitions[LOG]


def _tell_reasons(choice: Choice, letters: dict[Place, Letter]) -> None:
    """Say which reasons there are when one was asked for that no letter has."""
    there = {letter.reason for letter in letters.values()}
    for reason in sorted(choice.reasons - there):
        say(f"no letter has the reason {reason}; there is {', '.join(sorted(there)) or 'none'}")


def _to_settle(letters: list[Letter], *, again: bool) -> list[Letter]:
    """Return those nobody has settled, and say which somebody has."""
    settled = [letter for letter in letters if letter.state is not LetterState.OPEN]
    for letter in [] if again else settled:
        say(f"{letter.place} was {fate(letter)}: left as it is")
    return letters if again else [letter for letter in letters if letter not in settled]
