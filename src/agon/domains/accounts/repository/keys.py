"""Signing keys and one-time tokens."""

from datetime import datetime, timedelta

from agon.domains.accounts.rows import SigningKeyRow
from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError
from agon.kernel.tx import Query, ReadTx, Tx
from agon.platform.retention import Keep, Prune, declare

_MEANINGS: dict[str, type[DomainError] | str] = {
    "signing_key_pkey": "a key that is there already is left as it is",
    "signing_key_kid_check": "identifiers are SHA-256 thumbprints",
    "signing_key_retired_at_check": "a key is never retired before it was made",
    "signing_key_current_idx": "a key that comes second is not stored",
    "one_time_token_pkey": "256 random bits do not repeat",
    "one_time_token_account_id_fkey": "a token is made for an account that was read",
    "one_time_token_digest_check": "digests are SHA-256",
    "one_time_token_purpose_check": "purposes are written in the statements",
    "one_time_token_account_check": "only links for the setup belong to no account",
    "one_time_token_expires_at_check": "lifetimes are positive",
}
refuses(**_MEANINGS)
declare(
    signing_key=Keep("a few a year; a token says which key signed it"),
    one_time_token=Prune("expires_at", timedelta(days=30)),
)

_PUBLISHED = Query(
    "accounts.published_keys",
    """select kid, public_jwk::text, sealed_private_key, retired_at from signing_key
       where retired_at is null or retired_at > $1 order by created_at desc, kid limit 100""",
    SigningKeyRow,
    seq_scan="there are never more than a few keys",
)
_ADD = Query(
    "accounts.add_key",
    """insert into signing_key (kid, public_jwk, sealed_private_key, created_at) values ($1, $2::text::jsonb, $3, $4)
       on conflict do nothing""",
    type(None),
)
_CURRENT = Query("accounts.current_key", "select kid from signing_key where retired_at is null", str)
_RETIRE = Query(
    "accounts.retire_key",
    "update signing_key set retired_at = greatest($1, created_at) where retired_at is null returning kid",
    str,
)
_ADD_SETUP_TOKEN = Query(
    "accounts.add_setup_token",
    "insert into one_time_token (digest, purpose, created_at, expires_at) values ($1, 'setup', $2, $3)",
    type(None),
)
_LOCK_SETUP_TOKENS = Query(
    "accounts.lock_setup_tokens",
    """select digest from one_time_token
       where purpose = 'setup' and account_id is null and used_at is null order by digest for update""",
    bytes,
)
_USE_SETUP_TOKEN = Query(
    "accounts.use_setup_token",
    """update one_time_token set used_at = $2
       where digest = $1 and purpose = 'setup' and used_at is null and expires_at > $2""",
    type(None),
)
_SETUP_TOKEN_HOLDS = Query(
    "accounts.setup_token_holds",
    """select exists (select from one_time_token
                      where digest = $1 and purpose = 'setup' and used_at is null and expires_at > $2)""",
    bool,
)
_END_SETUP_TOKENS = Query(
    "accounts.end_setup_tokens",
    "update one_time_token set used_at = $1 where purpose = 'setup' and account_id is null and used_at is null",
    type(None),
)


async def published(tx: ReadTx, retired_after: datetime) -> list[SigningKeyRow]:
    """The key that signs, first, and those whose tokens may still be around."""
    return await tx.all(_PUBLISHED, retired_after)


async def add(tx: Tx, kid: str, public_jwk: str, sealed_private_key: bytes) -> bool:
    """Store the key that signs; False where there is one, or this one was there before."""
    return await tx.execute(_ADD, kid, public_jwk, sealed_private_key, tx.now) == 1


async def current(tx: ReadTx) -> str | None:
    """The `kid` of the key that signs."""
    return await tx.one(_CURRENT)


async def retire(tx: Tx) -> str | None:
    """Take the key that signs out of use; returns its `kid`."""
    return await tx.one(_RETIRE, tx.now)


async def add_setup_token(tx: Tx, digest: bytes, expires_at: datetime) -> None:
    await tx.execute(_ADD_SETUP_TOKEN, digest, tx.now, expires_at)


async def use_setup_token(tx: Tx, digest: bytes) -> bool:
    """Use up a setup token, and every other with it; False where it does not hold (any more)."""
    await tx.all(_LOCK_SETUP_TOKENS)
    if await tx.execute(_USE_SETUP_TOKEN, digest, tx.now) != 1:
        return False
    await tx.execute(_END_SETUP_TOKENS, tx.now)
    return True


async def setup_token_holds(tx: ReadTx, digest: bytes) -> bool:
    return bool(await tx.one(_SETUP_TOKEN_HOLDS, digest, tx.now))
