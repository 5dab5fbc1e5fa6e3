"""A folder that gets a file a message: to look at, or for a mail server that collects there."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from mailing_trigger.delivery.errors import Unavailable
from mailing_trigger.delivery.mail import compose
from mailing_trigger.delivery.webhook import body_of
from schemas.records import Channel

if TYPE_CHECKING:
    from email.headerregistry import Address
    from pathlib import Path

    from mailing_trigger.delivery.message import Content, Send


class FolderOutlet:
    """Writes ``SEND-ID.eml``, and for a text message ``SEND-ID.json``.

    A message that comes again has the same name and the same bytes, so there is one of it.
    """

    def __init__(self, folder: Path, sender: Address, *, installation: str) -> None:
        self._folder, self._sender, self._installation = folder, sender, installation
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold addresses

    async def deliver(self, send: Send, content: Content) -> None:
        """Write the file; it is on the disk when this returns."""
        name = send.send_id.replace(":", "-")
        if send.channel is Channel.SMS:
            name, data = f"{name}.json", body_of(send, content)
        else:
            mail = compose(send, content, self._sender, installation=self._installation)
            name, data = f"{name}.eml", mail.data
        try:
            await asyncio.to_thread(self._write, name, data)
        except OSError as exc:
            raise Unavailable("FOLDER", f"{self._folder}: {exc.strerror}") from exc

    async def close(self) -> None:
        """Nothing is open."""

    def _write(self, name: str, data: bytes) -> None:
        new = self._folder / f".{name}.new"
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / name)
