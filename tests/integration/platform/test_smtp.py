"""Mail to a real SMTP server that accepts, refuses, hangs, breaks off, encrypts and asks for a password."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agon.kernel.clock import SystemClock
from agon.platform.breakers import Breaker, State
from agon.platform.mail.message import MailRefused, MailUnavailable, Message
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
async def scripted(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]):
    """A server that is no SMTP server all the way."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
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


async def test_a_mail_arrives_as_it_was_written():
    inbox = Inbox()
    async with smtp(inbox) as port:
        await transport(port).send(MESSAGE)
    (envelope,) = inbox.envelopes
    assert envelope.mail_from == "no-reply@agon.example"
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert isinstance(envelope.content, bytes)
    mail = cast("EmailMessage", message_from_bytes(envelope.content, policy=default))
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Message-ID"] == "<job-1@agon.example>"
    text = cast("EmailMessage", mail.get_body(("plain",))).get_content()
    assert text.replace("\r\n", "\n") == MESSAGE.text


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_a_permanent_refusal_is_for_good_and_a_temporary_one_is_not(stage: str):
    async with smtp(Inbox(**{stage: "550 5.1.1 no such user ada@example.org"})) as port:
        with pytest.raises(MailRefused, match="550") as refused:
            await transport(port).send(MESSAGE)
    assert "ada@" not in str(refused.value)
    async with smtp(Inbox(**{stage: "451 4.7.1 greylisted, ada@example.org"})) as port:
        with pytest.raises(MailUnavailable, match="451") as unavailable:
            await transport(port).send(MESSAGE)
    assert "ada@" not in str(unavailable.value)


async def test_a_server_that_is_not_there_means_try_again():
    async with smtp(Inbox()) as port:
        pass
    with pytest.raises(MailUnavailable):
        await transport(port).send(MESSAGE)


async def test_a_server_that_hangs_costs_the_timeout():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(silent) as port:
        started = time.monotonic()
        with pytest.raises(MailUnavailable):
            await transport(port, timeout=0.3).send(MESSAGE)
        assert 0.25 < time.monotonic() - started < 2


async def test_a_server_that_hangs_after_the_greeting_or_the_mail_costs_the_timeout():
    for hang_at in (b"EHLO", b"MAIL", b"RCPT", b"DATA", b"."):

        async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hang_at: bytes = hang_at) -> None:
            writer.write(b"220 here\r\n")
            in_data = False
            while line := await reader.readline():
                if line.startswith(hang_at) and (hang_at != b"." or line == b".\r\n"):
                    await reader.read()
                    return
                if in_data and line != b".\r\n":
                    continue
                in_data = line.startswith(b"DATA")
                writer.write(b"354 go on\r\n" if in_data else b"250 ok\r\n")

        async with scripted(stuck) as port:
            started = time.monotonic()
            with pytest.raises(MailUnavailable):
                await transport(port, timeout=0.3).send(MESSAGE)
            assert time.monotonic() - started < 2


async def test_a_server_that_talks_without_end_is_left():
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-wait\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with scripted(endless) as port:
        started = time.monotonic()
        with pytest.raises(MailUnavailable):
            await transport(port, timeout=0.3).send(MESSAGE)
        assert time.monotonic() - started < 3


async def test_a_server_that_is_slow_at_every_step_costs_three_timeouts():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        in_data = False
        while line := await reader.readline():
            if in_data and line != b".\r\n":
                continue
            await asyncio.sleep(0.4)
            in_data = line.startswith(b"DATA")
            writer.write(b"354 go on\r\n" if in_data else b"250 ok\r\n")

    async with scripted(slow) as port:
        await transport(port).send(MESSAGE)
        started = time.monotonic()
        with pytest.raises(MailUnavailable):
            await transport(port, timeout=0.5).send(MESSAGE)
        assert 1.4 < time.monotonic() - started < 3


@pytest.mark.parametrize("greeting", [b"554 no mail here\r\n", b"421 busy\r\n", b"nonsense\r\n", b""])
async def test_a_server_that_turns_everyone_away_says_nothing_about_the_mail(greeting: bytes):
    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async with scripted(away) as port:
        with pytest.raises(MailUnavailable):
            await transport(port).send(MESSAGE)


async def test_a_connection_that_breaks_after_the_mail_was_accepted_is_no_failure():
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        in_data = False
        while line := await reader.readline():
            if in_data and line != b".\r\n":
                continue
            if in_data:
                writer.write(b"250 accepted\r\n")
                return
            in_data = line.startswith(b"DATA")
            writer.write(b"354 go on\r\n" if in_data else b"250 ok\r\n")

    async with scripted(rude) as port:
        await transport(port).send(MESSAGE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for localhost, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_starttls_is_required_where_asked_for(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    inbox = Inbox()
    async with smtp(inbox, tls_context=server_tls, require_starttls=True) as port:
        await transport(port, tls=Tls.STARTTLS, tls_context=trusting).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.STARTTLS).send(MESSAGE)
    async with smtp(inbox) as port:
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.STARTTLS, tls_context=trusting).send(MESSAGE)
    assert len(inbox.envelopes) == 1, "nothing was sent without encryption, or to a certificate that is not trusted"


async def test_implicit_tls(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    inbox = Inbox()
    async with smtp(inbox, server_tls=server_tls) as port:
        await transport(port, tls=Tls.IMPLICIT, tls_context=trusting).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable):
            await transport(port, tls=Tls.IMPLICIT).send(MESSAGE)


async def test_passwords(server_tls: ssl.SSLContext, trusting: ssl.SSLContext):
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"agon", b"secret"), handled=False)

    inbox = Inbox()
    secured = {"tls": Tls.STARTTLS, "tls_context": trusting, "username": "agon"}
    async with smtp(inbox, tls_context=server_tls, auth_required=True, authenticator=authenticate) as port:
        await transport(port, password="secret", **secured).send(MESSAGE)
        assert len(inbox.envelopes) == 1
        with pytest.raises(MailUnavailable) as wrong:
            await transport(port, password="not-the-secret", **secured).send(MESSAGE)
    assert "secret" not in str(wrong.value)
    with pytest.raises(ValueError, match="encrypted"):
        transport(1, username="agon", password="secret")


async def test_addresses_outside_ascii(monkeypatch: pytest.MonkeyPatch):
    foreign = Message(to="অদা@bücher.example", subject="s", text="t", html="h")
    inbox = Inbox()
    async with smtp(inbox, enable_SMTPUTF8=True) as port:
        await transport(port).send(foreign)
    assert inbox.envelopes[0].rcpt_tos == ["অদা@xn--bcher-kva.example"]
    async with smtp(inbox) as port:
        with pytest.raises(MailRefused):
            await transport(port).send(foreign)


async def test_behind_a_breaker_refused_mails_do_not_open_it():
    breaker = Breaker("mail", ignored=(MailRefused,))

    async def send(port: int) -> None:
        async with breaker:
            await transport(port).send(MESSAGE)

    async with smtp(Inbox(rcpt="550 unknown")) as port:
        for _ in range(6):
            with pytest.raises(MailRefused):
                await send(port)
    assert breaker.state is State.CLOSED
    for _ in range(5):
        with pytest.raises(MailUnavailable):
            await send(port)
    assert breaker.state is State.OPEN
