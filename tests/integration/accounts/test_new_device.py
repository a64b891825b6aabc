"""One fact and its subscriber: a sign-in from a new device, and the mail that tells of it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP

from agon.contracts.accounts import AccountLoggedIn
from agon.domains.accounts.jobs import job_handlers
from agon.domains.accounts.service.new_device import MailNewDevice, details
from agon.domains.accounts.subscribers import SUBSCRIBERS
from agon.platform.events.subscribers import Subscriptions
from agon.platform.jobs.worker import Worker, WorkerOptions
from agon.platform.mail.smtp import SmtpTransport, Tls
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import World

LAPTOP, PHONE = "the mark of my laptop", "the mark of my phone"
LINK = "https://agon.test/settings/sessions"


class Inbox:
    """A mail server that keeps what it is given, and refuses when told to."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return self.refuse
        self.mails.append(message_from_bytes(envelope.content, EmailMessage, policy=policy.default))
        return "250 OK"

    def to(self, address: str | None) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest_asyncio.fixture
async def transport(inbox: Inbox, world: World) -> AsyncGenerator[SmtpTransport, None]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, hostname="sink.test"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield SmtpTransport("127.0.0.1", port, sender="Agon <no-reply@agon.test>", clock=world.clock, tls=Tls.NONE)
    server.close()


@pytest_asyncio.fixture
async def world(fresh_dsn: str, make_world: MakeWorld) -> World:
    return await make_world(*SUBSCRIBERS, dsn=fresh_dsn)


@pytest_asyncio.fixture
async def worker(world: World, fresh_dsn: str, transport: SmtpTransport) -> AsyncGenerator[Worker, None]:
    handlers = job_handlers(world.database, transport, LINK)
    made = Worker(
        world.database, fresh_dsn, Subscriptions(SUBSCRIBERS), handlers=handlers, options=WorkerOptions(poll=0.1)
    )
    task = asyncio.create_task(made.run())
    yield made
    await made.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def drained(world: World) -> None:
    """Wait until nothing is left to do."""
    for _ in range(300):
        if await world.rows("select count(*) from pgqueuer where status in ('queued', 'picked')") == [(0,)]:
            return
        await asyncio.sleep(0.05)
    pytest.fail(str(await world.rows("select entrypoint, status::text from pgqueuer")))


async def test_a_sign_in_from_a_new_device_is_mailed_once(world: World, worker: Worker, inbox: Inbox):
    me = await world.register(device=LAPTOP)
    email = me.account.email
    await world.login(email, device=LAPTOP)
    await world.login(email, "wrong", device=PHONE)
    await drained(world)
    assert inbox.to(email) == []
    world.clock.advance(timedelta(hours=1))
    await world.login(email, device=PHONE)
    await world.login(email, device=PHONE)
    await drained(world)
    [mail] = inbox.to(email)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert me.account.username in text
    assert LINK in text
    assert f"{world.clock.now():%Y-%m-%d %H:%M} UTC" in text
    assert PHONE not in mail.as_string()
    assert str(mail["Message-ID"]).startswith("<new-device-")


async def test_a_mail_that_is_never_taken_is_not_tried_again(world: World, worker: Worker, inbox: Inbox):
    inbox.refuse = "550 no such mailbox"
    me = await world.register(device=LAPTOP)
    await world.login(me.account.email, device=PHONE)
    await drained(world)
    assert await world.rows("select 1 from pgqueuer where status = 'failed'") == []
    assert inbox.mails == []


async def test_nobody_is_told_where_there_is_nobody(world: World, transport: SmtpTransport, inbox: Inbox):
    me = await world.register()
    [handler] = job_handlers(world.database, transport, LINK)
    job = MailNewDevice(account_id=me.account.id, session_id=me.session_id)
    await world.rows("update account set email = null where id = $1", me.account.id)
    await handler.run(job)
    await world.rows("update account set status = 'deleted' where id = $1", me.account.id)
    assert await world.database.fetch(lambda tx: details(tx, job)) is None
    await handler.run(job)
    assert inbox.mails == []


async def test_the_subscriber_makes_one_job_for_a_new_device_and_none_for_others(world: World):
    me = await world.register()
    [subscriber] = SUBSCRIBERS
    for new_device in (False, True, True):
        event = AccountLoggedIn(account_id=me.account.id, session_id=me.session_id, new_device=new_device)
        await world.database.transact(lambda tx, event=event: subscriber.handle(tx, event))
    jobs = await world.rows(
        "select entrypoint, convert_from(payload, 'utf8') from pgqueuer where entrypoint like 'acc%'"
    )
    assert [name for name, _ in jobs] == ["accounts.mail_new_device"]
    assert str(me.session_id) in jobs[0][1]
    assert "example.com" not in jobs[0][1]
