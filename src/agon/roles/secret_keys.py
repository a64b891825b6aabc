"""The master secrets of an installation: from the settings, or made in the data directory."""

import hashlib
from pathlib import Path

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
    """The keys of this installation.

    A keyring in the settings is the text of a keyring file, or any secret text, which then is the only key.

    Raises:
        KeyringInvalid: a file of the data directory cannot be used; the message says why and what to do.
    """
    accounts = settings.accounts
    folder = settings.data_dir / "keys"
    if accounts.keyring is None:
        keyring = Keyring.load_or_create(folder / "keyring.json")
    else:
        keyring = _given(accounts.keyring.get_secret_value(), folder)
    if accounts.pepper is None:
        peppers = Keyring.load_or_create(folder / "pepper.json")
        pepper = peppers.keys[peppers.current]
    else:
        pepper = _from_text(accounts.pepper.get_secret_value())
    return SecretKeys(keyring.box("stored-secrets"), derive_key(pepper, "password"), derive_key(pepper, "refresh"))


class _Document(msgspec.Struct):
    current: str
    keys: dict[str, bytes]


def _given(text: str, folder: Path) -> Keyring:
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.DecodeError:
        return Keyring(folder, {"settings": _from_text(text)}, "settings")
    return Keyring(folder, document.keys, document.current)


def _from_text(text: str) -> bytes:
    return hashlib.sha256(text.strip().encode()).digest()
