"""Access tokens as the program signs them, and as nobody should be able to."""

import base64
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from tests.functional.people import Person
from tests.functional.stored import Stored


def encoded(part: bytes | Mapping[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(token: str) -> dict[str, Any]:
    return decoded(token.partition(".")[0])


def claims_of(token: str) -> dict[str, Any]:
    return decoded(token.split(".")[1])


def sign(header: Mapping[str, Any], payload: bytes | Mapping[str, Any], key: RSAKey) -> str:
    """A compact JWS (RFC 7515) with an RS256 signature, whatever its header says."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    text = f"{encoded(header)}.{encoded(body)}"
    private = key.raw_value
    assert isinstance(private, RSAPrivateKey)
    return f"{text}.{encoded(private.sign(text.encode(), PKCS1v15(), SHA256()))}"


@lru_cache(maxsize=1)
def stranger() -> RSAKey:
    """A key that is not the program's."""
    return RSAKey.generate_key(3072)


async def expired(person: Person, stored: Stored) -> str:
    """The person's own token, well signed and ten seconds too old."""
    _, key = await stored.signing_key()
    claims = claims_of(person.access_token)
    return sign(header_of(person.access_token), {**claims, "exp": int(time.time()) - 10}, key)


def forged(person: Person) -> str:
    """The person's own token, signed by somebody else."""
    return sign(header_of(person.access_token), claims_of(person.access_token), stranger())
