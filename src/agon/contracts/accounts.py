"""Accounts as the rest of Agon sees them: ids, roles, who is asking, and what happened."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType, Protocol
from uuid import UUID

import msgspec

from agon.kernel.events import Event
from agon.kernel.tx import Tx

AccountId = NewType("AccountId", UUID)
LoginSessionId = NewType("LoginSessionId", UUID)

GLOBAL_SCOPE = "global"


class Role(StrEnum):
    """What an account may do; `admin` includes `organizer` and `moderator`, those include `player`."""

    PLAYER = "player"
    ORGANIZER = "organizer"
    MODERATOR = "moderator"
    ADMIN = "admin"
    SERVICE = "service"


INCLUDED_ROLES: dict[Role, frozenset[Role]] = {
    Role.PLAYER: frozenset({Role.PLAYER}),
    Role.ORGANIZER: frozenset({Role.ORGANIZER, Role.PLAYER}),
    Role.MODERATOR: frozenset({Role.MODERATOR, Role.PLAYER}),
    Role.ADMIN: frozenset({Role.ADMIN, Role.ORGANIZER, Role.MODERATOR, Role.PLAYER}),
    Role.SERVICE: frozenset({Role.SERVICE}),
}
"""Each role with every role it includes, itself among them."""


class Principal(msgspec.Struct, frozen=True):
    """Who is asking: an account in a login session, with every role it holds globally (included ones added)."""

    account_id: AccountId
    session_id: LoginSessionId
    roles: frozenset[Role]
    scoped_roles: frozenset[tuple[Role, str]] = frozenset()
    """Roles that hold in one scope only, as (role, `tournament:{id}` and the like)."""

    def has(self, role: Role, scope: str = GLOBAL_SCOPE) -> bool:
        """Whether the role is held globally or in this scope."""
        return role in self.roles or any(
            held_scope == scope and role in INCLUDED_ROLES[held] for held, held_scope in self.scoped_roles
        )


class Authenticator(Protocol):
    """Turns an access token into a principal; bound in `roles`, used by the HTTP edge."""

    async def authenticate(self, token: str) -> Principal:
        """The principal of a valid token, from memory where possible.

        Raises:
            DomainError: the token is malformed, forged, expired or revoked (a 401 code), or that cannot be known
                at the moment (503).
        """
        ...

    async def confirm(self, principal: Principal) -> Principal:
        """The same principal as the primary database knows it now, for privileged operations.

        Raises:
            DomainError: it has been revoked meanwhile.
        """
        ...


class NewAccount(msgspec.Struct, frozen=True):
    """What a domain that adds its own row to a new account is told."""

    account_id: AccountId
    username: str
    display_name: str
    created_at: datetime


class OnAccountCreated(Protocol):
    """Adds a domain's part of a new account (profile, wallet) in the same transaction; bound in `roles`."""

    async def __call__(self, tx: Tx, account: NewAccount) -> None: ...


class AccountRegistered(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "account.registered"
    about: ClassVar[str] = "account_id"
    account_id: AccountId


class AccountLoggedIn(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "account.logged_in"
    about: ClassVar[str] = "account_id"
    account_id: AccountId
    session_id: LoginSessionId
    new_device: bool


class AccountRefreshReused(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "account.refresh_reused"
    about: ClassVar[str] = "account_id"
    account_id: AccountId
    session_id: LoginSessionId


class RoleGranted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "role.granted"
    about: ClassVar[str] = "account_id"
    account_id: AccountId
    role: Role
    scope: str


class RoleRevoked(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "role.revoked"
    about: ClassVar[str] = "account_id"
    account_id: AccountId
    role: Role
    scope: str
