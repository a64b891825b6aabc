"""What an installation decides about its accounts."""

from datetime import timedelta

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that settings change."""

    issuer: str
    """The `iss` of access tokens, this installation's address."""
    audience: str = "agon"
    registration_open: bool = True
    require_verification: bool = False
    """Whether an account can be used only once its e-mail address is verified."""
    password_minimum: int = 8
    locale: str = "en"
    """The language of a new account."""
    access_lifetime: timedelta = timedelta(minutes=15)
    refresh_lifetime: timedelta = timedelta(days=30)
    refresh_grace: timedelta = timedelta(seconds=10)
    """How long a used refresh token still gives its successor again, for answers that were lost."""
    setup_lifetime: timedelta = timedelta(hours=1)
