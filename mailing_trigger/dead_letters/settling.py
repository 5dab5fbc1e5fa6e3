"""Redriving and dropping: what is done to a letter and the note of it are one transaction.

So a command that is killed has done a letter wholly, with its note, or not at all. All of them
share one transactional id: whoever begins ends what another has left open, and reads the letters
only then, so two at once cannot redrive the same one.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from mailing_trigger.dead_letters.letters import Place, home_of
from mailing_trigger.errors import CommandError
from schemas.records import DEAD_LETTER_SETTLED
from schemas.topics import DEAD_LETTERS, EFFECT_MESSAGE_BYTES, LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from confluent_kafka import Message

    from mailing_trigger.dead_letters.letters import Letter
    from schemas.codec import Codec

log = logging.getLogger("mailing_trigger.dead_letters")

# Of the event that a letter becomes: PARTITION:OFFSET where it stood before.
HEADER = "redriven-from"
# Until a transaction ends, the log's readers wait for it: it is kept short, and one that is left
# open is ended by the broker soon.
_LETTERS = 100
_BYTES = 4 * 1024 * 1024
_OPEN_S = 10.0
_WITHIN_S = 30.0
_FENCED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001 - its public name


class Settler:
    """Settles letters; made before they are read, for it ends what others are doing to them."""

    def __init__(
        self,
        bootstrap_servers: str,
        codec: Codec,
        *,
        prefix: str = "",
        security: Mapping[str, str] | None = None,
    ) -> None:
        self._codec, self._log, self._letters = codec, prefix + LOG, prefix + DEAD_LETTERS
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "transactional.id": f"{prefix}mailing-trigger-dead-letters",
                "transaction.timeout.ms": int(_OPEN_S * 1000),
                "message.max.bytes": EFFECT_MESSAGE_BYTES,
                "linger.ms": 0,
                # Without it the client prints that it is fenced, which we say.
                "logger": log,
                **(security or {}),
            }
        )
        self._producer.init_transactions(_WITHIN_S)

    def redrive(
        self, letters: Sequence[Letter], partitions: int, told: Callable[[Letter, Place], None]
    ) -> None:
        """Append the letters' events to a log of so many *partitions*; *told* hears of each."""
        for batch in _batches(letters):
            with self._transaction():
                targets = [home_of(letter, partitions, self._codec) for letter in batch]
                places = self._append(batch, targets)
                for letter, to in zip(batch, places, strict=True):
                    self._note(letter, "REDRIVEN", to)
            for letter, to in zip(batch, places, strict=True):
                told(letter, to)

    def drop(self, letters: Sequence[Letter]) -> None:
        """Note that nobody wants the letters."""
        for batch in _batches(letters):
            with self._transaction():
                for letter in batch:
                    self._note(letter, "DROPPED", Place(-1, -1))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block produces, or nothing of it."""
        try:
            self._producer.begin_transaction()
            yield
            self._producer.commit_transaction(_WITHIN_S)
        except BaseException as exc:
            with suppress(KafkaException):  # the broker ends it, then
                self._producer.abort_transaction(_OPEN_S)
            if isinstance(exc, KafkaException):
                raise _told(exc.args[0]) from exc
            raise

    def _append(self, letters: Sequence[Letter], targets: Sequence[int]) -> list[Place]:
        """Append the events, and return where they stand."""
        found: dict[int, Place | KafkaError] = {}
        for number, (letter, target) in enumerate(zip(letters, targets, strict=True)):

            def delivered(error: KafkaError | None, message: Message, at: int = number) -> None:
                here = Place(message.partition() or 0, message.offset() or 0)
                found[at] = here if error is None else error

            self._producer.produce(
                self._log,
                letter.value,
                letter.key,
                partition=target,
                headers=[(HEADER, str(letter.place))],
                on_delivery=delivered,
            )
        try:
            self._producer.flush(_OPEN_S)
        except SystemError as exc:
            # A fatal error is raised while our callback is called (confluent-kafka 2.16).
            raise exc.__cause__ or exc from None
        places = []
        for number, letter in enumerate(letters):
            place = found.get(number)
            if isinstance(place, KafkaError) and place.code() in _FENCED:
                raise KafkaException(place)
            if not isinstance(place, Place):
                why = place.str() if place is not None else "no answer"
                raise CommandError(
                    f"the broker did not take the event of {letter.place} ({why}), so nothing was "
                    "done to it and those chosen with it"
                )
            places.append(place)
        return places

    def _note(self, letter: Letter, settlement: str, to: Place) -> None:
        record: dict[str, Any] = {
            "topic": self._log,
            "partition": letter.place.partition,
            "offset": letter.place.offset,
            "settlement": settlement,
            "to_partition": to.partition,
            "to_offset": to.offset,
        }
        value = self._codec.encode(DEAD_LETTER_SETTLED, record)
        self._producer.produce(self._letters, value, letter.key, partition=letter.place.partition)


def _told(error: KafkaError) -> CommandError:
    """Return what a failed transaction means for whoever typed the command."""
    if error.code() in _FENCED:
        return CommandError(
            "another `dead-letters redrive` or `drop` has begun meanwhile: let it end, then see "
            "`dead-letters list`"
        )
    return CommandError(
        f"the broker did not confirm ({error.str()}): `dead-letters list` says what was done"
    )


def _batches(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) >= _LETTERS or size + letter.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += letter.size
    if batch:
        yield batch
