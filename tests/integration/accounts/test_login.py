"""Signing in: what a wrong password costs, and whom it cannot lock out."""

import asyncio
import time
import uuid
from datetime import timedelta
from statistics import median
from typing import Any

import bcrypt
import pytest

from agon.domains.accounts.public import HashOptions, Policy, SignedIn, Unverified
from agon.kernel.tx import Query
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import ISSUER, PASSWORD, World

CHANGE_HASH = Query("test.change_hash", "update credential set password_hash = $2 where account_id = $1", type(None))
DELETE = Query("test.delete_account", "update account set status = 'deleted' where id = $1", type(None))
MARK = "a mark that my laptop keeps"


class Hashes:
    """Counts what bcrypt is asked to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("checkpw", "hashpw"):
            monkeypatch.setattr(bcrypt, name, self._counted(getattr(bcrypt, name)))

    def _counted(self, function: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            self.count += 1
            return function(*arguments)

        return counted


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Hashes:
    return Hashes(monkeypatch)


async def player(world: World, **given: Any) -> tuple[SignedIn, str]:
    signed_in = await world.register(**given)
    assert signed_in.account.email is not None
    return signed_in, signed_in.account.email


async def guess(world: World, email: str, times: int, **given: Any) -> None:
    for number in range(times):
        assert await world.login(email, f"wrong {number}", **given) is None


async def audited(world: World, account_id: object) -> list[Any]:
    return await world.rows("select action from audit_log where target_id = $1 order by seq", str(account_id))


async def test_by_address_and_by_name_in_any_case(world: World):
    me, email = await player(world)
    for login in (world.login(email.upper()), world.login(None, username=me.account.username.upper())):
        signed_in = await login
        assert isinstance(signed_in, SignedIn)
        assert signed_in.account.id == me.account.id
        assert signed_in.session_id != me.session_id
        assert signed_in.refresh_token != me.refresh_token


async def test_it_is_told_and_audited(world: World):
    me, email = await player(world)
    assert await world.login(email, "wrong") is None
    signed_in = await world.login(email)
    assert isinstance(signed_in, SignedIn)
    [(data,)] = await world.rows(
        "select data::text from event where subject = $1 and type = 'account.logged_in' and data->>'session_id' = $2",
        f"account:{me.account.id}",
        str(signed_in.session_id),
    )
    assert '"new_device": false' in data
    actions = [action for (action,) in await audited(world, me.account.id)]
    assert actions == ["account.register", "account.login_failed", "account.login"]


@pytest.mark.parametrize("kind", ["right", "wrong", "unknown address", "unknown name", "blocked", "known device"])
async def test_every_attempt_costs_exactly_one_hash(world: World, hashes: Hashes, kind: str):
    _, email = await player(world, device=MARK)
    if kind == "blocked":
        await guess(world, email, 11)
    hashes.count = 0
    await {
        "right": lambda: world.login(email),
        "wrong": lambda: world.login(email, "wrong"),
        "unknown address": lambda: world.login("nobody@example.com", "wrong"),
        "unknown name": lambda: world.login(None, "wrong", username="nobody_at_all"),
        "blocked": lambda: world.login(email),
        "known device": lambda: world.login(email, device=MARK),
    }[kind]()
    assert hashes.count == 1


async def test_a_wrong_password_and_an_unknown_name_do_the_same_to_the_database(world: World):
    """Statement for statement: so the time does not tell them apart either."""
    _, email = await player(world)
    seen: list[list[str]] = []

    class Noting:
        def __init__(self) -> None:
            self.names: list[str] = []

        def query(self, name: str, seconds: float) -> None:
            self.names.append(name)

        def span(self, name: str) -> Any:
            from contextlib import nullcontext

            return nullcontext()

    for address in (email, "nobody@example.com"):
        noting = Noting()
        world.database._observer = noting
        await world.login(address, "wrong")
        seen.append(noting.names)
    assert seen[0] == seen[1]
    assert "audit.append" in seen[0]


@pytest.mark.slow
async def test_an_unknown_name_takes_as_long_as_a_wrong_password(make_world: MakeWorld):
    """A small form of the test of two thousand: with a dearer hash, so that leaving it out would show.

    A machine that is busy with other tests gets two more chances: a hash left out would show in each of them.
    """
    world = await make_world(hashing=HashOptions(cost=8, threads=2))
    emails = [(await player(world))[1] for _ in range(60)]
    for _ in range(3):
        difference, shortest = await told_apart(world, emails)
        assert shortest > 0.008  # it was hashed at all
        if abs(difference) < 0.005:
            return
    raise AssertionError(difference)


async def told_apart(world: World, emails: list[str]) -> tuple[float, float]:
    """By how many seconds a known name takes longer, in the median, and the least that an unknown one takes."""
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    for email in emails:
        for kind, name in (("known", email), ("unknown", f"{uuid.uuid4().hex[:12]}@example.com")):
            started = time.perf_counter()
            await world.login(name, "wrong")
            seconds[kind].append(time.perf_counter() - started)
    differences = [known - unknown for known, unknown in zip(seconds["known"], seconds["unknown"], strict=True)]
    return median(differences), min(seconds["unknown"])


async def test_ten_wrong_passwords_bring_a_delay_in_which_the_right_one_does_not_count(world: World):
    _, email = await player(world)
    await guess(world, email, 9)
    assert isinstance(await world.login(email), SignedIn)
    await guess(world, email, 10)
    assert await world.login(email) is None
    world.clock.advance(timedelta(minutes=14))
    assert await world.login(email) is None
    world.clock.advance(timedelta(minutes=1))
    assert isinstance(await world.login(email), SignedIn)


async def test_guesses_made_at_once_are_all_counted(world: World):
    me, email = await player(world)
    assert set(await asyncio.gather(*(world.login(email, f"wrong {n}") for n in range(50)))) == {None}
    assert await world.rows("select in_row from login_failure where subject = $1", me.account.id) == [(50,)]
    assert await world.login(email) is None


async def test_a_guess_that_was_right_but_came_after_ten_others_is_refused(world: World):
    """Compared before the ten others were counted, decided after them."""
    from agon.domains.accounts.public import Attempt

    _, email = await player(world)
    login = world.accounts.login
    known = await world.database.fetch(lambda tx: login.find(tx, Attempt(email, None)))
    assert await login.compare(known, PASSWORD)
    await guess(world, email, 10)
    assert await world.database.transact(lambda tx: login.finish(tx, known, right=True)) is None


async def test_counters_survive_a_restart(world: World, make_world: MakeWorld):
    _, email = await player(world)
    await guess(world, email, 10)
    restarted = await make_world()
    assert await restarted.login(email) is None


async def test_after_a_hundred_in_a_row_only_known_devices_sign_in(world: World):
    me, email = await player(world, device=MARK)
    await guess(world, email, 100)
    world.clock.advance(timedelta(days=7))
    assert await world.login(email) is None
    assert await world.login(email, device="a mark that nobody knows") is None
    known = await world.login(email, device=MARK)
    assert isinstance(known, SignedIn)
    assert known.new_device is False
    assert isinstance(await world.login(email), SignedIn)  # the row has ended
    actions = [action for (action,) in await audited(world, me.account.id)]
    assert actions.count("account.login_failed") == 102


async def test_a_flood_of_strangers_does_not_delay_a_known_device(world: World):
    _, email = await player(world, device=MARK)
    for _ in range(5):
        await guess(world, email, 12)
        assert isinstance(await world.login(email, device=MARK), SignedIn)
        assert await world.login(email) is None


async def test_a_known_device_is_slowed_down_for_itself(world: World):
    _, email = await player(world, device=MARK)
    await guess(world, email, 10, device=MARK)
    assert await world.login(email, device=MARK) is None
    assert isinstance(await world.login(email), SignedIn)


async def test_the_mark_of_one_account_is_unknown_to_another(world: World):
    await player(world, device=MARK)
    _, other = await player(world)
    await guess(world, other, 10)
    assert await world.login(other, device=MARK) is None


async def test_new_devices_are_noticed_where_others_are_known(world: World):
    _, email = await player(world)
    first = await world.login(email, device=MARK)
    assert isinstance(first, SignedIn)
    assert first.new_device is False  # nothing to compare it with
    again = await world.login(email, device=MARK)
    other = await world.login(email, device="the mark of a phone")
    none = await world.login(email)
    assert [each.new_device for each in (again, other, none) if isinstance(each, SignedIn)] == [False, True, True]


async def test_marks_and_tokens_are_not_stored_in_clear(world: World):
    me, _ = await player(world, device=MARK)
    for table in ("known_device", "refresh_token", "login_session", "event", "audit_log"):
        rows = await world.rows(f"select t::text from {table} t")
        assert not any(MARK in row or me.refresh_token in row for (row,) in rows)
        assert not any(MARK.encode().hex() in row or me.refresh_token.encode().hex() in row for (row,) in rows)


async def test_a_password_changed_while_the_old_one_was_compared_is_what_counts(world: World):
    from agon.domains.accounts.public import Attempt

    me, email = await player(world)
    login = world.accounts.login
    known = await world.database.fetch(lambda tx: login.find(tx, Attempt(email, None)))
    right = await login.compare(known, PASSWORD)
    other = await world.accounts.passwords.hash("something else entirely")
    await world.database.transact(lambda tx: tx.execute(CHANGE_HASH, me.account.id, other))
    assert right
    assert await world.database.transact(lambda tx: login.finish(tx, known, right=right)) is None


async def test_a_deleted_account_is_nobody(world: World):
    me, email = await player(world)
    await world.database.transact(lambda tx: tx.execute(DELETE, me.account.id))
    assert await world.login(email) is None


async def test_unverified_addresses_are_told_so_only_with_the_right_password(world: World, make_world: MakeWorld):
    _, email = await player(world)
    strict = await make_world(policy=Policy(issuer=ISSUER, require_verification=True))
    assert await strict.login(email, "wrong") is None
    assert isinstance(await strict.login(email), Unverified)


async def test_names_that_nobody_has_leave_a_bounded_number_of_rows(world: World):
    await asyncio.gather(*(world.login(f"{uuid.uuid4().hex}@example.com", "x") for _ in range(50)))
    rows = await world.rows("select subject from login_failure where subject < '00000000-0000-0000-0001-000000000000'")
    assert 1 < len(rows) <= 1024
    assert all(subject.int < 1024 for (subject,) in rows)
