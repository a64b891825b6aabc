"""New accounts."""

import random
from collections.abc import Iterator

import msgspec

from agon.contracts.accounts import AccountId, AccountLoggedIn, AccountRegistered, NewAccount, OnAccountCreated
from agon.contracts.audit import AuditAction
from agon.domains.accounts.errors import AuthValidationError, RegistrationClosed, UsernameTaken
from agon.domains.accounts.repository import accounts
from agon.domains.accounts.rules import names
from agon.domains.accounts.service.account import own
from agon.domains.accounts.service.passwords import Passwords
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.signed_in import SignedIn, begin_session
from agon.kernel.audit import AuditEntry
from agon.kernel.ids import new_id
from agon.kernel.tx import Tx


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may have an account: names that were checked, and the hash of a password that was."""

    email: str
    display_name: str
    password_hash: str
    username: str | None = None
    """Derived from the display name when not given."""
    device: str | None = None
    """The mark that the device keeps."""


class Registration:
    """Makes accounts.

    Args:
        policy: who may have one.
        passwords: hashes theirs.
        hooks: add the parts of other domains to each new account, in its transaction.
        chance: numbers derived usernames.
    """

    def __init__(
        self, policy: Policy, passwords: Passwords, hooks: tuple[OnAccountCreated, ...], chance: random.Random
    ) -> None:
        self._policy = policy
        self._passwords = passwords
        self._hooks = hooks
        self._chance = chance

    def check_open(self) -> None:
        """Refuse new accounts where registration is closed.

        Raises:
            RegistrationClosed: it is.
        """
        if not self._policy.registration_open:
            raise RegistrationClosed

    async def applicant(
        self, *, email: str, password: str, display_name: str, username: str | None = None, device: str | None = None
    ) -> Applicant:
        """Check what somebody wants to be called, and hash their password; needs no transaction, and takes a while.

        Raises:
            AuthValidationError: a name is not acceptable.
            WeakPassword: the password is easy to guess.
            AuthBusy: too many passwords wait to be hashed.
        """
        display_name = names.tidy_display_name(display_name)
        errors = names.email_errors(email) + names.display_name_errors(display_name)
        if username is not None:
            errors += names.username_errors(username)
        if errors:
            raise AuthValidationError(errors=errors)
        self._passwords.check_strength(password, email=email, username=username)
        password_hash = await self._passwords.hash(password)
        return Applicant(
            email=email, display_name=display_name, password_hash=password_hash, username=username, device=device
        )

    async def register(self, tx: Tx, applicant: Applicant) -> SignedIn | None:
        """Make an account, and sign it in; None where the address has to be verified first.

        With verification required, an address that is known already gives None as well, and nothing happens.

        Raises:
            EmailTaken: there is an account with this address (without verification required).
            UsernameTaken: there is one with this name.
        """
        if not self._policy.require_verification:
            account_id = await self.add(tx, applicant, verified=False)
            return await self.sign_in(tx, account_id, applicant.device)
        if applicant.username is not None and await accounts.taken_usernames(tx, [applicant.username]):
            raise UsernameTaken  # asked first, so that it is told whether or not the address is known
        if not await accounts.email_taken(tx, applicant.email):
            await self.add(tx, applicant, verified=False)
        return None

    async def add(self, tx: Tx, applicant: Applicant, *, verified: bool) -> AccountId:
        """Make an account with all its parts; `verified` says whether its address is taken as proven.

        Raises:
            EmailTaken: there is an account with this address.
            UsernameTaken: there is one with this name.
        """
        account_id = AccountId(new_id())
        username = await self._named(tx, account_id, applicant, verified=verified)
        await accounts.add_credential(tx, account_id, applicant.password_hash)
        created = NewAccount(account_id, username, applicant.display_name, tx.now)
        for hook in self._hooks:
            await hook(tx, created)
        tx.record(AccountRegistered(account_id=account_id))
        tx.audit(
            AuditEntry(
                action=AuditAction.ACCOUNT_REGISTER,
                target_type="account",
                target_id=str(account_id),
                after={"username": username},
            )
        )
        return account_id

    async def _named(self, tx: Tx, account_id: AccountId, applicant: Applicant, *, verified: bool) -> str:
        """Store the account under the first name that is free."""
        for username in await self._usernames(tx, applicant):
            if await accounts.add(
                tx,
                account_id,
                email=applicant.email,
                username=username,
                locale=self._policy.locale,
                verified_at=tx.now if verified else None,
            ):
                return username
        raise UsernameTaken

    async def _usernames(self, tx: Tx, applicant: Applicant) -> Iterator[str]:
        if applicant.username is not None:
            return iter((applicant.username,))
        offered = list(names.derived_usernames(applicant.display_name, self._chance))
        taken = await accounts.taken_usernames(tx, offered)
        return (name for name in offered if name.lower() not in taken)

    async def sign_in(self, tx: Tx, account_id: AccountId, device: str | None) -> SignedIn:
        """Begin the first session of a new account."""
        account = await own(tx, account_id)
        signed_in = await begin_session(tx, account, device, self._policy.refresh_lifetime)
        tx.record(AccountLoggedIn(account_id=account_id, session_id=signed_in.session_id, new_device=False))
        return signed_in
