"""Login sessions, their refresh tokens, known devices and wrong passwords."""

from datetime import datetime, timedelta
from uuid import UUID

from agon.domains.accounts.rows import FailuresRow, NewDeviceRow, RefreshRow, SessionRow
from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError
from agon.kernel.tx import Query, ReadTx, Tx
from agon.platform.retention import Keep, Prune, declare

_MEANINGS: dict[str, type[DomainError] | str] = {
    "known_device_pkey": "identifiers are made here and never repeat",
    "known_device_account_id_fkey": "a device is stored with a sign-in to its account",
    "known_device_account_id_mark_digest_key": "a device that is there already is updated",
    "known_device_mark_digest_check": "digests are SHA-256",
    "login_failure_pkey": "failures that are there already are updated",
    "login_failure_in_row_check": "the rules only count up",
    "login_failure_recent_check": "the rules keep fewer than a full window",
    "login_session_pkey": "identifiers are made here and never repeat",
    "login_session_account_id_fkey": "a session is stored with a sign-in to its account",
    "login_session_known_device_id_fkey": "the device is stored first",
    "refresh_token_pkey": "256 random bits do not repeat, and a successor is inserted under its parent's lock",
    "refresh_token_session_id_fkey": "the session is stored first",
    "refresh_token_replaced_by_key": "each parent has its own successor",
    "refresh_token_replaced_by_fkey": "the successor is stored first",
    "refresh_token_digest_check": "digests are SHA-256",
    "refresh_token_expires_at_check": "lifetimes are positive",
    "refresh_token_used_check": "both are written together, and the successor goes last",
}
refuses(**_MEANINGS)
declare(
    login_failure=Keep("one row for each account and known device, and 1,024 decoys"),
    login_session=Prune("last_used_at", timedelta(days=400)),  # longer than a refresh token can be made to live
    refresh_token=Prune("expires_at", timedelta(days=1)),
    known_device=Prune("last_seen_at", timedelta(days=400)),
)

_LOCK_FAILURES = Query(
    "accounts.lock_failures",
    """insert into login_failure (subject, in_row, recent) values ($1, 0, '{}')
       on conflict (subject) do update set subject = excluded.subject
       returning in_row, recent, blocked_until""",
    FailuresRow,
)
_SET_FAILURES = Query(
    "accounts.set_failures",
    "update login_failure set in_row = $2, recent = $3, blocked_until = $4 where subject = $1",
    type(None),
)
_END_ROW = Query("accounts.end_failure_row", "update login_failure set in_row = 0 where subject = $1", type(None))
_HAS_DEVICES = Query("accounts.has_devices", "select exists (select from known_device where account_id = $1)", bool)
_SAW_DEVICE = Query(
    "accounts.saw_device",
    """insert into known_device (id, account_id, mark_digest, first_seen_at, last_seen_at)
       values ($1, $2, $3, $4, $4)
       on conflict (account_id, mark_digest) do update
       set last_seen_at = greatest(known_device.last_seen_at, excluded.last_seen_at)
       returning id""",
    UUID,
)
_ADD = Query(
    "accounts.add_session",
    """insert into login_session (id, account_id, known_device_id, created_at, last_used_at, ip_prefix, user_agent)
       values ($1, $2, $3, $4, $4, $5, $6)""",
    type(None),
)
_ADD_REFRESH = Query(
    "accounts.add_refresh_token",
    "insert into refresh_token (digest, session_id, created_at, expires_at) values ($1, $2, $3, $4)",
    type(None),
)
_HOLDING = Query(
    "accounts.holding_session",
    """select a.id as account_id, s.id as session_id,
              array(select g.role || '@' || g.scope from role_grant g where g.account_id = a.id) as grants
       from login_session s join account a on a.id = s.account_id
       where s.id = $1 and a.id = $2 and s.revoked_at is null and a.status = 'active'""",
    SessionRow,
)
_LOCK_REFRESH = Query(
    "accounts.lock_refresh_token",
    """select r.session_id, s.account_id, r.expires_at, r.used_at,
              s.revoked_at is not null or a.status <> 'active' as revoked
       from refresh_token r
       join login_session s on s.id = r.session_id
       join account a on a.id = s.account_id
       where r.digest = $1
       for update of r, s""",
    RefreshRow,
)
_REPLACED = Query(
    "accounts.replace_refresh_token",
    "update refresh_token set used_at = $2, replaced_by = $3 where digest = $1",
    type(None),
)
_USED = Query("accounts.use_session", "update login_session set last_used_at = $2 where id = $1", type(None))
_REVOKE = Query(
    "accounts.revoke_session",
    "update login_session set revoked_at = $2 where id = $1 and revoked_at is null",
    type(None),
)
_REVOKE_ALL = Query(
    "accounts.revoke_sessions",
    "update login_session set revoked_at = $2 where account_id = $1 and revoked_at is null",
    type(None),
)
_NEW_DEVICE = Query(
    "accounts.new_device",
    """select a.email::text, a.username::text, a.locale, s.created_at, s.ip_prefix, s.user_agent
       from login_session s join account a on a.id = s.account_id
       where a.id = $1 and s.id = $2 and a.status = 'active'""",
    NewDeviceRow,
)


async def locked_failures(tx: Tx, subject: UUID) -> FailuresRow:
    """The wrong passwords of a subject; other attempts wait until this transaction ends."""
    found = await tx.one(_LOCK_FAILURES, subject)
    assert found is not None  # an upsert that returns always has a row
    return found


async def set_failures(
    tx: Tx, subject: UUID, *, in_row: int, recent: list[datetime], blocked_until: datetime | None
) -> None:
    await tx.execute(_SET_FAILURES, subject, in_row, recent, blocked_until)


async def end_failure_row(tx: Tx, subject: UUID) -> None:
    await tx.execute(_END_ROW, subject)


async def has_devices(tx: ReadTx, account_id: UUID) -> bool:
    return bool(await tx.one(_HAS_DEVICES, account_id))


async def saw_device(tx: Tx, device_id: UUID, account_id: UUID, mark_digest: bytes) -> UUID:
    """Store a device, or that it was seen again; returns its id, `device_id` where it is new."""
    found = await tx.one(_SAW_DEVICE, device_id, account_id, mark_digest, tx.now)
    assert found is not None  # an upsert that returns always has a row
    return found


async def add(
    tx: Tx, session_id: UUID, account_id: UUID, device_id: UUID | None, *, ip_prefix: str, user_agent: str
) -> None:
    await tx.execute(_ADD, session_id, account_id, device_id, tx.now, ip_prefix, user_agent)


async def add_refresh_token(tx: Tx, digest: bytes, session_id: UUID, expires_at: datetime) -> None:
    await tx.execute(_ADD_REFRESH, digest, session_id, tx.now, expires_at)


async def holding(tx: ReadTx, session_id: UUID, account_id: UUID) -> SessionRow | None:
    """The session, if it is this account's, was not revoked, and the account is active."""
    return await tx.one(_HOLDING, session_id, account_id)


async def locked_refresh_token(tx: Tx, digest: bytes) -> RefreshRow | None:
    return await tx.one(_LOCK_REFRESH, digest)


async def replace_refresh_token(
    tx: Tx, digest: bytes, successor: bytes, session_id: UUID, expires_at: datetime
) -> None:
    """Mark a token as used and store the one that replaces it."""
    await add_refresh_token(tx, successor, session_id, expires_at)
    await tx.execute(_REPLACED, digest, tx.now, successor)
    await tx.execute(_USED, session_id, tx.now)


async def revoke(tx: Tx, session_id: UUID) -> bool:
    """End a session; False where it has ended already."""
    return await tx.execute(_REVOKE, session_id, tx.now) == 1


async def revoke_all(tx: Tx, account_id: UUID) -> int:
    """End every session of an account; returns how many there were."""
    return await tx.execute(_REVOKE_ALL, account_id, tx.now)


async def new_device(tx: ReadTx, account_id: UUID, session_id: UUID) -> NewDeviceRow | None:
    return await tx.one(_NEW_DEVICE, account_id, session_id)
