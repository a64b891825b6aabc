"""New accounts: with all their parts or not at all, and one for each name."""

import asyncio
import uuid
from typing import Any

import pytest

from agon.contracts.accounts import NewAccount
from agon.domains.accounts.errors import (
    AuthValidationError,
    EmailTaken,
    RegistrationClosed,
    UsernameTaken,
    WeakPassword,
)
from agon.domains.accounts.public import Policy
from agon.kernel.tx import Query, Tx
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import ISSUER, World

NOTE = Query("test.note_account", "insert into invalidation (tag, at) values ($1, $2)", type(None))


def some_email() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


async def together(*calls: Any) -> list[Any]:
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def stored(world: World, email: str) -> list[Any]:
    return await world.rows(
        """select a.id, a.username::text, a.locale, a.status, c.password_hash, s.id
           from account a left join credential c on c.account_id = a.id left join login_session s on s.account_id = a.id
           where a.email = $1::text::citext""",
        email,
    )


async def test_an_account_comes_with_a_password_and_a_session(world: World):
    email = some_email()
    signed_in = await world.register(email=email, username=f"u{uuid.uuid4().hex[:9]}")
    [(account_id, username, locale, status, password_hash, session_id)] = await stored(world, email)
    assert (account_id, session_id) == (signed_in.account.id, signed_in.session_id)
    assert (username, locale, status) == (signed_in.account.username, "en", "active")
    assert password_hash.startswith("$2b$04$")
    assert signed_in.account.email_verified is False


async def test_it_is_told_and_audited(world: World):
    signed_in = await world.register()
    events = await world.rows(
        "select type, data from event where subject = $1 order by seq", f"account:{signed_in.account.id}"
    )
    assert [kind for kind, _ in events] == ["account.registered", "account.logged_in"]
    assert '"new_device": false' in events[1][1]
    audited = await world.rows(
        "select action, after::text from audit_log where target_id = $1", str(signed_in.account.id)
    )
    assert [action for action, _ in audited] == ["account.register"]
    assert "example.com" not in audited[0][1]


async def test_of_twenty_at_once_with_one_address_one_gets_it(world: World):
    email = some_email()
    applicants = [await world.applicant(email=email if n % 2 else email.upper()) for n in range(20)]
    register = world.accounts.registration.register
    results = await together(*(world.database.transact(lambda tx, a=each: register(tx, a)) for each in applicants))
    assert sum(not isinstance(each, Exception) for each in results) == 1
    assert {type(each) for each in results if isinstance(each, Exception)} == {EmailTaken}
    assert len(await stored(world, email)) == 1


async def test_of_twenty_at_once_with_one_username_one_gets_it(world: World):
    username = f"u{uuid.uuid4().hex[:9]}"
    applicants = [await world.applicant(username=username if n % 2 else username.upper()) for n in range(20)]
    register = world.accounts.registration.register
    results = await together(*(world.database.transact(lambda tx, a=each: register(tx, a)) for each in applicants))
    assert sum(not isinstance(each, Exception) for each in results) == 1
    assert {type(each) for each in results if isinstance(each, Exception)} == {UsernameTaken}


async def test_twenty_people_of_one_name_all_get_a_username(world: World):
    name = f"Zoe {uuid.uuid4().hex[:8]}"
    results = await together(*(world.register(display_name=name) for _ in range(20)))
    usernames = [each.account.username for each in results]
    assert len({each.lower() for each in usernames}) == 20
    assert all(each.startswith(name.replace(" ", "_")) for each in usernames)


async def test_a_derived_name_does_not_hide_that_the_address_is_taken(world: World):
    email = some_email()
    await world.register(email=email, display_name="One of a kind")
    with pytest.raises(EmailTaken):
        await world.register(email=email, display_name="One of a kind")


async def test_hooks_add_their_part_in_the_same_transaction(make_world: MakeWorld):
    told: list[NewAccount] = []

    async def hook(tx: Tx, account: NewAccount) -> None:
        told.append(account)
        await tx.execute(NOTE, f"profile-of:{account.account_id}", tx.now)

    world = await make_world(hooks=(hook,))
    signed_in = await world.register(display_name="Asha  of the river")
    [created] = told
    assert created.account_id == signed_in.account.id
    assert (created.username, created.display_name) == (signed_in.account.username, "Asha of the river")
    assert created.created_at == signed_in.account.created_at
    assert await world.rows("select 1 from invalidation where tag = $1", f"profile-of:{created.account_id}")


async def test_a_hook_that_fails_takes_everything_back(make_world: MakeWorld):
    told: list[NewAccount] = []

    async def first(tx: Tx, account: NewAccount) -> None:
        told.append(account)
        await tx.execute(NOTE, f"wallet-of:{account.account_id}", tx.now)

    async def second(tx: Tx, account: NewAccount) -> None:
        raise ZeroDivisionError

    world = await make_world(hooks=(first, second))
    email = some_email()
    with pytest.raises(ZeroDivisionError):
        await world.register(email=email)
    account_id = told[0].account_id
    assert await stored(world, email) == []
    assert await world.rows("select 1 from event where subject = $1", f"account:{account_id}") == []
    assert await world.rows("select 1 from audit_log where target_id = $1", str(account_id)) == []
    assert await world.rows("select 1 from invalidation where tag = $1", f"wallet-of:{account_id}") == []


async def test_every_name_is_checked_before_the_password_is_hashed(world: World):
    with pytest.raises(AuthValidationError) as refused:
        await world.applicant(email="nobody", display_name="x", username="a b")
    assert {error.field for error in refused.value.errors} == {"email", "display_name", "username"}
    with pytest.raises(WeakPassword):
        await world.applicant(password="iloveyou")
    with pytest.raises(WeakPassword):
        await world.applicant(email="asha.of.the.river@example.com", password="Asha.of.the.river@example.com")


async def test_registration_can_be_closed(make_world: MakeWorld):
    world = await make_world(policy=Policy(issuer=ISSUER, registration_open=False))
    with pytest.raises(RegistrationClosed):
        world.accounts.registration.check_open()


async def test_with_verification_required_known_and_new_addresses_look_alike(make_world: MakeWorld):
    world = await make_world(policy=Policy(issuer=ISSUER, require_verification=True))
    email, register = some_email(), world.accounts.registration.register
    for _ in range(2):
        applicant = await world.applicant(email=email)
        assert await world.database.transact(lambda tx, a=applicant: register(tx, a)) is None
    [(account_id, username, *_, session_id)] = await stored(world, email)
    assert session_id is None
    events = await world.rows("select type from event where subject = $1", f"account:{account_id}")
    assert events == [("account.registered",)]
    for address in (email, some_email()):  # a username that is taken is told in both cases
        applicant = await world.applicant(email=address, username=username)
        with pytest.raises(UsernameTaken):
            await world.database.transact(lambda tx, a=applicant: register(tx, a))
