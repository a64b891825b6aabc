"""What a password has to be, and how it is prepared for hashing."""

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Container

from agon.kernel.errors import FieldError

LONGEST = 256
"""Characters after NFC."""
LONGEST_GIVEN = 1024
"""Characters as sent: NFC makes one of at most four."""


def normalized(password: str) -> str:
    """The password as it is compared: NFC (Unicode Standard Annex 15), otherwise unchanged."""
    return unicodedata.normalize("NFC", password)


def weaknesses(
    password: str, *, minimum: int, common: Container[str], email: str | None, username: str | None
) -> tuple[FieldError, ...]:
    """Why a password is refused; nothing where it is fine.

    Args:
        password: as given.
        minimum: the fewest characters after NFC.
        common: the most common passwords, in lower case.
        email: the address of the account.
        username: the name of the account.
    """
    text = normalized(password)
    found: list[FieldError] = []
    if len(text) < minimum:
        found.append(FieldError("password", "too_short", f"It needs at least {minimum} characters."))
    if len(text) > LONGEST:
        found.append(FieldError("password", "too_long", f"It may have at most {LONGEST} characters."))
    if text.lower() in common:
        found.append(FieldError("password", "too_common", "It is one of the most common passwords."))
    if text.casefold() in {normalized(name).casefold() for name in (email, username) if name}:
        found.append(FieldError("password", "same_as_name", "It is the same as the e-mail address or username."))
    return tuple(found)


def prehash(pepper: bytes, password: str) -> bytes:
    """What bcrypt is given: base64(HMAC-SHA-256(pepper, NFC(password))), 44 bytes.

    This lifts bcrypt's limit of 72 bytes and its stop at NUL, and binds the hash to the pepper. Any text is taken,
    lone surrogates too, and no two different ones give the same bytes.
    """
    encoded = normalized(password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.new(pepper, encoded, hashlib.sha256).digest())
