"""Access tokens: signed, and verified."""

import asyncio
from datetime import datetime

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from agon.domains.accounts.errors import TokenInvalid
from agon.domains.accounts.rules.claims import ALGORITHM, TYPE, Claims, read_claims, read_header
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.published import PublishedKeys
from agon.domains.accounts.service.signed_in import SignedIn
from agon.kernel.ids import new_id

_registry = jws.JWSRegistry(algorithms=[ALGORITHM])


class NoSigningKey(Exception):
    """No signing key was ever made."""


class AccessTokens:
    """RS256 JSON Web Tokens (RFC 7519, RFC 9068), signed on a thread: a signature takes most of a millisecond."""

    def __init__(self, keys: PublishedKeys, policy: Policy) -> None:
        self._keys = keys
        self._policy = policy

    @property
    def seconds(self) -> int:
        """How long a token lives."""
        return int(self._policy.access_lifetime.total_seconds())

    async def sign(self, signed_in: SignedIn, now: datetime) -> str:
        """A new access token.

        Raises:
            NoSigningKey: none was ever made (`KeyStore.ensure` makes the first one).
        """
        key = await self._keys.signing()
        if key is None or key.private is None:
            raise NoSigningKey
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
        payload = msgspec.json.encode(self._claims(signed_in, now))
        return await asyncio.to_thread(jws.serialize_compact, header, payload, key.private, registry=_registry)

    def _claims(self, signed_in: SignedIn, now: datetime) -> Claims:
        issued_at = int(now.timestamp())
        return Claims(
            user_id=signed_in.account.id,
            email=signed_in.account.email,
            iat=issued_at,
            exp=issued_at + self.seconds,
            sub=signed_in.account.id,
            sid=signed_in.session_id,
            jti=new_id(),
            iss=self._policy.issuer,
            aud=self._policy.audience,
            roles=signed_in.account.role_names,
        )

    async def verify(self, token: str, now: datetime) -> Claims:
        """The claims of a token that we signed and that is still good; says nothing about its session.

        Raises:
            TokenInvalid: it is malformed, forged, or for someone else.
            TokenExpired: it was good.
            DatabaseUnavailable: its key is unknown here and cannot be asked for.
        """
        header = read_header(token)
        key = await self._keys.verifying(header.kid)
        try:
            verified = jws.deserialize_compact(token, key.public, registry=_registry)
        except (JoseError, ValueError) as error:
            raise TokenInvalid from error
        return read_claims(verified.payload, issuer=self._policy.issuer, audience=self._policy.audience, now=now)
