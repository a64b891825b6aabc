"""Signing in with a password."""

import hashlib
from uuid import UUID

import msgspec

from agon.contracts.accounts import AccountId, AccountLoggedIn
from agon.contracts.audit import AuditAction
from agon.domains.accounts.repository import accounts, sessions
from agon.domains.accounts.rows import CredentialRow
from agon.domains.accounts.rules import attempts
from agon.domains.accounts.service.account import own
from agon.domains.accounts.service.passwords import Passwords
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.signed_in import SignedIn, begin_session, mark_digest
from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.tx import ReadTx, Tx

_DECOYS = 1024
"""How many rows stand for the names that nobody has."""


class Attempt(msgspec.Struct, frozen=True):
    """A try at signing in: by e-mail address or by username, from a device that may keep a mark."""

    email: str | None
    username: str | None
    device: str | None = None


class Known(msgspec.Struct, frozen=True):
    """What is known of an attempt; `credential` is None where nobody has that name."""

    attempt: Attempt
    credential: CredentialRow | None

    @property
    def known_device(self) -> bool:
        return self.credential is not None and self.credential.device_id is not None

    @property
    def subject(self) -> UUID:
        """Whose wrong passwords this attempt counts with: the known device's, all others' of the account, a decoy's."""
        if self.credential is not None:
            return self.credential.device_id or self.credential.account_id
        name = (self.attempt.email or self.attempt.username or "").lower().encode("utf-8", "surrogatepass")
        return UUID(int=int.from_bytes(hashlib.sha256(name).digest()) % _DECOYS)


class Unverified(msgspec.Struct, frozen=True):
    """The password was right, and the e-mail address has to be verified first."""


class Login:
    """Signs in, in three steps: find (a read), compare (slow, without a connection), finish (a transaction).

    Whatever is wrong, each attempt does the same: one read, one hash, one transaction with the same statements. So
    neither the answer nor its time tells whether an account exists.
    """

    def __init__(self, policy: Policy, passwords: Passwords) -> None:
        self._policy = policy
        self._passwords = passwords

    async def find(self, tx: ReadTx, attempt: Attempt) -> Known:
        """Look up who is meant."""
        digest = mark_digest(attempt.device)
        if attempt.email is not None:
            return Known(attempt, await accounts.credential_by_email(tx, attempt.email, digest))
        return Known(attempt, await accounts.credential_by_username(tx, attempt.username or "", digest))

    async def compare(self, known: Known, password: str) -> bool:
        """Whether the password is right; takes as long where nobody is meant.

        Raises:
            AuthBusy: too many passwords wait to be checked.
        """
        password_hash = None if known.credential is None else known.credential.password_hash
        return await self._passwords.matches(password, password_hash, known_device=known.known_device)

    async def finish(self, tx: Tx, known: Known, *, right: bool) -> SignedIn | Unverified | None:
        """Count the attempt and, if it holds, begin a session.

        Whether an attempt counts is decided here, under the lock of its subject: of many guesses made at once, no
        more are looked at than of as many made one after the other.

        Returns:
            None where it is refused. The refusal has to be committed, so it is not raised here.
        """
        row = await sessions.locked_failures(tx, known.subject)
        failures = attempts.Failures(row.in_row, tuple(row.recent), row.blocked_until)
        counted = attempts.counts(failures, tx.now, known_device=known.known_device)
        credential = known.credential
        if credential is None or not (right and counted and await self._still_holds(tx, credential)):
            await self._refuse(tx, known, attempts.after_failure(failures, tx.now, counted=counted))
            return None
        return await self._begin(tx, known.attempt, AccountId(credential.account_id), known.subject)

    async def _still_holds(self, tx: Tx, credential: CredentialRow) -> bool:
        """Whether the password was not changed, nor the account deleted, while the old one was compared."""
        return await accounts.current_hash(tx, credential.account_id) == credential.password_hash

    async def _refuse(self, tx: Tx, known: Known, failures: attempts.Failures) -> None:
        await sessions.set_failures(
            tx,
            known.subject,
            in_row=failures.in_row,
            recent=list(failures.recent),
            blocked_until=failures.blocked_until,
        )
        credential = known.credential
        tx.audit(
            AuditEntry(
                action=AuditAction.ACCOUNT_LOGIN_FAILED,
                target_type="account",
                target_id="unknown" if credential is None else str(credential.account_id),
                after={"in_row": failures.in_row, "known_device": known.known_device},
                severity=Severity.MEDIUM if failures.in_row >= attempts.PER_WINDOW else Severity.LOW,
            )
        )

    async def _begin(self, tx: Tx, attempt: Attempt, account_id: AccountId, subject: UUID) -> SignedIn | Unverified:
        await sessions.set_failures(tx, subject, in_row=0, recent=[], blocked_until=None)
        if subject != account_id:  # a success anywhere ends the row of failures, not the delays of strangers
            await sessions.end_failure_row(tx, account_id)
        account = await own(tx, account_id)
        if self._policy.require_verification and not account.email_verified:
            return Unverified()
        signed_in = await begin_session(tx, account, attempt.device, self._policy.refresh_lifetime)
        await accounts.seen(tx, account_id)
        tx.record(
            AccountLoggedIn(account_id=account_id, session_id=signed_in.session_id, new_device=signed_in.new_device)
        )
        tx.audit(
            AuditEntry(
                action=AuditAction.ACCOUNT_LOGIN,
                target_type="account",
                target_id=str(account_id),
                after={"session_id": str(signed_in.session_id), "new_device": signed_in.new_device},
            )
        )
        return signed_in
