"""Accounts as their owners and staff see them."""

from datetime import datetime

import msgspec

from agon.contracts.accounts import AccountId, Role
from agon.domains.accounts.errors import AccountNotFound
from agon.domains.accounts.repository import accounts
from agon.domains.accounts.rules.roles import held
from agon.kernel.tx import ReadTx


class Account(msgspec.Struct, frozen=True):
    """An account, for its owner's eyes; `roles` are the global ones with all they include."""

    id: AccountId
    email: str | None
    email_verified: bool
    username: str
    locale: str
    created_at: datetime
    roles: frozenset[Role]

    @property
    def role_names(self) -> list[str]:
        return sorted(role.value for role in self.roles)


async def own(tx: ReadTx, account_id: AccountId) -> Account:
    """Read an account.

    Raises:
        AccountNotFound: there is none, or it is deleted.
    """
    row = await accounts.get(tx, account_id)
    if row is None:
        raise AccountNotFound
    return Account(
        id=account_id,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        username=row.username,
        locale=row.locale,
        created_at=row.created_at,
        roles=held(row.grants)[0],
    )
