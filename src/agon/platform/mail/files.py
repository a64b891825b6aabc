"""Mail into files, for development and tests: nothing leaves the machine."""

import asyncio
import os
from pathlib import Path

from agon.kernel.clock import Clock
from agon.kernel.ids import new_id
from agon.platform.mail.message import MailUnavailable, Message, Sender


class FileTransport:
    """Writes each mail as one `.eml` file; names sort by time.

    Args:
        folder: where to; made when missing, for its owner only, since mails hold links that sign in.
        sender: in whose name.
        clock: dates them.
    """

    def __init__(self, folder: Path, *, sender: str, clock: Clock) -> None:
        self._folder = folder
        self._sender = Sender(sender, clock)

    async def send(self, message: Message) -> None:
        content = self._sender.compose(message).as_bytes()
        try:
            await asyncio.to_thread(self._write, content)
        except OSError as error:
            text = f"the mail folder cannot be written: {type(error).__name__}"
            raise MailUnavailable(text) from error

    def _write(self, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{new_id()}.eml"
        temporary = path.with_suffix(".part")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            temporary.replace(path)  # whoever watches the folder sees whole mails only
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
