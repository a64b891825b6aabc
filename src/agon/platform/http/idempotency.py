"""Idempotency keys: one call, one effect, and the same answer however often it is sent."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from agon.contracts.accounts import AccountId
from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError, Refusal
from agon.kernel.tx import Query, Tx
from agon.platform.database.database import savepoint
from agon.platform.http.errors import IdempotencyInProgress, IdempotencyKeyInvalid, IdempotencyKeyReused
from agon.platform.http.problems import PROBLEM_JSON, problem_for

T = TypeVar("T")

refuses(idempotency_record_pkey="a record that is too old to count is replaced")

LIFETIME = timedelta(hours=24)
_LONGEST_KEY = 255


class Recorded(msgspec.Struct, frozen=True):
    """An answer as it was first given."""

    request_digest: bytes
    status: int
    headers: str
    body: bytes


class RecordedAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    replayed: bool


class Key(msgspec.Struct, frozen=True):
    """What a key belongs to: account, operation and object (the path), and which request it stands for."""

    account_id: AccountId
    operation: str
    object: str
    key: str
    request_digest: bytes

    @property
    def lock(self) -> int:
        """The number of the advisory lock that the first call holds while it runs."""
        text = f"{self.account_id}\n{self.operation}\n{self.object}\n{self.key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)


_LOCK = Query("idempotency.lock", "select pg_try_advisory_xact_lock($1)", bool)
_FIND = Query(
    "idempotency.find",
    """select request_digest, status, headers::text, body from idempotency_record
       where account_id = $1 and operation = $2 and object = $3 and key = $4 and created_at > $5""",
    Recorded,
)
_STORE = Query(
    "idempotency.store",
    """insert into idempotency_record
              (account_id, operation, object, key, request_digest, status, headers, body, created_at)
       values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9)
       on conflict (account_id, operation, object, key) do update
       set request_digest = excluded.request_digest, status = excluded.status, headers = excluded.headers,
           body = excluded.body, created_at = excluded.created_at""",
    type(None),
)


def checked(key: str) -> str:
    """The key, if it can be one.

    Raises:
        IdempotencyKeyInvalid: it is empty, longer than 255, or not printable ASCII.
    """
    if not 0 < len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyInvalid
    return key


async def once(tx: Tx, key: Key, verb: Callable[[Tx], Awaitable[T]], encode: Callable[[T], Any]) -> RecordedAnswer:
    """Run a verb for the first call of a key; give every later call what the first one was given.

    The verb runs in a savepoint, so that a refusal is recorded and replayed like an answer. Refusals that say
    "later" (limits, outages) are not recorded.

    Raises:
        IdempotencyInProgress: the first call has not ended.
        IdempotencyKeyReused: the key was used for another request.
    """
    if not await tx.one(_LOCK, key.lock):
        raise IdempotencyInProgress(retry_after=1)
    found = await tx.one(_FIND, key.account_id, key.operation, key.object, key.key, tx.now - LIFETIME)
    if found is not None:
        if found.request_digest != key.request_digest:
            raise IdempotencyKeyReused
        return RecordedAnswer(found.status, msgspec.json.decode(found.headers, type=dict[str, str]), found.body, True)
    answer = await _first(tx, verb, encode, key.operation.partition(".")[0].upper())
    headers = msgspec.json.encode(answer.headers).decode()
    await tx.execute(
        _STORE,
        key.account_id,
        key.operation,
        key.object,
        key.key,
        key.request_digest,
        answer.status,
        headers,
        answer.body,
        tx.now,
    )
    return answer


async def _first(tx: Tx, verb: Callable[[Tx], Awaitable[T]], encode: Callable[[T], Any], area: str) -> RecordedAnswer:
    try:
        async with savepoint(tx):
            result = await verb(tx)
    except DomainError as refusal:
        if refusal.refusal in (Refusal.LIMITED, Refusal.UNAVAILABLE):
            raise
        status, headers, body = problem_for(refusal, area)
        return RecordedAnswer(status, {**headers, "Content-Type": PROBLEM_JSON}, body, False)
    status, body = encode(result)
    return RecordedAnswer(status, {"Content-Type": "application/json"}, body, False)
