"""What the hand-written head reader gives: ``python -m bench.decode``."""

from __future__ import annotations

import timeit
from io import BytesIO

from schemas.codec import Codec, current_schema, fields_until, read
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import RECIPIENT_TRIGGERED
from streams.core.heads import profile_is_sound, read_head
from streams.core.messages import check_profile

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

    times: dict[str, list[float]] = {"fastavro": [], "by hand": []}
    for _ in range(REPEATS):
        times["fastavro"].append(timeit.timeit(by_fastavro, number=ROUNDS) / ROUNDS * 1e6)
        times["by hand"].append(timeit.timeit(by_hand, number=ROUNDS) / ROUNDS * 1e6)
    for way, figures in times.items():
        print(f"{way:10} min {min(figures):5.1f} max {max(figures):5.1f} us an event")


if __name__ == "__main__":
    main()
