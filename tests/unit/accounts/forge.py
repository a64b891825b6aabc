"""Tokens as an attacker makes them: by hand, without the library that the program signs with."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: Any) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def signed(key: Any, header: Any, claims: Any, how: str = "RS256") -> str:
    """A token with a header and claims of any kind, signed as `how` says."""
    message = f"{part(header)}.{part(claims)}".encode()
    pkcs = padding.PKCS1v15()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    signature = {
        "RS256": lambda: key.sign(message, pkcs, hashes.SHA256()),
        "RS512": lambda: key.sign(message, pkcs, hashes.SHA512()),
        "PS256": lambda: key.sign(message, pss, hashes.SHA256()),
        "ES256": lambda: key.sign(message, ec.ECDSA(hashes.SHA256())),
        "HS256": lambda: hmac.digest(key, message, hashlib.sha256),
        "none": lambda: b"",
    }[how]()
    return f"{message.decode()}.{b64(signature)}"


def public_forms(key: rsa.RSAPublicKey) -> Iterator[tuple[str, bytes]]:
    """What an attacker may take for the secret of HS256."""
    for encoding in (Encoding.PEM, Encoding.DER):
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
            yield f"{encoding} {form}", key.public_bytes(encoding, form)
    yield "modulus", key.public_numbers().n.to_bytes(384)
    yield "PEM without its last line end", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip()


def forgeries(
    key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any], genuine: str, now: int
) -> Iterator[tuple[str, str]]:
    """Everything that must be refused, by what is wrong with it; those that need it are signed with the true key."""
    yield from _unsigned(header, claims)
    yield from _other_keys(key, header, claims)
    yield from _headers(key, header, claims)
    yield from _claims(key, header, claims, now)
    yield from _shapes(key, header, claims, genuine)


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg {name!r} without signature", signed(None, {**header, "alg": name}, claims, "none")
        yield f"alg {name!r} with a signature", f"{part({**header, 'alg': name})}.{part(claims)}.{b64(b'x' * 384)}"
    yield "RS256 without signature", signed(None, header, claims, "none")
    yield "no alg", signed(None, {k: v for k, v in header.items() if k != "alg"}, claims, "none")


def _other_keys(key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, form in public_forms(key.public_key()):
        yield f"HS256 with the public key as {name}", signed(form, {**header, "alg": "HS256"}, claims, "HS256")
        yield f"HS256 called RS256, {name}", signed(form, header, claims, "HS256")
    yield "HS256 with an empty key", signed(b"", {**header, "alg": "HS256"}, claims, "HS256")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    yield "another RSA key", signed(stranger, header, claims)
    yield "ES256", signed(ec.generate_private_key(ec.SECP256R1()), {**header, "alg": "ES256"}, claims, "ES256")
    for name in ("RS512", "PS256"):
        yield f"{name} with the true key", signed(key, {**header, "alg": name}, claims, name)
        yield f"{name} called RS256", signed(key, header, claims, name)


def _headers(key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    jwk = {"kty": "RSA", "n": b64(key.public_key().public_numbers().n.to_bytes(384)), "e": "AQAB"}
    added: dict[str, Any] = {
        "jku": "https://evil.example/jwks.json",
        "jwk": jwk,
        "x5u": "https://evil.example/cert.pem",
        "x5c": ["AAAA"],
        "x5t": "AAAA",
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "cty": "JWT",
        "nonce": "1",
    }
    for name, value in added.items():
        yield f"header with {name}", signed(key, {**header, name: value}, claims)
    for kid in ("", "unknown", "../../dev/null", "' or 1=1 --", "\x00", 7, None, ["x"], header["kid"] + " "):
        yield f"kid {kid!r}", signed(key, {**header, "kid": kid}, claims)
    yield "no kid", signed(key, {k: v for k, v in header.items() if k != "kid"}, claims)
    for typ in ("JWT", "refresh+jwt", "dpop+jwt", "AT+JWT", "", None):
        yield f"typ {typ!r}", signed(key, {**header, "typ": typ}, claims)
    yield "no typ", signed(key, {k: v for k, v in header.items() if k != "typ"}, claims)
    for value in ([], "text", 1, None, b"{", b"\xff\xfe", b"[" * 2000):
        yield f"header {str(value)[:12]}", signed(key, value, claims)


def _claims(
    key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any], now: int
) -> Iterator[tuple[str, str]]:
    other = "018f7b1e-9f0a-7c3d-8e21-0123456789ab"
    changed: dict[str, list[Any]] = {
        "exp": [now - 6, 0, -1, str(now + 900), None, True, 1e300],
        "nbf": [now + 60, "soon"],
        "iat": [now + 60, "now", None],
        "iss": ["https://evil.example", "", None, [claims["iss"]], claims["iss"] + "/"],
        "aud": ["other", "", None, ["other"], [claims["aud"]], {"agon": 1}],
        "sub": [other, "", None, 7, "admin"],
        "user_id": [other, ""],
        "sid": ["", None, "not an id"],
        "jti": [None, ""],
        "roles": ["admin", None, [1]],
    }
    for name, values in changed.items():
        for value in values:
            yield f"{name} {value!r}", signed(key, header, {**claims, name: value})
        if name != "nbf":
            yield f"no {name}", signed(key, header, {k: v for k, v in claims.items() if k != name})
    for value in ([], "text", 1, None, b"", b"{", b"\xff\xfe", b'{"a":' * 2000):
        yield f"claims {str(value)[:12]}", signed(key, header, value)
    huge = json.dumps(claims).replace(str(claims["exp"]), "9" * 400)
    yield (
        "a life of 10^400 seconds, and an audience of its own",
        signed(key, header, huge.replace('"aud": "', '"aud": "x').encode()),
    )


def _shapes(
    key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any], genuine: str
) -> Iterator[tuple[str, str]]:
    head, body, signature = genuine.split(".")
    shapes = {
        "empty": "",
        "one part": head,
        "two parts": f"{head}.{body}",
        "four parts": f"{genuine}.{signature}",
        "five parts, like an encrypted one": f"{genuine}..",
        "only dots": "..",
        "padding": f"{genuine}=",
        "space before": f" {genuine}",
        "line end": f"{genuine}\n",
        "NUL": f"{genuine}\x00",
        "cut short": genuine[:-1],
        "signature cut short": f"{head}.{body}.{signature[:-4]}",
        "signature longer": f"{head}.{body}.{signature}AAAA",
        "signature of zeros": f"{head}.{body}.{b64(bytes(384))}",
        "signature in standard base64": f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}=",
        "not base64": "ä.ö.ü",
        "very long": genuine + "A" * 100_000,
        "JSON serialization": json.dumps({"protected": head, "payload": body, "signature": signature}),
    }
    yield from shapes.items()
    for index in (0, 100, 255, 511):
        flipped = "B" if signature[index] == "A" else "A"
        yield f"signature changed at {index}", f"{head}.{body}.{signature[:index]}{flipped}{signature[index + 1 :]}"
    admin = part({**claims, "roles": ["admin", "player"]})
    yield "another payload under the signature", f"{head}.{admin}.{signature}"
    yield "another header under the signature", f"{part({**header, 'kid': 'x'})}.{body}.{signature}"
    spaced = b64(json.dumps(claims, indent=1).encode())
    yield "the payload written otherwise", f"{head}.{spaced}.{signature}"
    yield "a token twice", f"{genuine}.{genuine}"
    yield "a refresh token", b64(hashlib.sha256(b"refresh").digest())
