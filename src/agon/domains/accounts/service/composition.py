"""The accounts of an installation, put together from plain parameters."""

import random
from collections.abc import Callable
from datetime import datetime

from agon.contracts.accounts import OnAccountCreated
from agon.domains.accounts.service.authenticator import TokenAuthenticator
from agon.domains.accounts.service.keys import KeyStore
from agon.domains.accounts.service.login import Login
from agon.domains.accounts.service.passwords import HashOptions, Passwords
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.published import PublishedKeys, Reader
from agon.domains.accounts.service.refresh import Refresh
from agon.domains.accounts.service.registration import Registration
from agon.domains.accounts.service.setup import Setup
from agon.domains.accounts.service.signed_in import SignedIn
from agon.domains.accounts.service.tokens import AccessTokens
from agon.kernel.clock import Clock
from agon.platform.crypto import SecretBox


class Accounts:
    """Everything that accounts can do, for endpoints, pages and commands.

    Args:
        policy: what the installation decides.
        pepper: the secret mixed into every password hash.
        hashing: how passwords are hashed.
        box: seals signing keys.
        refresh_key: derives refresh tokens from those before them.
        clock: tells the time.
        read: runs a read on the primary database.
        fresh: whether everything committed more than so many seconds ago has been seen by this process.
        hooks: add the parts of other domains to new accounts.
        token_memory: seconds for which verified tokens are remembered, at most 60.
        chance: numbers derived usernames.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        pepper: bytes,
        hashing: HashOptions,
        box: SecretBox,
        refresh_key: bytes,
        clock: Clock,
        read: Reader,
        fresh: Callable[[float], bool],
        hooks: tuple[OnAccountCreated, ...] = (),
        token_memory: float = 60.0,
        chance: random.Random | None = None,
    ) -> None:
        self.policy = policy
        self.passwords = Passwords(pepper, hashing, policy.password_minimum)
        self.keys = KeyStore(box, policy.access_lifetime)
        self.published = PublishedKeys(self.keys, read)
        self.tokens = AccessTokens(self.published, policy)
        self.authenticator = TokenAuthenticator(
            self.tokens, self.published, read, clock, fresh, maximum_age=token_memory
        )
        self.registration = Registration(policy, self.passwords, hooks, chance or random.SystemRandom())
        self.login = Login(policy, self.passwords)
        self.refresh = Refresh(refresh_key, policy)
        self.setup = Setup(policy, self.registration)
        self._clock = clock

    @property
    def now(self) -> datetime:
        return self._clock.now()

    async def access_token(self, signed_in: SignedIn) -> str:
        """Sign the access token of a sign-in, after its commit.

        Raises:
            NoSigningKey: no key was ever made.
        """
        return await self.tokens.sign(signed_in, self._clock.now())

    def close(self) -> None:
        """Stop the threads that hash."""
        self.passwords.close()
