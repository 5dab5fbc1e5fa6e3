"""Files of recipients, imported over a real broker; the workers are played by the test."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from rich.console import Console

from producers import TriggerRejected
from producers.files import FileChanged, FileUnreadable, ImportReport, import_file, importing
from producers.window import BLOCK
from tests.support.clients import opened, time_is_over
from tests.support.fake_worker import FakeWorker, Reply, ack, created
from tests.support.worker import until

if TYPE_CHECKING:
    from pathlib import Path

    from confluent_kafka import Message

    from tests.support.brokers import Broker

pytestmark = pytest.mark.embedded_will_do


@pytest.fixture
def topics(used_topics: str) -> str:
    """The prefix of the module's topics."""
    return used_topics


def imported(kafka: Broker, topics: str, path: Path | str, **options: Any) -> ImportReport:
    async def run() -> ImportReport:
        async with opened(kafka, topics) as client:
            return await import_file(client, path, orgid=2, mid=1, **options)

    return asyncio.run(run())


def cut_short(kafka: Broker, topics: str, path: Path, *, at_block: int) -> ImportReport:
    """Import a file of whose block *at_block*, counted from 0, not every row is answered in time.

    The time is over when all blocks before have their answers, however long that takes.
    """

    async def run() -> ImportReport:
        async with opened(kafka, topics) as client:

            async def its_turn() -> bool:
                under_way = client._exchange._calls._waiting
                blocks = [int(request_id.rpartition("-")[2]) for request_id in under_way]
                return min(blocks, default=-1) == at_block

            work = asyncio.create_task(import_file(client, path, orgid=2, mid=1))
            await until(its_turn)
            time_is_over(client)
            return await work

    return asyncio.run(run())


def events(worker: FakeWorker) -> list[dict[str, Any]]:
    return sorted((event for _, event, _ in worker.seen), key=lambda event: event["email"])


def lines(count: int) -> bytes:
    return b"".join(b'{"email": "u%06d@domain.com"}\n' % i for i in range(count))


def rejected_lines(path: Path) -> list[dict[str, Any]]:
    text = path.with_name(path.name + ".rejected.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_keeps_its_context_byte_for_byte(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.jsonl"
    context = b'{"price": 1.10, "n": 123456789012345678901234567890}'
    path.write_bytes(b'{"EMAIL": "a@b.org", "context": %s}\n\n4097\r\n' % context)
    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        report = imported(kafka, topics, path)
    known, written = events(worker)
    assert (written["email"], written["context"]) == ("a@b.org", context)
    assert known["rid"] == 4097
    assert (report.rows, report.counts.created, report.complete) == (2, 2, True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["people.jsonl"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_row_is_read_like_a_form(
    kafka: Broker, topics: str, tmp_path: Path, delimiter: str
) -> None:
    path = tmp_path / "people.CSV"
    rows = [
        ["E-Mail".replace("-", ""), "firstname", "context.order.no", "smsSubscribed", "Status"],
        ["a@b.org", "Zoë", "B0/1", "false", "1"],
        ["c@d.org", '"O""Hara\nJr"'.replace("\n", " "), "", "", ""],
    ]
    path.write_text("\r\n".join(map(delimiter.join, rows)), "utf-8-sig")
    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        report = imported(kafka, topics, path)
    first, second = events(worker)
    assert first["firstName"] == "Zoë"
    assert json.loads(first["context"]) == {"order": {"no": "B0/1"}}
    assert first["smsSubscribed"] is False
    assert first["status"] == 1
    assert second["firstName"] == 'O"Hara Jr'
    assert second["context"] == b""
    assert second["smsSubscribed"] is None
    assert report.counts.created == 2


def test_an_avro_file_gives_its_records(kafka: Broker, topics: str, tmp_path: Path) -> None:
    schema = {
        "type": "record",
        "name": "Person",
        "fields": [
            {"name": "email", "type": "string"},
            {"name": "firstName", "type": ["null", "string"]},
            {"name": "context", "type": {"type": "map", "values": "long"}},
        ],
    }
    path = tmp_path / "people.avro"
    with path.open("wb") as file:
        people = [
            {"email": f"u{i}@b.org", "firstName": None if i else "A", "context": {"n": i}}
            for i in range(3)
        ]
        fastavro.writer(file, schema, people, codec="deflate")
    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        report = imported(kafka, topics, path)
    assert [(e["firstName"], json.loads(e["context"])) for e in events(worker)] == [
        ("A", {"n": 0}),
        (None, {"n": 1}),
        (None, {"n": 2}),
    ]
    assert report.counts.created == 3


def test_standard_input_is_json_lines(
    kafka: Broker, topics: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(3) + b"{}\n")))
    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        report = imported(kafka, topics, "-")
    assert len(worker.seen) == 3
    assert (report.rows, report.counts.rejected, report.rejected_file) == (4, 1, None)
    assert not list(tmp_path.iterdir())


def test_rejected_rows_are_told_by_line_code_and_field(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    def unknown_rids(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        if event["rid"]:
            return [ack(event, 0, "UNKNOWN_RECIPIENT")]
        return created(name, event, message)

    path = tmp_path / "people.jsonl"
    bad = [
        b'{"email": "a@b.org"}',
        b"",
        b"not json",
        b'[{"email": "a@b.org"}, 7]',
        b'{"email": "nobody", "hat": 1}',
        b'"\xff"',
        b"1025",
        b'{"email": "b@b.org", "context": "' + b"x" * 1_100_000 + b'"}',
        b'{"email": "c@b.org"}',
    ]
    path.write_bytes(b"\n".join(bad))
    with FakeWorker(kafka.bootstrap_servers, topics, answer=unknown_rids) as worker:
        report = imported(kafka, topics, path)
    assert [(told["line"], told["code"], told["field"]) for told in rejected_lines(path)] == [
        (3, "MALFORMED_BODY", None),
        (4, "INVALID_ENTRY", None),
        (5, "INVALID_EMAIL", "email"),
        (5, "UNKNOWN_FIELD", "hat"),
        (6, "MALFORMED_TEXT", None),
        (7, "UNKNOWN_RECIPIENT", "rid"),
        (8, "ENTRY_TOO_LARGE", None),
    ]
    assert (report.counts.created, report.counts.rejected) == (2, 6)
    assert report.rejected_file is not None
    assert len(worker.seen) == 3


def test_csv_rows_that_cannot_be_read_are_told_by_their_line(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(
        b'email,city\na@b.org,"two\nlines"\nb@b.org,x,too many\n\xff@b.org,x\nc@b.org\n'
    )
    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        imported(kafka, topics, path)
    assert [(told["line"], told["code"]) for told in rejected_lines(path)] == [
        (2, "INVALID_CHARACTER"),
        (4, "INVALID_ENTRY"),
        (5, "MALFORMED_TEXT"),
    ]
    assert [event["email"] for event in events(worker)] == ["c@b.org"]


def test_an_interrupted_import_goes_on_where_it_ended(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.jsonl"
    total = 8 * BLOCK + 10
    path.write_bytes(b"{}\n" + lines(total))
    limit = 3 * BLOCK

    def until_the_limit(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        number = int(event["email"][1:7])
        return created(name, event, message) if number < limit else []

    with FakeWorker(kafka.bootstrap_servers, topics, answer=until_the_limit) as worker:
        first = cut_short(kafka, topics, path, at_block=3)
        assert not first.complete
        assert first.rows == 3 * BLOCK
        before = {(e["email"]): (e["request_id"], e["index"]) for e in events(worker)}
        worker.answer = created
        second = imported(kafka, topics, path)
        after = {(e["email"]): (e["request_id"], e["index"]) for e in events(worker)}
    assert second.complete
    assert second.rows == total + 1
    assert second.counts.created == total
    assert second.counts.rejected == 1
    assert [told["line"] for told in rejected_lines(path)] == [1]
    assert len(after) == total
    # What is produced again is the same event as before.
    assert before.items() <= after.items()
    produced_once = [e for e in events(worker) if int(e["email"][1:7]) < limit - 1]
    assert len(produced_once) == limit - 1
    assert not path.with_name("people.jsonl.progress").exists()


def test_ctrl_c_keeps_what_was_acknowledged(
    kafka: Broker, topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_bytes(lines(4 * BLOCK))
    kept = path.with_name("people.jsonl.progress")
    counted, count = [0], importing._Import._count

    def counting(self: Any, *block: Any) -> None:
        count(self, *block)
        counted.append(self._progress.rows)

    monkeypatch.setattr(importing._Import, "_count", counting)

    def half(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        return created(name, event, message) if int(event["email"][1:7]) < 2 * BLOCK else []

    async def interrupted() -> None:
        async with opened(kafka, topics) as client:

            async def half_of_it_is_answered() -> bool:
                return counted[-1] == 2 * BLOCK and client.in_flight.entries > 0

            work = asyncio.create_task(import_file(client, path, orgid=2, mid=1))
            await until(half_of_it_is_answered)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    with FakeWorker(kafka.bootstrap_servers, topics, answer=half) as worker:
        asyncio.run(interrupted())
        assert json.loads(kept.read_text("utf-8"))["rows"] == 2 * BLOCK
        worker.answer = created
        report = imported(kafka, topics, path)
    assert (report.rows, report.counts.created) == (4 * BLOCK, 4 * BLOCK)


def test_a_changed_file_is_not_taken_for_the_one_that_was_interrupted(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_bytes(lines(2))
    with FakeWorker(kafka.bootstrap_servers, topics, answer=lambda *_: []):
        assert not cut_short(kafka, topics, path, at_block=0).complete
    path.write_bytes(lines(3))
    with pytest.raises(FileChanged, match=r"people\.jsonl\.progress"):
        imported(kafka, topics, path)


def test_an_import_into_an_unknown_mailing_ends_at_once(
    kafka: Broker, topics: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_bytes(lines(20_000))

    def no_such(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        return [ack(event, 0, "UNKNOWN_MAILING")]

    with FakeWorker(kafka.bootstrap_servers, topics, answer=no_such) as worker:
        with pytest.raises(TriggerRejected, match="INVALID_MAILING"):
            imported(kafka, topics, path)
        assert len(worker.seen) < 5_000
    # It would keep the same file from the mailing that was meant.
    assert not path.with_name("people.jsonl.progress").exists()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        pytest.param("people.xlsx", b"PK", "ends in one of", id="kind"),
        pytest.param("people.csv", b"email,hat\na@b.org,x\n", "hat", id="column"),
        pytest.param("people.csv", b"", "name fields", id="empty"),
        pytest.param("people.avro", b"Obj\x01 no", "no Avro", id="avro"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_in_a_line(
    kafka: Broker, topics: str, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match=why) as caught:
        imported(kafka, topics, path)
    assert "\n" not in str(caught.value)


def test_the_bar_shows_on_a_terminal_only(kafka: Broker, topics: str, tmp_path: Path) -> None:
    path = tmp_path / "people[1].jsonl"
    path.write_bytes(lines(600))
    shown = {}
    with FakeWorker(kafka.bootstrap_servers, topics):
        for terminal in (True, False):
            out = io.StringIO()
            console = Console(file=out, force_terminal=terminal, width=120)
            imported(kafka, topics, path, console=console)
            shown[terminal] = out.getvalue()
    assert "600 rows" in shown[True]
    assert "people[1].jsonl" in shown[True]
    assert shown[False] == ""
