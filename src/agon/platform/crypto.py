"""Secrets: sealed values, keyed hashes, tokens, and the file that keeps the keys."""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SecretUnreadable(Exception):
    """A sealed value cannot be opened."""


class KeyUnknown(SecretUnreadable):
    """It was sealed with a key that is not here."""


class SealBroken(SecretUnreadable):
    """It was altered, or sealed for another context."""


class KeyringInvalid(Exception):
    """The keyring file cannot be used; the message says why and what to do."""


class SecretBox:
    """Seals short secrets for storage with AES-256-GCM (NIST SP 800-38D).

    The sealed form is: version (1 byte), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext and tag.
    So a value sealed with an older key opens as long as that key is kept. Nonces are random: a key seals at most 2^32
    values.

    Args:
        keys: key id → 32 bytes.
        current: the id of the key that seals.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        _check_keys(keys, current)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = current

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        """Encrypt with the current key.

        Args:
            plain: the secret.
            context: what the secret belongs to (`totp:{account_id}`); it opens with the same context only, so a sealed
                value copied to another row does not.
        """
        key_id = self._current.encode()
        header = bytes((_VERSION, len(key_id))) + key_id
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._ciphers[self._current].encrypt(nonce, plain, header + context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            KeyUnknown: the key it was sealed with is not among the keys.
            SealBroken: it was altered, is not a sealed value, or the context is another.
        """
        if len(sealed) < 2 or sealed[0] != _VERSION:
            message = "not a sealed value of a known version"
            raise SealBroken(message)
        end = 2 + sealed[1]
        header, nonce, body = sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
        if len(body) < _TAG_BYTES:
            message = "the sealed value is cut short"
            raise SealBroken(message)
        cipher = self._ciphers.get(header[2:].decode("ascii", "replace"))
        if cipher is None:
            message = "sealed with a key that is not in the keyring"
            raise KeyUnknown(message)
        try:
            return cipher.decrypt(nonce, body, header + context)
        except InvalidTag as error:
            message = "altered, or sealed for another context"
            raise SealBroken(message) from error


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    """A keyed hash of the parts; each is framed by its length, so no two lists of parts are the same input."""
    state = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def derive_key(master: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF with SHA-256, RFC 5869); keys of other purposes tell nothing about it.

    Args:
        master: at least 32 random bytes, not a password.
        purpose: a name such as `totp`.
    """
    if len(master) < KEY_BYTES:
        message = f"a master key has at least {KEY_BYTES} bytes"
        raise ValueError(message)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"agon:{purpose}".encode()).derive(master)


def token() -> str:
    """A new secret of 256 bits in 43 characters that are safe in addresses."""
    return secrets.token_urlsafe(KEY_BYTES)


def digest(secret: str) -> bytes:
    """What is stored in place of a token: its SHA-256. For secrets of full entropy only, never for passwords."""
    return hashlib.sha256(secret.encode()).digest()


def equal(left: bytes, right: bytes) -> bool:
    """Compare in a time that does not depend on where the two differ."""
    return hmac.compare_digest(left, right)


class _Document(msgspec.Struct):
    current: str
    keys: dict[str, bytes]  # base64 in the file


class Keyring:
    """The master keys of an installation, kept in a file that only its owner can read.

    The file is JSON, `{"current": id, "keys": {id: base64}}`. Without it every sealed secret is lost: back it up, apart
    from the database.
    """

    def __init__(self, path: Path, keys: Mapping[str, bytes], current: str) -> None:
        _check_keys(keys, current)
        self.path = path
        self.keys = dict(keys)
        self.current = current

    @classmethod
    def load_or_create(cls, path: Path) -> "Keyring":
        """Read the file, or make it with one new key; of several processes at once one makes it, all read the same.

        Raises:
            KeyringInvalid: it is open to other users, is not a keyring, or holds a key of a wrong length.
        """
        try:
            return cls._load(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path):
            try:
                return cls._load(path)
            except FileNotFoundError:
                return cls._with_new_key(path, {})

    def rotate(self) -> "Keyring":
        """Add a new key to the file and seal with it from now on; the older ones stay to open what they sealed.

        A process that is running keeps the keys it has read: restart all of them after this.
        """
        with _locked(self.path):
            return self._with_new_key(self.path, self._load(self.path).keys)

    def box(self, purpose: str) -> SecretBox:
        """Means to seal the secrets of one purpose, with keys derived for it alone."""
        return SecretBox({key_id: derive_key(key, purpose) for key_id, key in self.keys.items()}, self.current)

    @classmethod
    def _load(cls, path: Path) -> "Keyring":
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                message = f"{path} can be read by other users (mode {mode:04o}); run: chmod 600 {path}"
                raise KeyringInvalid(message)
            content = file.read()
        try:
            document = msgspec.json.decode(content, type=_Document)
            return cls(path, document.keys, document.current)
        except (msgspec.DecodeError, ValueError) as error:
            message = f"{path} is not a keyring ({error}); restore it from a backup, a new one opens no stored secret"
            raise KeyringInvalid(message) from error

    @classmethod
    def _with_new_key(cls, path: Path, older: Mapping[str, bytes]) -> "Keyring":
        key_id = secrets.token_hex(4)
        keyring = cls(path, {**older, key_id: os.urandom(KEY_BYTES)}, key_id)
        _write(path, msgspec.json.format(msgspec.json.encode(_Document(keyring.current, keyring.keys))))
        return keyring


def _write(path: Path, content: bytes) -> None:
    """Replace the file as a whole; whoever reads it meanwhile, or after a power cut, sees the old or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename must survive as well, or sealed secrets would outlive their key
    finally:
        os.close(folder)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One process at a time changes the keyring; the lock goes with the process, however it ends."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _check_keys(keys: Mapping[str, bytes], current: str) -> None:
    if current not in keys:
        message = f"the current key {current!r} is not among the keys"
        raise ValueError(message)
    for key_id, key in keys.items():
        if not _KEY_ID.fullmatch(key_id) or len(key) != KEY_BYTES:
            message = f"key {key_id!r} must have a short plain id and {KEY_BYTES} bytes"
            raise ValueError(message)
