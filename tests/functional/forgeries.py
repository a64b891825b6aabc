"""Access tokens that must not be taken: some that anybody could make, and some that are the program's own for another
purpose, signed with its real key."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey

from tests.functional.people import Person
from tests.functional.tokens import claims_of, encoded, header_of, sign, stranger

Forgery = tuple[str, str]
"""What it is, and the token."""


class Forger:
    """Makes forgeries of a person's token.

    Args:
        person: whose token it is; an administrator, to make it worth while.
        other: somebody else.
        kid: the name of the program's key.
        key: the program's private key.
    """

    def __init__(self, person: Person, other: Person, kid: str, key: RSAKey) -> None:
        self._person, self._other = person, other
        self._kid, self._key = kid, key
        self._header = {**header_of(person.access_token), "kid": kid}
        self._claims = claims_of(person.access_token)

    def genuine(self) -> str:
        """A token that is taken: signed here, like the others, and with nothing wrong."""
        return self._signed(claims={"jti": str(uuid.uuid4())})

    def all(self) -> list[Forgery]:
        return [
            *self._without_signature(),
            *self._with_the_public_key_as_secret(),
            *self._other_algorithms(),
            *self._other_headers(),
            *self._other_keys(),
            *self._other_claims(),
            *self._other_people(),
            *self._damaged(),
            *self._no_tokens(),
        ]

    def _signed(self, *, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None) -> str:
        """The program's own signature over changed parts; a value of None takes the part out."""
        return sign(_changed(self._header, header), _changed(self._claims, claims), self._key)

    def _without_signature(self) -> Iterator[Forgery]:
        _, payload, signature = self._person.access_token.split(".")
        for name in ("none", "None", "NONE", "nOnE", "", " RS256", "rs256"):
            header = encoded({**self._header, "alg": name})
            yield f"alg {name!r} without a signature", f"{header}.{payload}."
            yield f"alg {name!r} with the signature of RS256", f"{header}.{payload}.{signature}"
        yield "no alg", self._signed(header={"alg": None})

    def _with_the_public_key_as_secret(self) -> Iterator[Forgery]:
        public = self._private.public_key()
        spki = PublicFormat.SubjectPublicKeyInfo
        jwk = self._key.as_dict(private=False)
        secrets = {
            "PEM": public.public_bytes(Encoding.PEM, spki),
            "PEM without its last line end": public.public_bytes(Encoding.PEM, spki).strip(),
            "DER": public.public_bytes(Encoding.DER, spki),
            "PKCS 1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            "JWK": json.dumps(jwk).encode(),
            "modulus": str(jwk["n"]).encode(),
            "kid": self._kid.encode(),
            "nothing": b"",
        }
        for name, secret in secrets.items():
            text = f"{encoded({**self._header, 'alg': 'HS256'})}.{encoded(self._claims)}"
            yield f"HS256 with {name}", f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    @property
    def _private(self) -> RSAPrivateKey:
        assert isinstance(self._key.raw_value, RSAPrivateKey)
        return self._key.raw_value

    def _other_algorithms(self) -> Iterator[Forgery]:
        for name in ("RS384", "RS512", "PS256", "ES256", "EdDSA", "RSA-OAEP", "dir", "HS256"):
            yield f"{name} in the header only", self._signed(header={"alg": name})
        text = f"{encoded({**self._header, 'alg': 'PS256'})}.{encoded(self._claims)}"
        pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
        yield "PS256 with our key", f"{text}.{encoded(self._private.sign(text.encode(), pss, SHA256()))}"
        text = f"{encoded({**self._header, 'alg': 'RS512'})}.{encoded(self._claims)}"
        long = self._private.sign(text.encode(), padding.PKCS1v15(), SHA512())
        yield "RS512 with our key", f"{text}.{encoded(long)}"

    def _other_headers(self) -> Iterator[Forgery]:
        theirs = stranger().as_dict(private=False)
        more = {
            "jku": "https://evil.test/jwks.json",
            "jwk": theirs,
            "x5u": "https://evil.test/cert.pem",
            "x5c": ["MIIB"],
            "crit": ["exp"],
            "zip": "DEF",
            "cty": "JWT",
            "b64": False,
        }
        for name, value in more.items():
            header = {**self._header, name: value}
            yield f"{name}, signed by a stranger", sign(header, self._claims, stranger())
            yield f"{name}, signed by us", sign(header, self._claims, self._key)
        for value in (None, "JWT", "id+jwt", "", 1, "at+jwt\x00", ["at+jwt"]):
            yield f"typ {value!r}", self._signed(header={"typ": value})

    def _other_keys(self) -> Iterator[Forgery]:
        yield "a stranger's signature", sign(self._header, self._claims, stranger())
        yield (
            "a stranger's key by its own name",
            sign({**self._header, "kid": stranger().thumbprint()}, self._claims, stranger()),
        )
        for kid in (
            None,
            "",
            1,
            ["x"],
            "../../../../dev/null",
            "' or '1'='1",
            "\x00",
            "é",
            "A" * 3000,
            f"{self._kid} ",
        ):
            yield f"kid {str(kid)[:24]!r}", self._signed(header={"kid": kid})

    def _other_claims(self) -> Iterator[Forgery]:
        now = int(time.time())
        issuer = str(self._claims["iss"])
        wrong: dict[str, tuple[Any, ...]] = {
            "iss": (None, "", f"{issuer}/", issuer.upper(), f"{issuer}.evil.test", [issuer], 1),
            "aud": (None, "", "other", "AGON", ["agon", "other"], ["agon"]),
            "exp": (None, now - 10, 0, -1, str(now + 900), True, [now + 900], now + 900.5),
            "iat": (None, now + 60, str(now), []),
            "nbf": (now + 60, str(now), {}),
            "jti": (None, "", 1),
        }
        for name, values in wrong.items():
            for value in values:
                yield f"{name} {str(value)[:24]!r}", self._signed(claims={name: value})
        yield "claims of an identity token", self._signed(claims={"sid": None, "roles": None, "nonce": "x"})

    def _other_people(self) -> Iterator[Forgery]:
        theirs = claims_of(self._other.access_token)
        nobody = str(uuid.uuid4())
        yield "another's account in a claim", self._signed(claims={"user_id": theirs["user_id"]})
        yield "another's account in the subject", self._signed(claims={"sub": theirs["sub"]})
        yield "another's session", self._signed(claims={"sid": theirs["sid"]})
        yield (
            "another's account with this session",
            self._signed(claims={"sub": theirs["sub"], "user_id": theirs["sub"]}),
        )
        yield "nobody's session", self._signed(claims={"sid": nobody})
        yield "nobody's account", self._signed(claims={"sub": nobody, "user_id": nobody})
        for name in ("sub", "sid", "user_id"):
            for value in (None, "", 1, "' or '1'='1", ["x"]):
                yield f"{name} {value!r}", self._signed(claims={name: value})

    def _damaged(self) -> Iterator[Forgery]:
        header, payload, signature = self._person.access_token.split(".")
        other = self._other.access_token.rpartition(".")[2]
        promoted = encoded({**self._claims, "roles": ["admin"], "exp": int(time.time()) + 10**6})
        raw = base64.urlsafe_b64decode(signature)
        yield "changed claims under the old signature", f"{header}.{promoted}.{signature}"
        yield "another token's signature", f"{header}.{payload}.{other}"
        yield "no signature", f"{header}.{payload}."
        yield "half a signature", f"{header}.{payload}.{signature[: len(signature) // 2]}"
        yield "one bit less", f"{header}.{payload}.{encoded(raw[:-1] + bytes([raw[-1] ^ 1]))}"
        yield "one byte more", f"{header}.{payload}.{encoded(raw + b'x')}"
        yield "zeros", f"{header}.{payload}.{encoded(bytes(len(raw)))}"
        yield "two parts", f"{header}.{payload}"
        yield "four parts", f"{header}.{payload}.{signature}.{signature}"
        yield "five parts", f"{header}.{payload}.{signature}.{signature}.{signature}"
        yield "padding", f"{header}=.{payload}.{signature}="
        yield "a space inside", f"{header} .{payload}.{signature}"
        yield "a header that is a list", f"{encoded(b'[]')}.{payload}.{signature}"
        yield "a header that is no JSON", f"{encoded(b'{')}.{payload}.{signature}"
        yield "a very deep header", f"{encoded(b'[' * 2000)}.{payload}.{signature}"
        twice = encoded(b'{"alg":"RS256","alg":"none","typ":"at+jwt","kid":"x"}')
        yield "alg twice", f"{twice}.{payload}."
        yield "a payload that is no JSON", sign(self._header, b"\xff\xfe{}", self._key)
        yield "a payload that is a list", sign(self._header, b"[]", self._key)
        yield "a token in a token", sign(self._header, self._person.access_token.encode(), self._key)
        yield "the flattened form", encoded({"protected": header, "payload": payload, "signature": signature})
        yield "too long", self._signed(claims={"padding": "x" * 8000})

    def _no_tokens(self) -> Iterator[Forgery]:
        yield "a refresh token", self._person.refresh_token
        yield "a device", self._person.device
        yield "an account", self._person.account_id
        yield "a password", "a"
        yield "dots", ".."
        yield "null", "null"


def _changed(part: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**part, **(changes or {})}.items() if value is not None}
