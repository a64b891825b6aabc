"""What the tests of the endpoints call them with, and what they look for in the answers."""

import uuid
from typing import Any

import httpx

from tests.integration.accounts.world import PASSWORD, Client

TOKENS = {"access_token", "expires_in", "refresh_token", "user"}
ACCOUNT = {"account_id", "email", "email_verified", "username", "locale", "created_at", "roles"}
NAMES = {"password": PASSWORD, "display_name": "Asha of the river"}


def some_email() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def registered(client: Client, **given: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/auth/register", json={"email": some_email(), **NAMES, **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()
