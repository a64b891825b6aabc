"""Access tokens against an independent library and against forgers (properties 2 and 4 of accounts)."""

import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import jwt
import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from agon.contracts.accounts import AccountId, LoginSessionId, Role
from agon.domains.accounts.errors import TokenExpired, TokenInvalid
from agon.domains.accounts.rows import SigningKeyRow
from agon.domains.accounts.rules.claims import LEEWAY
from agon.domains.accounts.service.account import Account
from agon.domains.accounts.service.keys import KeyStore
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.published import PublishedKeys
from agon.domains.accounts.service.signed_in import SignedIn
from agon.domains.accounts.service.tokens import AccessTokens
from agon.kernel.tx import Query, ReadTx
from agon.platform.crypto import SecretBox
from tests.unit.accounts.forge import forgeries

T = TypeVar("T")

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ISSUER, AUDIENCE = "https://agon.test", "agon"
POLICY = Policy(issuer=ISSUER, audience=AUDIENCE)
BOX = SecretBox({"test": bytes(range(32))}, "test")


class StoredKeys:
    """The table of signing keys, as rows; counts how often it is read."""

    now = NOW

    def __init__(self, *keys: RSAKey) -> None:
        self.rows = [self._row(key, signs=index == 0) for index, key in enumerate(keys)]
        self.reads = 0

    def _row(self, key: RSAKey, *, signs: bool) -> SigningKeyRow:
        kid = key.thumbprint()
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "RS256"}
        sealed = BOX.seal(key.as_pem(private=True), context=f"signing_key:{kid}".encode())
        return SigningKeyRow(kid, json.dumps(public), sealed, None if signs else NOW)

    async def one(self, query: Query[Any], *arguments: object) -> Any:
        raise NotImplementedError

    async def all(self, query: Query[Any], *arguments: object) -> list[Any]:
        assert query.name == "accounts.published_keys"
        self.reads += 1
        return list(self.rows)

    async def read(self, verb: Callable[[ReadTx], Awaitable[T]]) -> T:
        return await verb(self)


class Signer:
    def __init__(self, *keys: RSAKey) -> None:
        self.stored = StoredKeys(*keys)
        store = KeyStore(BOX, POLICY.access_lifetime)
        self.published = PublishedKeys(store, self.stored.read, unknown_key_interval=0)
        self.tokens = AccessTokens(self.published, POLICY)


@pytest.fixture(scope="module")
def keys() -> tuple[RSAKey, RSAKey]:
    return RSAKey.generate_key(3072), RSAKey.generate_key(3072)


@pytest_asyncio.fixture(scope="module")
async def signer(keys: tuple[RSAKey, RSAKey]) -> Signer:
    return Signer(*keys)


def signed_in(email: str | None = "asha@example.com", *roles: Role) -> SignedIn:
    account = Account(
        AccountId(uuid.uuid4()), email, False, "asha", "en", NOW, frozenset(roles) or frozenset({Role.PLAYER})
    )
    return SignedIn(account, LoginSessionId(uuid.uuid4()), "refresh")


async def key_set(signer: Signer) -> dict[str, Any]:
    """The published keys as a client gets them."""
    published = [key.public.as_dict(private=False) for key in await signer.published.all()]
    return msgspec.json.decode(msgspec.json.encode({"keys": published}))


@given(
    email=st.none() | st.emails(),
    roles=st.sets(st.sampled_from(list(Role))),
    seconds=st.integers(min_value=0, max_value=10**8),
)
@settings(max_examples=100, deadline=None)
async def test_another_library_reads_every_token_with_the_published_keys(
    signer: Signer, email: str | None, roles: set[Role], seconds: int
):
    who = signed_in(email, *roles)
    now = NOW + timedelta(seconds=seconds)
    token = await signer.tokens.sign(who, now)
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": signer.stored.rows[0].kid}
    published = jwt.PyJWKSet.from_dict(await key_set(signer))
    claims = jwt.decode(
        token,
        published[header["kid"]].key,
        algorithms=["RS256"],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": ["exp", "iat", "sub", "jti", "iss", "aud"], "verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "user_id": str(who.account.id),
        "email": email,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 900,
        "sub": str(who.account.id),
        "sid": str(who.session_id),
        "jti": claims["jti"],
        "iss": ISSUER,
        "aud": AUDIENCE,
        "roles": sorted(roles or {Role.PLAYER}),
    }
    assert uuid.UUID(claims["jti"]).version == 7
    assert (await signer.tokens.verify(token, now)).session_id == who.session_id


async def test_published_keys_hold_nothing_private(signer: Signer):
    for key in (await key_set(signer))["keys"]:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


async def test_a_good_token_is_taken_until_five_seconds_after_its_end(signer: Signer):
    token = await signer.tokens.sign(signed_in(), NOW)
    life = timedelta(minutes=15)
    assert await signer.tokens.verify(token, NOW - LEEWAY)
    assert await signer.tokens.verify(token, NOW + life + LEEWAY - timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        await signer.tokens.verify(token, NOW + life + LEEWAY)
    with pytest.raises(TokenInvalid):
        await signer.tokens.verify(token, NOW - LEEWAY - timedelta(seconds=1))


async def test_a_retired_key_still_verifies(keys: tuple[RSAKey, RSAKey]):
    before, after = Signer(keys[0]), Signer(keys[1], keys[0])
    token = await before.tokens.sign(signed_in(), NOW)
    assert await after.tokens.verify(token, NOW)
    assert jwt.get_unverified_header(await after.tokens.sign(signed_in(), NOW))["kid"] == keys[1].thumbprint()


async def test_no_forgery_is_taken(signer: Signer, keys: tuple[RSAKey, RSAKey]):
    private = keys[0].private_key
    assert isinstance(private, rsa.RSAPrivateKey)
    genuine = await signer.tokens.sign(signed_in(), NOW)
    header = jwt.get_unverified_header(genuine)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    taken, tried = [], 0
    for what, token in forgeries(private, header, claims, genuine, int(NOW.timestamp())):
        tried += 1
        try:
            await signer.tokens.verify(token, NOW)
        except (TokenInvalid, TokenExpired):
            continue
        taken.append(what)
    assert taken == []
    assert tried >= 120
    assert await signer.tokens.verify(genuine, NOW)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
async def test_no_token_with_a_changed_character_is_taken(signer: Signer, data: st.DataObject):
    genuine = await signer.tokens.sign(signed_in(), NOW)
    at = data.draw(st.integers(min_value=0, max_value=len(genuine) - 1))
    by = data.draw(st.characters().filter(lambda each: each != genuine[at]))
    with pytest.raises(TokenInvalid):
        await signer.tokens.verify(genuine[:at] + by + genuine[at + 1 :], NOW)


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
@settings(max_examples=200, deadline=None)
async def test_no_text_is_taken(signer: Signer, text: str):
    with pytest.raises(TokenInvalid):
        await signer.tokens.verify(text, NOW)


async def test_a_token_of_another_installation_is_not_taken(keys: tuple[RSAKey, RSAKey]):
    here, there = Signer(keys[0]), Signer(keys[1])
    with pytest.raises(TokenInvalid):
        await here.tokens.verify(await there.tokens.sign(signed_in(), NOW), NOW)
