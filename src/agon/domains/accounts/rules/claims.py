"""What an access token says, and when it is believed."""

import base64
import re
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from agon.contracts.accounts import AccountId, LoginSessionId
from agon.domains.accounts.errors import TokenExpired, TokenInvalid

ALGORITHM = "RS256"
TYPE = "at+jwt"
"""The media type of access tokens (RFC 9068), so that no other kind of signed token passes for one."""
LEEWAY = timedelta(seconds=5)
LONGEST_TOKEN = 4096
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The only header that is read; one with `jku`, `jwk`, `x5u`, `crit` or anything else is refused."""

    alg: str
    typ: str
    kid: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The payload; times are seconds since 1970. `sub` and `user_id` are the account, `sid` its login session."""

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

    @property
    def account_id(self) -> AccountId:
        return AccountId(self.sub)

    @property
    def session_id(self) -> LoginSessionId:
        return LoginSessionId(self.sid)


class _Received(Claims, frozen=True, kw_only=True):
    nbf: int | None = None


_header = msgspec.json.Decoder(Header)
_claims = msgspec.json.Decoder(_Received)


def read_header(token: str) -> Header:
    """The header of a token that may be ours, before its signature is checked.

    Raises:
        TokenInvalid: it is no compact JWS, or says anything that our tokens never say.
    """
    if len(token) > LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        raise TokenInvalid
    encoded, _, rest = token.partition(".")
    try:
        header = _header.decode(_decoded(encoded))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TokenInvalid from error
    if header.alg != ALGORITHM or header.typ != TYPE:
        raise TokenInvalid
    _decoded(rest.rpartition(".")[2])
    return header


def _decoded(part: str) -> bytes:
    """The bytes of a part; one that is written in another way than base64url writes it is refused."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise TokenInvalid from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise TokenInvalid
    return raw


def read_claims(payload: bytes, *, issuer: str, audience: str, now: datetime) -> Claims:
    """The claims of a token whose signature is right.

    Raises:
        TokenInvalid: they are not ours, or not for us, or of the future.
        TokenExpired: they were.
    """
    try:
        claims = _claims.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TokenInvalid from error
    if claims.iss != issuer or claims.aud != audience or claims.user_id != claims.sub:
        raise TokenInvalid
    latest = (now + LEEWAY).timestamp()
    if claims.iat > latest or (claims.nbf is not None and claims.nbf > latest):
        raise TokenInvalid
    check_expiry(claims, now)
    return claims


def check_expiry(claims: Claims, now: datetime) -> None:
    """Refuse claims that have expired, 5 seconds after the moment they name.

    Raises:
        TokenExpired: they have.
    """
    if claims.exp <= (now - LEEWAY).timestamp():
        raise TokenExpired
