"""What reading and joining by hand gives: ``python -m bench.decode``."""

from __future__ import annotations

import timeit
from io import BytesIO
from typing import TYPE_CHECKING

from schemas.codec import Codec, current_schema, fields_until, read
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import RECIPIENT_TRIGGERED
from schemas.varint import span_of
from streams.core.heads import profile_is_sound, read_head
from streams.core.messages import check_profile, fields_of_profile, with_fields
from streams.core.overlay import overlaid

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, REPEATS = 50_000, 7


def main() -> None:
    """Print both ways, in alternation: fastest and slowest of several runs, us an event."""
    event = {
        "orgid": 2,
        "mid": 1,
        "request_id": "r" * 32,
        "index": 7,
        "reply_partition": 1,
        "rid": 0,
        "status": -1,
        "context": b'{"order": 123}',
        "email": "user12345@example.com",
        "firstName": "John",
        "lastName": "Doe",
        "contentType": 1,
        "smsContact": "+31612345678",
    }
    value = Codec().encode(RECIPIENT_TRIGGERED, event)
    schema = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")

    def by_fastavro() -> None:
        body = BytesIO(value)
        body.seek(SINGLE_OBJECT_BYTES)
        read(body, schema)
        check_profile(value, body.tell())

    def by_hand() -> None:
        profile_is_sound(value, read_head(value, SINGLE_OBJECT_BYTES).profile_at)

    stored = value[read_head(value, SINGLE_OBJECT_BYTES).stored_at :]
    profile_at = span_of(stored, 0)[1]

    def laid_by_fastavro() -> None:
        with_fields(stored, fields_of_profile(stored[profile_at:]), but_no_sms=True)

    def laid_by_hand() -> None:
        overlaid(stored, stored, profile_at)

    _compare("an event read", by_fastavro, by_hand)
    _compare("a profile laid over another", laid_by_fastavro, laid_by_hand)


def _compare(what: str, by_fastavro: Callable[[], None], by_hand: Callable[[], None]) -> None:
    times: dict[str, list[float]] = {"fastavro": [], "by hand": []}
    for _ in range(REPEATS):
        times["fastavro"].append(timeit.timeit(by_fastavro, number=ROUNDS) / ROUNDS * 1e6)
        times["by hand"].append(timeit.timeit(by_hand, number=ROUNDS) / ROUNDS * 1e6)
    for way, figures in times.items():
        print(f"{what}, {way}: min {min(figures):.1f} max {max(figures):.1f} us")


if __name__ == "__main__":
    main()
