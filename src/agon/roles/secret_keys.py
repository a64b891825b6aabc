"""The master secrets of an installation: from the settings, or made in the data directory."""

import hashlib

import msgspec

from agon.platform.crypto import Keyring, SecretBox, derive_key
from agon.platform.settings.model import Settings


class SecretKeys(msgspec.Struct, frozen=True):
    """Keys for the parts that need one; each is derived for its purpose alone."""

    box: SecretBox
    """Seals secrets in the database."""
    pepper: bytes
    """Is mixed into every password hash."""
    refresh: bytes
    """Derives refresh tokens from those before them."""


def open_keys(settings: Settings) -> SecretKeys:
    """The keys of this installation; outside production those that the settings do not give are made.

    Raises:
        KeyringInvalid: a file cannot be used; the message says why and what to do.
    """
    accounts = settings.accounts
    keyring = Keyring.load_or_create(accounts.keyring_file or settings.data_dir / "keyring.json")
    if accounts.pepper is None:
        made = Keyring.load_or_create(settings.data_dir / "pepper.json")
        pepper = made.keys[made.current]
    else:
        pepper = hashlib.sha256(accounts.pepper.get_secret_value().strip().encode()).digest()
    return SecretKeys(keyring.box("stored-secrets"), derive_key(pepper, "password"), derive_key(pepper, "refresh"))
