"""Signing keys as they are stored: made, imported, rotated."""

import asyncio
from datetime import datetime, timedelta

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from agon.contracts.audit import AuditAction
from agon.domains.accounts.repository import keys
from agon.domains.accounts.rules.claims import ALGORITHM
from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.tx import ReadTx, Tx
from agon.platform.crypto import SecretBox

TAG = "signing_keys"
"""Invalidation tag: the set of keys has changed."""
KEY_BITS = 3072
_MARGIN = timedelta(minutes=5)
"""How much longer than a token's life a retired key is published: other processes may sign with it for a moment."""


class SigningKeyInvalid(Exception):
    """A key to import is not an RSA private key of at least 3072 bits."""


class SigningKey(msgspec.Struct, frozen=True):
    """A published key; only the one that signs comes with its private half."""

    kid: str
    public: RSAKey
    private: RSAKey | None


class KeyStore:
    """The verbs on stored keys. Private keys are sealed, each for its own `kid`.

    Args:
        box: seals them.
        token_lifetime: how long tokens live.
    """

    def __init__(self, box: SecretBox, token_lifetime: timedelta) -> None:
        self._box = box
        self._published_for = token_lifetime + _MARGIN

    async def ensure(self, tx: Tx) -> None:
        """Make the first key, where there is none that signs."""
        if await keys.current(tx) is None:
            await self._add(tx, await asyncio.to_thread(_generated))

    async def rotate(self, tx: Tx) -> str:
        """Make a new key that signs from now on; the old one verifies until its last token has expired.

        Returns:
            The `kid` of the key that signs now.
        """
        return await self._replace(tx, await asyncio.to_thread(_generated))

    async def import_pem(self, tx: Tx, pem: bytes) -> str:
        """Sign with a given key from now on; nothing changes where it does already.

        Args:
            tx: the transaction.
            pem: an RSA private key of at least 3072 bits, unencrypted.

        Raises:
            SigningKeyInvalid: it is something else.
        """
        key = await asyncio.to_thread(_imported, pem)
        if await keys.current(tx) == _kid(key):
            return _kid(key)
        return await self._replace(tx, key)

    async def _replace(self, tx: Tx, key: RSAKey) -> str:
        before = await keys.retire(tx)
        added = await self._add(tx, key)
        after = await keys.current(tx)
        if after is None:
            message = (
                "the signing key that is given was retired by a rotation and cannot sign again: give a new one, or none"
            )
            raise SigningKeyInvalid(message)
        if added:
            tx.audit(
                AuditEntry(
                    action=AuditAction.SIGNING_KEY_ROTATE,
                    target_type="signing_key",
                    target_id=after,
                    before={"kid": before},
                    after={"kid": after},
                    severity=Severity.HIGH,
                )
            )
        return after

    async def _add(self, tx: Tx, key: RSAKey) -> bool:
        kid = _kid(key)
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
        sealed = self._box.seal(key.as_pem(private=True), context=_context(kid))
        tx.invalidate(TAG)
        return await keys.add(tx, kid, msgspec.json.encode(public).decode(), sealed)

    async def published(self, tx: ReadTx, known: dict[str, SigningKey]) -> list[SigningKey]:
        """Every key that tokens are verified with; the one that signs comes first, where there is one.

        Args:
            tx: the means to read.
            known: keys read before, which are not opened again.
        """
        rows = await keys.published(tx, self.retired_after(tx.now))
        found: list[SigningKey] = []
        for row in sorted(rows, key=lambda row: row.retired_at is not None):
            signs = row.retired_at is None
            before = known.get(row.kid)
            if before is not None and signs == (before.private is not None):
                found.append(before)
                continue
            public = RSAKey.import_key(msgspec.json.decode(row.public_jwk))
            private = await asyncio.to_thread(self._opened, row.kid, row.sealed_private_key) if signs else None
            found.append(SigningKey(row.kid, public, private))
        return found

    def _opened(self, kid: str, sealed: bytes) -> RSAKey:
        return RSAKey.import_key(self._box.open(sealed, context=_context(kid)))

    def retired_after(self, now: datetime) -> datetime:
        """Keys retired before this moment are published no more."""
        return now - self._published_for


def _generated() -> RSAKey:
    return RSAKey.generate_key(KEY_BITS)


def _imported(pem: bytes) -> RSAKey:
    try:
        key = RSAKey.import_key(pem)
    except (ValueError, TypeError, JoseError) as error:
        message = "the signing key is not an unencrypted RSA private key in PEM"
        raise SigningKeyInvalid(message) from error
    if not key.is_private or key.raw_value.key_size < KEY_BITS:
        message = f"the signing key has to be a private one of at least {KEY_BITS} bits"
        raise SigningKeyInvalid(message)
    return key


def _kid(key: RSAKey) -> str:
    """The key's name: its thumbprint with SHA-256 (RFC 7638)."""
    return key.thumbprint()


def _context(kid: str) -> bytes:
    return f"signing_key:{kid}".encode()
