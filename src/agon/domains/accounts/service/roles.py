"""Granting and revoking roles; a change takes effect at the next request."""

from datetime import datetime

import msgspec

from agon.contracts.accounts import GLOBAL_SCOPE, AccountId, Role, RoleGranted, RoleRevoked
from agon.contracts.audit import AuditAction
from agon.domains.accounts.errors import AccountNotFound, AuthValidationError, LastAdmin
from agon.domains.accounts.repository import accounts
from agon.domains.accounts.rows import GrantRow
from agon.domains.accounts.rules.roles import grant_errors
from agon.domains.accounts.service.authenticator import account_tag
from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.paging import Page, PageRequest, page_of
from agon.kernel.tx import Tx


class Grant(msgspec.Struct, frozen=True):
    """A role that an account holds, globally or in one scope; `granted_by` is null where the system granted it."""

    role: Role
    scope: str
    granted_by: AccountId | None
    granted_at: datetime


async def granted_roles(tx: Tx, account_id: AccountId, page: PageRequest) -> Page[Grant]:
    """The roles that an account was granted, newest first; looking is audited.

    Raises:
        AccountNotFound: there is no such account.
        CursorInvalid: the page's cursor is none of this list's.
    """
    after = page.after(tuple[datetime, str, str])
    if await accounts.get(tx, account_id) is None:
        raise AccountNotFound
    tx.audit(AuditEntry(action=AuditAction.ROLE_READ, target_type="account", target_id=str(account_id)))
    rows = await accounts.grants(tx, account_id, after, page.limit + 1)
    found = [_grant(row) for row in rows]
    return page_of(found, page.limit, lambda grant: (grant.granted_at, grant.role, grant.scope))


async def grant_role(tx: Tx, actor: AccountId | None, account_id: AccountId, role: Role, scope: str) -> Grant:
    """Grant a role; granting what is held already changes nothing.

    Args:
        tx: the transaction.
        actor: who grants it; None for the system.
        account_id: who gets it.
        role: organizer, moderator or admin.
        scope: `global`, or `tournament:`, `game:` or `organization:` and an id.

    Raises:
        AccountNotFound: there is no such account.
        AuthValidationError: the role is not one to grant, or the scope is none.
    """
    _check(role, scope)
    if await accounts.get(tx, account_id) is None:
        raise AccountNotFound
    if await accounts.add_grant(tx, account_id, role, scope, actor):
        tx.invalidate(account_tag(account_id))
        tx.record(RoleGranted(account_id=account_id, role=role, scope=scope))
        _audit(tx, AuditAction.ROLE_GRANT, account_id, after={"role": role.value, "scope": scope})
    row = await accounts.grant(tx, account_id, role, scope)
    if row is None:  # revoked between the two statements
        raise AccountNotFound
    return _grant(row)


async def revoke_role(tx: Tx, account_id: AccountId, role: Role, scope: str) -> None:
    """Take a role away.

    Raises:
        AccountNotFound: the account does not hold it in that scope.
        LastAdmin: nobody would be left to administer the site.
        AuthValidationError: the role is not one to grant, or the scope is none.
    """
    _check(role, scope)
    if role is Role.ADMIN and scope == GLOBAL_SCOPE and await accounts.locked_admins(tx) == [account_id]:
        raise LastAdmin
    if not await accounts.remove_grant(tx, account_id, role, scope):
        raise AccountNotFound
    tx.invalidate(account_tag(account_id))
    tx.record(RoleRevoked(account_id=account_id, role=role, scope=scope))
    _audit(tx, AuditAction.ROLE_REVOKE, account_id, before={"role": role.value, "scope": scope})


def _check(role: Role, scope: str) -> None:
    if errors := grant_errors(role, scope):
        raise AuthValidationError(errors=errors)


def _grant(row: GrantRow) -> Grant:
    granted_by = None if row.granted_by is None else AccountId(row.granted_by)
    return Grant(Role(row.role), row.scope, granted_by, row.granted_at)


def _audit(
    tx: Tx,
    action: AuditAction,
    account_id: AccountId,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    tx.audit(
        AuditEntry(
            action=action,
            target_type="account",
            target_id=str(account_id),
            before=before,
            after=after,
            severity=Severity.HIGH,
        )
    )
