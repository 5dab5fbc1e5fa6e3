"""Import files of recipients: CSV, JSON Lines and Avro container files."""

from __future__ import annotations

from producers.files.importing import ImportReport, import_file
from producers.files.progress import FileChanged
from producers.files.sources import FileUnreadable

__all__ = ["FileChanged", "FileUnreadable", "ImportReport", "import_file"]
