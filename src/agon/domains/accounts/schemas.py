"""What the endpoints of accounts take and give."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from agon.contracts.accounts import GLOBAL_SCOPE, Role
from agon.domains.accounts.rules.passwords import LONGEST_GIVEN
from agon.domains.accounts.service.account import Account
from agon.domains.accounts.service.roles import Grant
from agon.domains.accounts.service.signed_in import SignedIn

Email = Annotated[str, Meta(max_length=254, description="An e-mail address.")]
Username = Annotated[str, Meta(max_length=30, description="3 to 30 letters of A to Z, digits and underscores.")]
DisplayName = Annotated[str, Meta(max_length=200, description="3 to 50 characters of any script.")]
Password = Annotated[str, Meta(max_length=LONGEST_GIVEN, description="8 to 256 characters, any of Unicode.")]
Device = Annotated[
    str,
    Meta(
        min_length=16,
        max_length=200,
        description="A secret that this device makes once at random and keeps; it marks the device as known.",
    ),
]
OpaqueToken = Annotated[str, Meta(min_length=1, max_length=200)]


class RegisterRequest(msgspec.Struct, frozen=True):
    email: Email
    password: Password
    display_name: DisplayName
    username: Username | None = None
    device: Device | None = None


class LoginRequest(msgspec.Struct, frozen=True):
    """Either `email` or `username` says who."""

    password: Password
    email: Email | None = None
    username: Username | None = None
    device: Device | None = None


class RefreshRequest(msgspec.Struct, frozen=True):
    refresh_token: OpaqueToken


class SetupRequest(msgspec.Struct, frozen=True):
    """`token` is the secret in the link that the server printed at its first start."""

    token: OpaqueToken
    email: Email
    password: Password
    display_name: DisplayName
    device: Device | None = None


class GrantRequest(msgspec.Struct, frozen=True):
    role: Role
    scope: Annotated[str, Meta(max_length=64)] = GLOBAL_SCOPE


class OwnAccountResponse(msgspec.Struct, frozen=True):
    """An account as its owner sees it."""

    account_id: UUID
    email: str | None
    email_verified: bool
    username: str
    locale: str
    created_at: datetime
    roles: list[str]

    @classmethod
    def of(cls, account: Account) -> "OwnAccountResponse":
        return cls(
            account.id,
            account.email,
            account.email_verified,
            account.username,
            account.locale,
            account.created_at,
            account.role_names,
        )


class RefreshedResponse(msgspec.Struct, frozen=True):
    """`expires_in` is the life of the access token in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str


class TokensResponse(msgspec.Struct, frozen=True):
    """`expires_in` is the life of the access token in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str
    user: OwnAccountResponse

    @classmethod
    def of(cls, signed_in: SignedIn, access_token: str, expires_in: int) -> "TokensResponse":
        return cls(access_token, expires_in, signed_in.refresh_token, OwnAccountResponse.of(signed_in.account))


class VerificationPendingResponse(msgspec.Struct, frozen=True):
    """The same for every address, known or not."""

    status: str = "verification_required"


class ClaimsResponse(msgspec.Struct, frozen=True):
    """What the access token says; times are seconds since 1970."""

    user_id: UUID
    email: str | None
    iat: int
    exp: int
    sub: UUID
    sid: UUID
    jti: UUID
    iss: str
    aud: str
    roles: list[str]


class GrantResponse(msgspec.Struct, frozen=True):
    role: Role
    scope: str
    granted_by: UUID | None
    granted_at: datetime

    @classmethod
    def of(cls, grant: Grant) -> "GrantResponse":
        return cls(grant.role, grant.scope, grant.granted_by, grant.granted_at)


class KeySetResponse(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]
