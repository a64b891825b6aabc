"""Mail to a real SMTP server that accepts, refuses, hangs and breaks off."""

import asyncio
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest

from agon.platform.breakers import Breaker, State
from agon.platform.mail.message import MailRefused, MailUnavailable, Message
from tests.integration.platform.mail_servers import MESSAGE, Inbox, scripted, smtp, transport


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
