"""Renewing a login session: each refresh token is used once, and one that comes back late ends the session."""

import base64

import msgspec

from agon.contracts.accounts import AccountId, AccountRefreshReused, LoginSessionId
from agon.contracts.audit import AuditAction
from agon.domains.accounts.errors import TokenExpired, TokenInvalid
from agon.domains.accounts.repository import sessions
from agon.domains.accounts.rows import RefreshRow
from agon.domains.accounts.service.account import own
from agon.domains.accounts.service.authenticator import session_tag
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.signed_in import SignedIn
from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.tx import Tx
from agon.platform import crypto

_NEXT = b"next"


class Reused(msgspec.Struct, frozen=True):
    """The token had been used: somebody else may have it, so its session was ended."""


class Refresh:
    """Rotates refresh tokens.

    Args:
        key: derives each token's successor, so that a lost answer can be given again and nothing is stored in clear.
        policy: lifetimes.
    """

    def __init__(self, key: bytes, policy: Policy) -> None:
        self._key = key
        self._policy = policy

    async def refresh(self, tx: Tx, token: str) -> SignedIn | Reused:
        """Renew a session.

        Returns:
            `Reused` where the session was ended. That has to be committed, so it is not raised here.

        Raises:
            TokenInvalid: there is no such token, or its session was revoked.
            TokenExpired: it is too old.
        """
        digest = crypto.digest(token)
        row = await sessions.locked_refresh_token(tx, digest)
        if row is None or row.revoked:
            raise TokenInvalid
        successor = self._successor(token)
        if row.used_at is None:
            if tx.now >= row.expires_at:
                raise TokenExpired
            until = tx.now + self._policy.refresh_lifetime
            await sessions.replace_refresh_token(tx, digest, crypto.digest(successor), row.session_id, until)
        elif tx.now - row.used_at > self._policy.refresh_grace:
            await self._end(tx, row)
            return Reused()
        account = await own(tx, AccountId(row.account_id))
        return SignedIn(account, LoginSessionId(row.session_id), successor)

    def _successor(self, token: str) -> str:
        derived = crypto.hmac_sha256(self._key, token.encode(), _NEXT)
        return base64.urlsafe_b64encode(derived).rstrip(b"=").decode()

    async def _end(self, tx: Tx, row: RefreshRow) -> None:
        session_id, account_id = LoginSessionId(row.session_id), AccountId(row.account_id)
        await sessions.revoke(tx, session_id)
        tx.invalidate(session_tag(session_id))
        tx.record(AccountRefreshReused(account_id=account_id, session_id=session_id))
        tx.audit(
            AuditEntry(
                action=AuditAction.ACCOUNT_REFRESH_REUSED,
                target_type="account",
                target_id=str(account_id),
                after={"session_id": str(session_id)},
                severity=Severity.HIGH,
            )
        )
