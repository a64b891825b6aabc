"""Fields that the API does not take: every column of every account table added to every body changes nothing more."""

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import pytest

from agon.contracts.accounts import Role
from tests.functional.calls import CALLS, Call, send
from tests.functional.operations import OPERATIONS
from tests.functional.people import People, Person
from tests.functional.stored import ACCOUNT_TABLES, Rows, Stored, text_of

PLANTED: dict[str, Any] = {
    "account_id": "01900000-0000-7000-8000-00000000dead",
    "blocked_until": "2999-01-01T00:00:00Z",
    "changed_at": "1999-01-01T00:00:00Z",
    "created_at": "1999-01-01T00:00:00Z",
    "digest": "cGxhbnRlZCBkaWdlc3Q",
    "email_verified_at": "1999-01-01T00:00:00Z",
    "expires_at": "2999-01-01T00:00:00Z",
    "first_seen_at": "1999-01-01T00:00:00Z",
    "granted_at": "1999-01-01T00:00:00Z",
    "granted_by": "01900000-0000-7000-8000-00000000dead",
    "id": "01900000-0000-7000-8000-00000000dead",
    "in_row": 424242,
    "ip_prefix": "192.0.2.0/24",
    "kid": "planted-planted-planted-planted-planted-pla",
    "known_device_id": "01900000-0000-7000-8000-00000000dead",
    "last_seen_at": "2999-01-01T00:00:00Z",
    "last_used_at": "2999-01-01T00:00:00Z",
    "locale": "tlh",
    "mark_digest": "cGxhbnRlZCBkaWdlc3Q",
    "password_hash": "$2b$04$plantedplantedplantedplantedplantedplantedplantedplante",
    "public_jwk": {"planted": "planted"},
    "purpose": "planted",
    "recent": ["1999-01-01T00:00:00Z"],
    "replaced_by": "cGxhbnRlZCBkaWdlc3Q",
    "retired_at": "1999-01-01T00:00:00Z",
    "revoked_at": "1999-01-01T00:00:00Z",
    "role": "admin",
    "roles": ["admin"],
    "scope": "global",
    "sealed_private_key": "cGxhbnRlZCBkaWdlc3Q",
    "session_id": "01900000-0000-7000-8000-00000000dead",
    "status": "deleted",
    "subject": "01900000-0000-7000-8000-00000000dead",
    "used_at": "1999-01-01T00:00:00Z",
    "user_agent": "planted",
    "verified": True,
    "email_verified": True,
}
"""A value for every column, and for words that stand for some; those that a body takes keep its own value."""
_MARKS = ("00000000dead", "planted", "cGxhbnRlZCBkaWdlc3Q", "424242", "1999-01-01", "2999-01-01", '"tlh"', "192.0.2")
TAKEN = {"email", "username"}
"""Columns that a body may name by right, where it takes them; then they are its own."""
WITH_BODIES = [each for each, operation in OPERATIONS.items() if operation.takes_body]


async def test_every_column_has_something_to_plant(stored: Stored):
    columns = {column for _, column in await stored.columns(*ACCOUNT_TABLES)}
    assert columns - TAKEN <= set(PLANTED)


def changed(before: Rows, after: Rows) -> set[tuple[str, str]]:
    """Tables and columns in which something is different."""
    found: set[tuple[str, str]] = set()
    for table, rows in after.items():
        old = [*before[table]]
        for row in rows:
            if row in old:
                old.remove(row)
            else:
                found |= {(table, column) for column in _different(row, old)}
    return found


def _different(row: Mapping[str, Any], old: list[dict[str, Any]]) -> set[str]:
    """The columns in which a row differs from what it was; all of them where it is new."""
    key = next(iter(row))
    was = [each for each in old if each[key] == row[key]]
    return {column for column in row if len(was) != 1 or row[column] != was[0][column]}


async def effect(
    http: httpx.AsyncClient, stored: Stored, operation: str, call: Call, asker: Person
) -> tuple[int, set[tuple[str, str]]]:
    """What a request is answered, and what it changes."""
    before = await stored.rows(*ACCOUNT_TABLES)
    answer = await send(http, operation, call, asker.headers)
    return answer.status_code, changed(before, await stored.rows(*ACCOUNT_TABLES))


@pytest.mark.parametrize("operation", WITH_BODIES)
@pytest.mark.parametrize("role", [Role.PLAYER, Role.ADMIN])
async def test_more_fields_than_there_are_change_nothing_more(
    http: httpx.AsyncClient, people: People, stored: Stored, operation: str, role: Role
):
    async def asked(more: dict[str, Any]) -> tuple[int, set[tuple[str, str]]]:
        owner = await people.register()
        asker = await people.admin() if role is Role.ADMIN else owner
        call = await CALLS[operation](people, owner)
        as_text = {name: str(value) for name, value in more.items()}
        poisoned = msgspec.structs.replace(
            call,
            json=None if call.json is None else {**more, **call.json},
            form=None if call.form is None else {**as_text, **call.form},
            query={**as_text, **call.query},
        )
        return await effect(http, stored, operation, poisoned, asker)

    assert await asked(PLANTED) == await asked({})
    kept = text_of(await stored.rows(*ACCOUNT_TABLES))
    assert [mark for mark in _MARKS if mark in kept] == []


@pytest.mark.parametrize("field", ["roles", "role", "scope", "status", "email_verified", "locale"])
async def test_nobody_makes_themselves_more_than_they_are(http: httpx.AsyncClient, people: People, field: str):
    """The plainest try: by registering and by signing in."""
    person = await people.register(**{field: PLANTED[field]})
    again = await http.post(
        "/api/v1/auth/login",
        json={"email": person.email, "password": "a long walk by the river", field: PLANTED[field]},
    )
    user = again.json()["user"]
    assert (user["roles"], user["email_verified"], user["locale"]) == (["player"], False, "en")
