"""From an access token to a principal, remembered for at most a minute and never longer than it holds."""

import hashlib
import time
from collections.abc import Callable

from agon.contracts.accounts import AccountId, LoginSessionId, Principal
from agon.domains.accounts.errors import TokenInvalid
from agon.domains.accounts.repository import sessions
from agon.domains.accounts.rules.claims import LONGEST_TOKEN, Claims, check_expiry
from agon.domains.accounts.rules.roles import held
from agon.domains.accounts.service import keys
from agon.domains.accounts.service.published import PublishedKeys, Reader
from agon.domains.accounts.service.tokens import AccessTokens
from agon.kernel.clock import Clock
from agon.platform.invalidation import EVERYTHING

MAXIMUM_AGE = 60.0
"""Seconds for which a verified token and its principal are remembered."""
FRESH_SECONDS = 1.0
"""A principal is taken from memory only while every revocation older than this has been seen here."""
_CAPACITY = 20_000


class _Entry:
    """A verified token; its principal is None while it is being asked for."""

    __slots__ = ("claims", "principal", "tags", "verified_at")

    def __init__(self, claims: Claims, now: float) -> None:
        self.claims = claims
        self.verified_at = now
        self.principal: Principal | None = None
        self.tags = session_tag(claims.session_id), account_tag(claims.account_id)


def session_tag(session_id: LoginSessionId) -> str:
    """Invalidation tag: this login session was revoked."""
    return f"session:{session_id}"


def account_tag(account_id: AccountId) -> str:
    """Invalidation tag: every session of this account was revoked, or its roles have changed."""
    return f"account:{account_id}"


class TokenAuthenticator:
    """Implements `contracts.accounts.Authenticator`.

    Args:
        tokens: verifies signatures and claims.
        published: is told when the signing keys have changed.
        read: runs a read on the primary database.
        clock: for expiry.
        fresh: whether everything committed more than so many seconds ago has been seen by this process; while it
            has not, the database is asked every time, and no answer from it means 503.
        maximum_age: seconds for which tokens and principals are remembered, at most 60.
        timer: measures ages, in seconds.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        published: PublishedKeys,
        read: Reader,
        clock: Clock,
        fresh: Callable[[float], bool],
        *,
        maximum_age: float = MAXIMUM_AGE,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._published = published
        self._read = read
        self._clock = clock
        self._fresh = fresh
        self._maximum_age = min(maximum_age, MAXIMUM_AGE)
        self._timer = timer
        self._entries: dict[bytes, _Entry] = {}
        self._by_tag: dict[str, set[bytes]] = {}

    async def authenticate(self, token: str) -> Principal:
        """The principal of a valid token.

        Raises:
            TokenInvalid: it is malformed or forged, or its session was revoked.
            TokenExpired: it has expired.
            DatabaseUnavailable: that cannot be known at the moment.
        """
        digest, entry = await self._verified(token)
        if entry.principal is not None and self._fresh(FRESH_SECONDS):
            return entry.principal
        return await self._load(digest, entry)

    async def claims(self, token: str) -> Claims:
        """What a valid token says; its session is not looked at.

        Raises:
            TokenInvalid: it is malformed or forged.
            TokenExpired: it has expired.
        """
        _, entry = await self._verified(token)
        return entry.claims

    async def confirm(self, principal: Principal) -> Principal:
        """The same principal as the primary database knows it now.

        Raises:
            TokenInvalid: its session was revoked meanwhile.
            DatabaseUnavailable: that cannot be known at the moment.
        """
        return await self._ask(principal.account_id, principal.session_id)

    async def forget(self, tags: frozenset[str]) -> None:
        """Drop what these invalidation tags make stale; also what is being asked for at this moment."""
        if keys.TAG in tags or tags >= EVERYTHING:
            self._published.forget()
            self._entries.clear()
            self._by_tag.clear()
            return
        for tag in tags & self._by_tag.keys():
            for digest in tuple(self._by_tag.get(tag, ())):
                self._drop(digest)

    async def _verified(self, token: str) -> tuple[bytes, _Entry]:
        if len(token) > LONGEST_TOKEN:
            raise TokenInvalid
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        entry = self._entries.get(digest)
        if entry is not None and self._timer() - entry.verified_at <= self._maximum_age:
            check_expiry(entry.claims, self._clock.now())
            return digest, entry
        claims = await self._tokens.verify(token, self._clock.now())
        return digest, self._remember(digest, claims)

    async def _load(self, digest: bytes, entry: _Entry) -> Principal:
        """Ask the database; what was forgotten while it answered is not remembered."""
        try:
            principal = await self._ask(entry.claims.account_id, entry.claims.session_id)
        except TokenInvalid:
            self._drop(digest)
            raise
        if self._entries.get(digest) is entry:
            entry.principal = principal
        return principal

    async def _ask(self, account_id: AccountId, session_id: LoginSessionId) -> Principal:
        row = await self._read(lambda tx: sessions.holding(tx, session_id, account_id))
        if row is None:
            raise TokenInvalid
        roles, scoped_roles = held(row.grants)
        return Principal(account_id, session_id, roles, scoped_roles)

    def _remember(self, digest: bytes, claims: Claims) -> _Entry:
        now = self._timer()
        self._drop(digest)
        self._make_room(now)
        entry = _Entry(claims, now)
        self._entries[digest] = entry
        for tag in entry.tags:
            self._by_tag.setdefault(tag, set()).add(digest)
        return entry

    def _make_room(self, now: float) -> None:
        """Drop what is too old, and the oldest where there are too many; entries stand in the order of their age."""
        while self._entries:
            digest, oldest = next(iter(self._entries.items()))
            if len(self._entries) < _CAPACITY and now - oldest.verified_at <= self._maximum_age:
                return
            self._drop(digest)

    def _drop(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        for tag in entry.tags:
            digests = self._by_tag[tag]
            digests.discard(digest)
            if not digests:
                del self._by_tag[tag]
