"""People who use a running Agon over HTTP."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from agon.contracts.accounts import Role
from tests.program import Program

PASSWORD = "a long walk by the river"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:12]}"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An account and one login session of it."""

    account_id: str
    email: str
    username: str
    device: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.access_token)


class People:
    """Makes people. Staff is made once; each call of `sign_in` begins a session of its own."""

    def __init__(self, program: Program, http: httpx.AsyncClient) -> None:
        self._program = program
        self._http = http
        self._staff: dict[str, Person] = {}

    async def register(self, **given: Any) -> Person:
        name, device = unique("p"), unique("device-of-a-player-")
        body = {"email": f"{name}@example.com", "username": name, "display_name": "Asha of the river"}
        answer = await self._http.post(
            "/api/v1/auth/register", json={**body, "password": PASSWORD, "device": device, **given}
        )
        assert answer.status_code == 201, answer.text
        return _person(answer.json(), device)

    async def sign_in(self, person: Person, http: httpx.AsyncClient | None = None) -> Person:
        """The same person in a new session, on another node where its client is given."""
        answer = await (http or self._http).post(
            "/api/v1/auth/login", json={"email": person.email, "password": PASSWORD, "device": person.device}
        )
        assert answer.status_code == 200, answer.text
        return _person(answer.json(), person.device)

    async def staff(self, role: Role, scope: str = "global") -> Person:
        """Somebody with this role, in a new session."""
        key = f"{role.value}@{scope}"
        if key not in self._staff:
            self._staff[key] = await self._appointed(role, scope)
        return await self.sign_in(self._staff[key])

    async def admin(self) -> Person:
        return await self.staff(Role.ADMIN)

    async def _appointed(self, role: Role, scope: str) -> Person:
        if role is Role.ADMIN and scope == "global":
            return await self._first_admin()
        person = await self.register()
        await self.grant(person, role, scope)
        return person

    async def _first_admin(self) -> Person:
        email, device = f"{unique('admin')}@example.com", unique("device-of-an-admin-")
        body = {"token": await printed_token(self._program), "email": email, "display_name": "Head of everything"}
        answer = await self._http.post("/api/v1/auth/setup", json={**body, "password": PASSWORD, "device": device})
        assert answer.status_code == 201, answer.text
        return _person(answer.json(), device)

    async def grant(self, person: Person, role: Role, scope: str = "global") -> None:
        answer = await self._http.post(
            f"/api/v1/accounts/{person.account_id}/roles",
            json={"role": role.value, "scope": scope},
            headers=(await self.admin()).headers,
        )
        assert answer.status_code == 200, answer.text

    async def revoke(self, person: Person, role: Role, scope: str = "global") -> None:
        answer = await self._http.delete(
            f"/api/v1/accounts/{person.account_id}/roles/{role.value}",
            params={"scope": scope},
            headers=(await self.admin()).headers,
        )
        assert answer.status_code == 204, answer.text


def _person(answer: Mapping[str, Any], device: str) -> Person:
    user = answer["user"]
    return Person(
        account_id=user["account_id"],
        email=user["email"],
        username=user["username"],
        device=device,
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
    )


async def printed_token(program: Program) -> str:
    """The token of the setup link, which is printed a moment after the program is ready."""
    deadline = time.monotonic() + 60
    while "/setup?token=" not in program.output and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return program.setup_token
