"""Mail as files, where no SMTP server is set: a folder of .eml files, which only this user can read."""

import asyncio
import os
from pathlib import Path

from outbox.message import Outgoing, message_of
from outbox.sending import NotSent

SENDER = "Credits <credits@localhost>"
"""The sender of mails in files, if none is set."""


class MailFiles:
    """Writes each mail into a file of its own, `<number>-<kind>.eml`. A mail that is written twice is one file."""

    def __init__(self, folder: Path, sender: str | None) -> None:
        self._folder = folder
        self._sender = sender or SENDER

    async def send(self, mail: Outgoing) -> None:
        """Write a mail. Raises NotSent."""
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            raise NotSent(f"{type(error).__name__}: {error.strerror}") from error

    def _write(self, mail: Outgoing) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{mail.mail_id}"
        with open(unfinished, "wb", opener=_for_this_user) as file:
            file.write(message_of(mail, self._sender).as_bytes())
        unfinished.rename(self._folder / f"{mail.mail_id:06}-{mail.kind}.eml")


def _for_this_user(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
