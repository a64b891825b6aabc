"""Accounts, put together from the settings."""

from collections.abc import Callable
from datetime import timedelta

from agon.domains.accounts.public import Accounts, HashOptions, Policy
from agon.kernel.clock import Clock
from agon.kernel.tx import Tx
from agon.platform.database.database import Database
from agon.platform.settings.accounts import Registration
from agon.platform.settings.model import Settings
from agon.roles.secret_keys import open_keys


async def make_accounts(
    settings: Settings, database: Database, clock: Clock, fresh: Callable[[float], bool]
) -> Accounts:
    """The accounts of this installation, with a key to sign with.

    Args:
        settings: of this process.
        database: for reading sessions.
        clock: tells the time.
        fresh: whether every commit of more than so many seconds ago has been heard of by this process.
    """
    chosen = settings.accounts
    keys = open_keys(settings)
    accounts = Accounts(
        policy=Policy(
            issuer=chosen.issuer,
            audience=chosen.audience,
            registration_open=chosen.registration is Registration.OPEN,
            require_verification=chosen.require_verification,
            password_minimum=chosen.password_minimum,
            access_lifetime=timedelta(seconds=chosen.access_token_seconds),
            refresh_lifetime=timedelta(days=chosen.refresh_days),
            refresh_grace=timedelta(seconds=chosen.refresh_grace_seconds),
        ),
        pepper=keys.pepper,
        hashing=HashOptions(cost=chosen.bcrypt_cost, threads=chosen.hash_threads, queue_limit=chosen.hash_queue_limit),
        box=keys.box,
        refresh_key=keys.refresh,
        clock=clock,
        read=database.fetch,
        fresh=fresh,
        token_memory=float(chosen.token_cache_seconds),
    )
    await _ensure_signing_key(settings, accounts, database)
    return accounts


async def _ensure_signing_key(settings: Settings, accounts: Accounts, database: Database) -> None:
    given = settings.accounts.signing_key

    async def ensure(tx: Tx) -> None:
        if given is None:
            await accounts.keys.ensure(tx)
        else:
            await accounts.keys.import_pem(tx, given.get_secret_value().encode())

    await database.transact(ensure)
