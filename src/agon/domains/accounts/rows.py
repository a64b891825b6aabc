"""Rows of accounts as the repository reads them."""

from datetime import datetime
from uuid import UUID

import msgspec


class AccountRow(msgspec.Struct, frozen=True):
    """An account as its owner may see it."""

    id: UUID
    email: str | None
    email_verified_at: datetime | None
    username: str
    locale: str
    created_at: datetime
    grants: list[str]
    """`{role}@{scope}` each."""


class CredentialRow(msgspec.Struct, frozen=True):
    """What a sign-in is checked against; `device_id` is set where the account knows the device."""

    account_id: UUID
    password_hash: str | None
    device_id: UUID | None


class FailuresRow(msgspec.Struct, frozen=True):
    """The wrong passwords of one subject; see the table login_failure."""

    in_row: int
    recent: list[datetime]
    blocked_until: datetime | None


class SessionRow(msgspec.Struct, frozen=True):
    """A login session that holds, with the roles of its account."""

    account_id: UUID
    session_id: UUID
    grants: list[str]


class RefreshRow(msgspec.Struct, frozen=True):
    """A refresh token, locked, with the session that it renews."""

    session_id: UUID
    account_id: UUID
    expires_at: datetime
    used_at: datetime | None
    revoked: bool


class NewDeviceRow(msgspec.Struct, frozen=True):
    """What a message about a new device says."""

    email: str | None
    username: str
    locale: str
    created_at: datetime
    ip_prefix: str
    user_agent: str


class GrantRow(msgspec.Struct, frozen=True):
    role: str
    scope: str
    granted_by: UUID | None
    granted_at: datetime


class SigningKeyRow(msgspec.Struct, frozen=True):
    kid: str
    public_jwk: str
    sealed_private_key: bytes
    retired_at: datetime | None
