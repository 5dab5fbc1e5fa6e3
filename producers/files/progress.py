"""How far an import has come, in a small file beside the imported one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from producers.errors import ClientError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_HEAD_BYTES = 64 * 1024


class FileChanged(ClientError):
    """There is progress of another file, or for another mailing, under this file's name."""


@dataclass(slots=True)
class Counts:
    """What became of the rows so far."""

    created: int = 0
    known: int = 0
    duplicates: int = 0
    suppressed: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Progress:
    """Every one of the first *rows* rows has its answer.

    *rejected_bytes* is how long the file of rejected rows was then.
    """

    fingerprint: str
    rows: int = 0
    rejected_bytes: int = 0
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> Self:
        """Return the progress kept at *path*, none if there is no such file."""
        try:
            kept = json.loads(path.read_text("utf-8"))
            progress = cls(**{**kept, "counts": Counts(**kept["counts"])})
        except FileNotFoundError:
            return cls(fingerprint)
        except (ValueError, TypeError, KeyError) as exc:
            raise FileChanged(f"{path} is no progress of an import: delete it") from exc
        if progress.fingerprint != fingerprint:
            raise FileChanged(
                f"{path} belongs to another version of the file or another mailing: "
                "delete it to import from the start"
            )
        return progress

    def save(self, path: Path) -> None:
        """Replace what is kept at *path* as a whole, or not at all."""
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self)), "utf-8")
        new.replace(path)


def fingerprint(path: Path, *, orgid: int, mid: int) -> str:
    """Return what tells this file's import into this mailing from others, 32 characters."""
    digest = hashlib.sha256(f"{orgid}:{mid}:{path.stat().st_size}:".encode())
    with path.open("rb") as file:
        digest.update(file.read(_HEAD_BYTES))
    return digest.hexdigest()[:32]
