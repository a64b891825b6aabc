"""An installation's accounts on a real database, for the tests of accounts."""

import random
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import httpx

from agon.contracts.accounts import AccountId, OnAccountCreated, Principal
from agon.domains.accounts.endpoints import ROUTES
from agon.domains.accounts.public import (
    Accounts,
    Applicant,
    Attempt,
    HashOptions,
    Policy,
    SignedIn,
    Unverified,
)
from agon.kernel.clock import ManualClock
from agon.platform.context import RequestContext
from agon.platform.crypto import SecretBox
from agon.platform.database.database import Database
from agon.platform.http.access import Access
from agon.platform.http.application import ApplicationOptions, build_application, build_litestar
from agon.platform.http.gate import GateOptions
from tests.integration.http.sample import CountingLimits

PASSWORD = "a long walk by the river"
PEPPER = b"pepper of the tests, 32 bytes or more"
BOX = SecretBox({"test": bytes(range(32))}, "test")
ISSUER = "https://agon.test"


class World:
    """Accounts, their database, and the shortest ways to do things with them."""

    def __init__(
        self,
        database: Database,
        clock: ManualClock,
        *,
        policy: Policy | None = None,
        hooks: tuple[OnAccountCreated, ...] = (),
        hashing: HashOptions | None = None,
        fresh: Callable[[float], bool] = lambda _: True,
    ) -> None:
        self.database = database
        self.clock = clock
        self.accounts = Accounts(
            policy=policy or Policy(issuer=ISSUER),
            pepper=PEPPER,
            hashing=hashing or HashOptions(cost=4, threads=2, queue_limit=100),
            box=BOX,
            refresh_key=b"r" * 32,
            clock=clock,
            read=database.fetch,
            fresh=fresh,
            hooks=hooks,
            chance=random.Random(),
        )
        database._on_invalidate = self.accounts.authenticator.forget

    async def applicant(self, **given: Any) -> Applicant:
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        return await self.accounts.registration.applicant(
            **{"email": email, "password": PASSWORD, "display_name": "Asha of the river", **given}
        )

    async def register(self, **given: Any) -> SignedIn:
        applicant = await self.applicant(**given)
        signed_in = await self.database.transact(lambda tx: self.accounts.registration.register(tx, applicant))
        assert signed_in is not None
        return signed_in

    async def admin(self, **given: Any) -> AccountId:
        applicant = await self.applicant(**given)
        return await self.database.transact(lambda tx: self.accounts.setup.create_admin(tx, applicant))

    async def login(
        self, email: str | None, password: str = PASSWORD, *, username: str | None = None, device: str | None = None
    ) -> SignedIn | Unverified | None:
        attempt = Attempt(email, username, device)
        known = await self.database.fetch(lambda tx: self.accounts.login.find(tx, attempt))
        right = await self.accounts.login.compare(known, password)
        return await self.database.transact(lambda tx: self.accounts.login.finish(tx, known, right=right))

    async def token(self, signed_in: SignedIn) -> str:
        await self.database.transact(self.accounts.keys.ensure)
        return await self.accounts.access_token(signed_in)

    async def principal(self, signed_in: SignedIn) -> Principal:
        return await self.accounts.authenticator.authenticate(await self.token(signed_in))

    async def rows(self, sql: str, *arguments: object) -> list[Any]:
        async with self.database.write.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]


class Unobserved:
    def span(self, method: str, trace_parent: str | None) -> Any:
        return nullcontext()

    def finished(self, context: RequestContext, status: int, seconds: float) -> None:
        """Nobody asks."""


class Client(httpx.AsyncClient):
    """A client of the accounts' routes on the real edge."""

    def __init__(self, world: World, **limits: int) -> None:
        options = ApplicationOptions(version="1", gate=GateOptions())
        self.limits = CountingLimits(**limits)
        access = Access(world.accounts.authenticator, self.limits, world.clock)
        litestar = build_litestar(ROUTES, world.database, access, {"accounts": world.accounts}, options)
        transport = httpx.ASGITransport(build_application(litestar, options, Unobserved()))
        super().__init__(transport=transport, base_url="http://agon.test")
