"""Settings of accounts: passwords, tokens and the keys behind them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import SecretStr

from agon.platform.settings.declare import Group, setting
from agon.platform.settings.problems import Finding
from agon.platform.settings.values import (
    GUESSABLE,
    HOW_TO_MAKE_ONE,
    LocalPath,
    WebUrl,
    any_case,
    guessable,
)

PRODUCTION_BCRYPT_COST = 12
"""About a quarter of a CPU second a hash: what OWASP and we ask for at least."""

_HOW_TO_MAKE_A_KEYRING = (
    """(umask 077; printf '{"current":"1","keys":{"1":"%s"}}' "$(openssl rand -base64 32)" > keyring.json)"""
)


class Registration(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    CLOSED = "closed"


class AccountSettings(Group):
    """Sign-up, passwords, tokens and the keys behind them."""

    registration: Annotated[Registration, any_case] = setting(
        Registration.OPEN, "Whether anyone may make an account, or only the holder of an invite code."
    )
    require_verification: bool = setting(
        default=False, description="Whether an account can be used only once its e-mail address is verified."
    )
    password_minimum: int = setting(8, "The fewest characters of a password.", minimum=8, maximum=15, unit="characters")
    bcrypt_cost: int = setting(
        12,
        "The cost of a password hash: one more doubles the time. Production needs 12; tests may use 4.",
        minimum=4,
        maximum=16,
    )
    hash_threads: int = setting(2, "How many passwords are hashed at the same time.", minimum=1, maximum=64)
    hash_queue_limit: int = setting(
        16, "How many sign-ins may wait for a hash; more are answered with 503.", minimum=0, maximum=10_000
    )
    access_token_seconds: int = setting(900, "The life of an access token.", minimum=60, maximum=86_400)
    refresh_days: int = setting(30, "The life of a refresh token.", minimum=1, maximum=365)
    refresh_grace_seconds: int = setting(
        10,
        "How long a used refresh token still gives its successor again, for answers that were lost; later it counts "
        "as stolen.",
        minimum=0,
        maximum=60,
    )
    issuer: WebUrl = setting("http://127.0.0.1:8000", "The `iss` of access tokens.", default_text="`base_url`")
    audience: str = setting("agon", "The `aud` of access tokens.")
    token_cache_seconds: int = setting(
        60, "How long a verified token is remembered, so that its signature is checked once.", minimum=0, maximum=60
    )
    revocation_poll_ms: int = setting(
        500, "How often revoked sign-ins are looked up; they take effect within a second.", minimum=50, maximum=1000
    )
    signing_key: SecretStr | None = setting(
        None,
        "An RSA private key of 3072 bits (PEM) that signs access tokens.",
        default_text="made at the first start and kept encrypted in the database",
        variable="AGON_SIGNING_KEY",
    )
    pepper: SecretStr | None = setting(
        None,
        "The secret mixed into every password hash; without it no password can be checked, so back it up.",
        default_text="none in production, which requires one; otherwise made in the data directory",
    )
    keyring_file: LocalPath | None = setting(
        None,
        "The file with the keys that seal secrets in the database, readable by its owner only; back it up.",
        example="/run/secrets/keyring.json",
        default_text="none in production, which requires one; otherwise `keyring.json` in the data directory, made at "
        "the first start",
    )

    def findings(self, *, production: bool) -> Iterable[Finding]:
        if production:
            yield from self._refused_in_production()

    def _refused_in_production(self) -> Iterable[Finding]:
        if self.bcrypt_cost < PRODUCTION_BCRYPT_COST:
            yield Finding(
                ("accounts.bcrypt_cost",),
                f"is {self.bcrypt_cost}, too cheap to guess against",
                f"Give at least {PRODUCTION_BCRYPT_COST} in production.",
            )
        if self.pepper is None:
            yield Finding(
                ("accounts.pepper",),
                "is missing, and production does not make its own",
                f"Set AGON_ACCOUNTS_PEPPER_FILE to a file that holds one; {HOW_TO_MAKE_ONE}.",
            )
        elif guessable(self.pepper):
            yield Finding(("accounts.pepper",), GUESSABLE, f"Give a random value; {HOW_TO_MAKE_ONE}.")
        if self.keyring_file is None or not self.keyring_file.is_file():
            missing = "is missing" if self.keyring_file is None else "names a file that is not there"
            yield Finding(
                ("accounts.keyring_file",),
                f"{missing}, and production does not make its own",
                f"Name the file that holds the keys. For a new installation make one: {_HOW_TO_MAKE_A_KEYRING}",
            )
