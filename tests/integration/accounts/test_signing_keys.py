"""Signing keys: one signs, the old one goes on verifying, and made-up names do not reach the database."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from agon.domains.accounts.errors import TokenInvalid
from agon.domains.accounts.public import KeyStore, SigningKeyInvalid
from agon.domains.accounts.service.published import PublishedKeys
from tests.conftest import OpenDatabase
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import BOX, World


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def pem(key: Any, encryption: Any = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


async def published(world: World) -> list[str]:
    return [key.kid for key in await world.accounts.published.all()]


async def test_of_ten_processes_that_need_a_first_key_one_makes_it(fresh_dsn: str, make_world: MakeWorld):
    worlds = [await make_world(dsn=fresh_dsn, size=2) for _ in range(5)]
    assert await worlds[0].accounts.published.all() == []
    await asyncio.gather(*(world.database.transact(world.accounts.keys.ensure) for world in worlds for _ in range(2)))
    rows = await worlds[0].rows("select kid, retired_at, sealed_private_key from signing_key")
    assert len(rows) == 1
    assert rows[0][1] is None
    assert b"PRIVATE" not in rows[0][2]
    assert [await published(world) for world in worlds] == [[rows[0][0]]] * 5


async def test_rotation_signs_nobody_out(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    other = await make_world(dsn=fresh_dsn)
    me = await world.register()
    before = await world.token(me)
    assert await other.accounts.authenticator.authenticate(before)
    kid = await world.database.transact(world.accounts.keys.rotate)
    after = await world.token(me)
    assert kid_of(after) == kid != kid_of(before)
    for node in (world, other):  # the other node has not been told: it asks on account of the unknown key
        assert await node.accounts.authenticator.authenticate(before)
        assert await node.accounts.authenticator.authenticate(after)
    assert await published(world) == [kid, kid_of(before)]
    assert kid_of(await other.token(me)) == kid
    [(action, target)] = await world.rows("select action, target_id from audit_log where target_type = 'signing_key'")
    assert (action, target) == ("signing_key.rotate", kid)
    assert await world.rows("select 1 from invalidation where tag = 'signing_keys'")


async def test_a_node_that_is_told_signs_with_the_new_key(fresh_dsn: str, make_world: MakeWorld):
    world, other = await make_world(dsn=fresh_dsn), await make_world(dsn=fresh_dsn)
    me = await world.register()
    old = kid_of(await world.token(me))
    assert kid_of(await other.accounts.access_token(me)) == old
    kid = await world.database.transact(world.accounts.keys.rotate)
    assert kid_of(await other.accounts.access_token(me)) == old
    await other.accounts.authenticator.forget(frozenset({"signing_keys"}))
    assert kid_of(await other.accounts.access_token(me)) == kid


async def test_an_old_key_is_published_until_its_last_token_has_expired(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    old = kid_of(await world.token(await world.register()))
    kid = await world.database.transact(world.accounts.keys.rotate)
    world.clock.advance(timedelta(minutes=15, seconds=60))
    world.accounts.published.forget()
    assert await published(world) == [kid, old]
    world.clock.advance(timedelta(minutes=4))
    world.accounts.published.forget()
    assert await published(world) == [kid]


async def test_two_rotations_at_once_leave_one_key_that_signs(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    await world.database.transact(world.accounts.keys.ensure)
    kids = await asyncio.gather(*(world.database.transact(world.accounts.keys.rotate) for _ in range(5)))
    [(current,)] = await world.rows("select kid from signing_key where retired_at is null")
    assert current in kids
    assert await world.token(await world.register())


class CountingReads:
    def __init__(self, world: World) -> None:
        self._fetch = world.database.fetch
        self.count = 0

    async def __call__(self, read: Any) -> Any:
        self.count += 1
        return await self._fetch(read)


async def test_made_up_keys_do_not_hammer_the_database(world: World):
    token = await world.token(await world.register())
    reads = CountingReads(world)
    keys = PublishedKeys(world.accounts.keys, reads, unknown_key_interval=0.2)
    assert (await keys.verifying(kid_of(token))).kid == kid_of(token)
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def unknown(number: int) -> None:
        with pytest.raises(TokenInvalid):
            await keys.verifying(f"unknown-{number}")

    await asyncio.gather(*(unknown(number) for number in range(500)))
    assert reads.count <= 3  # the first may ask at once, and those that came meanwhile ask once more together
    before = reads.count
    for number in range(4):
        await unknown(number)
    assert reads.count == before + 4
    assert loop.time() - started > 4 * 0.2
    assert (await keys.verifying(kid_of(token))).kid == kid_of(token)
    assert reads.count == before + 4


async def test_keys_are_asked_for_again_after_a_minute(world: World):
    token = await world.token(await world.register())
    seconds, reads = 1000.0, CountingReads(world)
    keys = PublishedKeys(world.accounts.keys, reads, timer=lambda: seconds)
    for _ in range(3):
        await keys.verifying(kid_of(token))
    assert reads.count == 1
    seconds += 61
    await keys.verifying(kid_of(token))
    assert reads.count == 2


async def test_a_failed_question_is_asked_again(world: World):
    await world.database.transact(world.accounts.keys.ensure)
    keys = PublishedKeys(world.accounts.keys, CountingReads(world))
    real, keys._read = keys._read, lambda _: asyncio.wait_for(asyncio.sleep(1), 0.001)
    with pytest.raises(TimeoutError):
        await keys.signing()
    keys._read = real
    assert await keys.signing()


async def test_a_given_key_signs_and_giving_it_again_changes_nothing(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    old = kid_of(await world.token(await world.register()))
    given = pem(rsa.generate_private_key(public_exponent=65537, key_size=3072))
    import_pem = world.accounts.keys.import_pem
    kid = await world.database.transact(lambda tx: import_pem(tx, given))
    assert kid == RSAKey.import_key(given).thumbprint()
    assert await world.database.transact(lambda tx: import_pem(tx, given)) == kid
    assert await published(world) == [kid, old]
    assert kid_of(await world.token(await world.register())) == kid
    await world.database.transact(world.accounts.keys.rotate)
    with pytest.raises(SigningKeyInvalid, match="retired"):
        await world.database.transact(lambda tx: import_pem(tx, given))
    assert await world.rows("select 1 from signing_key where retired_at is null")


@pytest.mark.parametrize("kind", ["text", "public", "small", "elliptic", "encrypted", "certificate"])
async def test_other_keys_are_refused(world: World, kind: str):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    given = {
        "text": b"not a key",
        "public": RSAKey.import_key(pem(key)).as_pem(private=False),
        "small": pem(key),
        "elliptic": pem(ec.generate_private_key(ec.SECP256R1())),
        "encrypted": pem(key, BestAvailableEncryption(b"secret")),
        "certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }[kind]
    with pytest.raises(SigningKeyInvalid):
        await world.database.transact(lambda tx: world.accounts.keys.import_pem(tx, given))


async def test_a_sealed_key_opens_only_in_its_own_row(
    fresh_dsn: str, open_database: OpenDatabase, make_world: MakeWorld
):
    world = await make_world(dsn=fresh_dsn)
    await world.database.transact(world.accounts.keys.ensure)
    await world.rows(
        """insert into signing_key (kid, public_jwk, sealed_private_key, created_at, retired_at)
           select translate(kid, 'abcdef', 'bcdefa'), public_jwk, sealed_private_key, created_at, created_at
           from signing_key returning kid"""
    )
    await world.rows("update signing_key set retired_at = case when retired_at is null then created_at end")
    store = KeyStore(BOX, timedelta(days=1))
    with pytest.raises(Exception, match="another context"):
        await world.database.fetch(lambda tx: store.published(tx, {}))
