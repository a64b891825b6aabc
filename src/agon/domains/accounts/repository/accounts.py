"""Accounts and their passwords."""

from datetime import datetime
from uuid import UUID

from agon.domains.accounts.errors import AccountNotFound, EmailTaken, UsernameTaken
from agon.domains.accounts.rows import AccountRow, CredentialRow, GrantRow
from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError
from agon.kernel.tx import Query, ReadTx, Tx
from agon.platform.retention import Keep, declare

_MEANINGS: dict[str, type[DomainError] | str] = {
    "account_pkey": "identifiers are made here and never repeat",
    "account_email_key": EmailTaken,
    "account_username_key": UsernameTaken,
    "account_email_check": "the rules accept fewer addresses",
    "account_email_verified_check": "only an address that is there is marked as verified",
    "account_username_check": "the rules accept the same names",
    "account_locale_check": "locales come from the settings",
    "account_status_check": "statuses are written in the statements",
    "credential_pkey": "a credential is made with its account only",
    "credential_account_id_fkey": "a credential is made with its account",
    "credential_password_hash_check": "hashes come from bcrypt",
    "role_grant_pkey": "a grant that is there already is left as it is",
    "role_grant_account_id_fkey": AccountNotFound,
    "role_grant_granted_by_fkey": "whoever grants is signed in, and accounts are never deleted",
    "role_grant_role_check": "the rules accept these roles only",
    "role_grant_scope_check": "the rules accept the same scopes",
}
refuses(**_MEANINGS)
declare(
    account=Keep("an account that is deleted stays as a tombstone"),
    credential=Keep("one row for each account"),
    role_grant=Keep("a grant holds until it is revoked"),
)

_ADD = Query(
    "accounts.add",
    """insert into account (id, email, email_verified_at, username, locale, status, created_at, last_seen_at)
       values ($1, $2::text::citext, $3, $4::text::citext, $5, 'active', $6, $6)
       on conflict (username) do nothing
       returning id""",
    UUID,
)
_ADD_CREDENTIAL = Query(
    "accounts.add_credential",
    "insert into credential (account_id, password_hash, changed_at) values ($1, $2, $3)",
    type(None),
)
_TAKEN_USERNAMES = Query(
    "accounts.taken_usernames",
    "select lower(username::text) from account where username = any($1::text[]::citext[])",
    str,
)
_EMAIL_TAKEN = Query("accounts.email_taken", "select exists (select from account where email = $1::text::citext)", bool)
_GET = Query(
    "accounts.get",
    """select a.id, a.email::text, a.email_verified_at, a.username::text, a.locale, a.created_at,
              array(select g.role || '@' || g.scope from role_grant g where g.account_id = a.id) as grants
       from account a where a.id = $1 and a.status = 'active'""",
    AccountRow,
)
_CREDENTIAL = """select a.id as account_id, c.password_hash, d.id as device_id
       from account a
       left join credential c on c.account_id = a.id
       left join known_device d on d.account_id = a.id and d.mark_digest = $2
       where {name} = $1::text::citext and a.status = 'active'"""
_CREDENTIAL_BY_EMAIL = Query("accounts.credential_by_email", _CREDENTIAL.format(name="a.email"), CredentialRow)
_CREDENTIAL_BY_USERNAME = Query("accounts.credential_by_username", _CREDENTIAL.format(name="a.username"), CredentialRow)
_CURRENT_HASH = Query(
    "accounts.current_hash",
    """select c.password_hash from credential c join account a on a.id = c.account_id
       where c.account_id = $1 and a.status = 'active' for share of c""",
    str,
)
_SEEN = Query("accounts.seen", "update account set last_seen_at = greatest(last_seen_at, $2) where id = $1", type(None))
_GRANTS = Query(
    "accounts.grants",
    """select role, scope, granted_by, granted_at from role_grant
       where account_id = $1
         and ($2::timestamptz is null or (granted_at, role, scope) < ($2::timestamptz, $3::text, $4::text))
       order by granted_at desc, role desc, scope desc limit $5""",
    GrantRow,
)
_ADD_GRANT = Query(
    "accounts.add_grant",
    """insert into role_grant (account_id, role, scope, granted_by, granted_at) values ($1, $2, $3, $4, $5)
       on conflict (account_id, role, scope) do nothing""",
    type(None),
)
_GRANT = Query(
    "accounts.grant",
    """select role, scope, granted_by, granted_at from role_grant
       where account_id = $1 and role = $2 and scope = $3""",
    GrantRow,
)
_REMOVE_GRANT = Query(
    "accounts.remove_grant",
    "delete from role_grant where account_id = $1 and role = $2 and scope = $3",
    type(None),
)
_ADMINS = Query(
    "accounts.admins",
    """select g.account_id from role_grant g join account a on a.id = g.account_id
       where g.role = 'admin' and g.scope = 'global' and a.status = 'active'
       order by g.account_id for update of g""",
    UUID,
)
_HAS_ADMIN = Query(
    "accounts.has_admin",
    """select exists (select from role_grant g join account a on a.id = g.account_id
                      where g.role = 'admin' and g.scope = 'global' and a.status = 'active')""",
    bool,
)


async def add(
    tx: Tx, account_id: UUID, *, email: str | None, username: str, locale: str, verified_at: datetime | None
) -> bool:
    """Store a new account; False where the username was taken meanwhile."""
    return await tx.one(_ADD, account_id, email, verified_at, username, locale, tx.now) is not None


async def add_credential(tx: Tx, account_id: UUID, password_hash: str) -> None:
    await tx.execute(_ADD_CREDENTIAL, account_id, password_hash, tx.now)


async def taken_usernames(tx: ReadTx, usernames: list[str]) -> set[str]:
    """Which of these are taken, in lower case."""
    return set(await tx.all(_TAKEN_USERNAMES, usernames))


async def email_taken(tx: ReadTx, email: str) -> bool:
    return bool(await tx.one(_EMAIL_TAKEN, email))


async def get(tx: ReadTx, account_id: UUID) -> AccountRow | None:
    return await tx.one(_GET, account_id)


async def credential_by_email(tx: ReadTx, email: str, mark_digest: bytes | None) -> CredentialRow | None:
    return await tx.one(_CREDENTIAL_BY_EMAIL, email, mark_digest)


async def credential_by_username(tx: ReadTx, username: str, mark_digest: bytes | None) -> CredentialRow | None:
    return await tx.one(_CREDENTIAL_BY_USERNAME, username, mark_digest)


async def current_hash(tx: Tx, account_id: UUID) -> str | None:
    """The password hash of an active account, which cannot change until this transaction ends."""
    return await tx.one(_CURRENT_HASH, account_id)


async def seen(tx: Tx, account_id: UUID) -> None:
    await tx.execute(_SEEN, account_id, tx.now)


async def grants(tx: ReadTx, account_id: UUID, after: tuple[datetime, str, str] | None, limit: int) -> list[GrantRow]:
    """Grants, newest first, from the one with this time, role and scope on."""
    return await tx.all(_GRANTS, account_id, *(after or (None, None, None)), limit)


async def add_grant(tx: Tx, account_id: UUID, role: str, scope: str, granted_by: UUID | None) -> bool:
    """Store a grant; False where it is there already."""
    return await tx.execute(_ADD_GRANT, account_id, role, scope, granted_by, tx.now) == 1


async def grant(tx: ReadTx, account_id: UUID, role: str, scope: str) -> GrantRow | None:
    return await tx.one(_GRANT, account_id, role, scope)


async def remove_grant(tx: Tx, account_id: UUID, role: str, scope: str) -> bool:
    """Remove a grant; False where there is none."""
    return await tx.execute(_REMOVE_GRANT, account_id, role, scope) == 1


async def locked_admins(tx: Tx) -> list[UUID]:
    """Every administrator; who else changes their number waits until this transaction ends."""
    return await tx.all(_ADMINS)


async def has_admin(tx: ReadTx) -> bool:
    return bool(await tx.one(_HAS_ADMIN))
