"""Real SMTP servers for tests, and servers that only begin like one."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope

from agon.kernel.clock import SystemClock
from agon.platform.mail.smtp import SmtpTransport, Tls
from agon.platform.mail.templates import render

SENDER = "Agon <no-reply@agon.example>"
MESSAGE = render("new_device", "bn", username="অদা", time="৩:০৪", link="https://agon.example/s").to(
    "ada@example.org", id="job-1"
)


class Inbox:
    """What the server received; it answers as told."""

    def __init__(self, **replies: str) -> None:
        self.replies = replies
        self.envelopes: list[Envelope] = []

    async def handle_MAIL(  # noqa: N802 - the name that the server looks for
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "mail" not in self.replies:
            envelope.mail_from = address
        return self.replies.get("mail", "250 OK")

    async def handle_RCPT(  # noqa: N802 - the name that the server looks for
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "rcpt" not in self.replies:
            envelope.rcpt_tos.append(address)
        return self.replies.get("rcpt", "250 OK")

    async def handle_DATA(  # noqa: N802 - the name that the server looks for
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        if "data" not in self.replies:
            self.envelopes.append(envelope)
        return self.replies.get("data", "250 OK")


@asynccontextmanager
async def serving(factory: Callable[[], asyncio.Protocol], **options: Any) -> AsyncGenerator[int, None]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def smtp(inbox: Inbox, *, server_tls: ssl.SSLContext | None = None, **options: Any) -> AsyncGenerator[int, None]:
    async with serving(lambda: SMTP(inbox, hostname="sink.example", **options), ssl=server_tls) as port:
        yield port


@asynccontextmanager
async def scripted(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[int, None]:
    """A server that is no SMTP server all the way."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):  # the client may leave first
                await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def transport(port: int, **options: Any) -> SmtpTransport:
    return SmtpTransport(
        "localhost", port, **{"sender": SENDER, "clock": SystemClock(), "tls": Tls.NONE, "timeout": 5, **options}
    )
