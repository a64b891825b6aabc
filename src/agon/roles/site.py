"""Composition: the parts of a running Agon, put together from the settings."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agon import __version__
from agon.domains.accounts.public import Accounts
from agon.kernel.clock import Clock, SystemClock
from agon.platform.breakers import Breakers
from agon.platform.cache.cache import Cache, Outcome
from agon.platform.database.database import Database
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriptions
from agon.platform.features.switches import Features
from agon.platform.invalidation import InvalidationFeed
from agon.platform.limits.rates import RateLimits
from agon.platform.load_status import LoadStatus, Measure, watch
from agon.platform.mail.message import Transport
from agon.platform.observability import metrics
from agon.platform.observability.health import Health
from agon.platform.observability.observers import DatabaseObserver
from agon.platform.settings.model import Settings
from agon.roles.accounts import make_accounts
from agon.roles.limit_rules import rules
from agon.roles.mailing import make_mail
from agon.roles.observing import breaker_changed, load_changed, sample, thresholds, watch_pool_waits
from agon.roles.storage import Addresses, ensure_schema, find_database
from agon.roles.subscriptions import subscriptions
from agon.roles.wellbeing import make_health


@dataclass(frozen=True, kw_only=True)
class Site:
    """The parts that every role is made of."""

    settings: Settings
    role: str
    clock: Clock
    addresses: Addresses
    subscriptions: Subscriptions
    database: Database
    breakers: Breakers
    limits: RateLimits
    cache: Cache
    features: Features
    mail: Transport
    accounts: Accounts
    health: Health
    version: str = __version__


@asynccontextmanager
async def open_site(settings: Settings, role: str, *, migrate: bool) -> AsyncGenerator[Site]:
    """Put the parts together and keep them running for a block.

    Args:
        settings: of this process.
        role: `serve`, `api`, `worker` or `cli`, for logs.
        migrate: whether an older database is brought up to date, rather than refused.

    Raises:
        SchemaBehind, EmbeddedPostgresError, KeyringInvalid: it cannot start; the message says why and what helps.
    """
    async with AsyncExitStack() as stack:
        addresses = await find_database(settings, stack)
        await ensure_schema(addresses, migrate=migrate)
        builder = _Builder(settings, addresses)
        stack.push_async_callback(builder.close)
        site = await builder.build(role, stack)
        yield site


class _Builder:
    """Makes the parts, in the order in which they need each other."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = SystemClock()
        self._tasks: list[asyncio.Task[None]] = []
        self._load = LoadStatus(thresholds(settings.load_status), on_change=load_changed)
        self._breakers = Breakers(on_change=breaker_changed)

    async def build(self, role: str, stack: AsyncExitStack) -> Site:
        settings, clock = self._settings, self._clock
        known = subscriptions()
        features, cache, limits = Features(), self._cache(), self._limits()
        feed = InvalidationFeed(
            self._addresses.application,
            poll_seconds=settings.accounts.revocation_poll_ms / 1000,
            pruned_after=settings.retention.invalidation_minutes * 60,
            pgbouncer=settings.database.pgbouncer,
        )
        database = self._database(known, feed)
        stack.push_async_callback(database.close)
        stack.push_async_callback(limits.close)
        stack.push_async_callback(cache.close)
        await database.open()
        await cache.open()
        accounts = await make_accounts(settings, database, clock, feed.fresh)
        stack.callback(accounts.close)
        feed.listen(accounts.authenticator.forget, cache.invalidate, features.reload_on(database))
        await features.reload(database)
        self._run(feed.run(), "invalidation-feed")
        self._run(watch(self._load), "load-status")
        self._run(sample((database.write, database.read)), "samples")
        return Site(
            settings=settings,
            role=role,
            clock=clock,
            addresses=self._addresses,
            subscriptions=known,
            database=database,
            breakers=self._breakers,
            limits=limits,
            cache=cache,
            features=features,
            mail=make_mail(settings, self._breakers, clock),
            accounts=accounts,
            health=make_health(database, self._addresses, feed, self._breakers, clock),
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _database(self, known: Subscriptions, feed: InvalidationFeed) -> Database:
        options = self._settings.database
        pool = functools.partial(
            PoolOptions,
            idle=options.pool_idle_seconds,
            connect_timeout=options.connect_timeout_seconds,
            acquire_timeout=options.acquire_timeout_seconds,
            statement_timeout=options.statement_timeout_seconds,
            pgbouncer=options.pgbouncer,
        )
        address, waited = self._addresses.application, watch_pool_waits(self._load)
        return Database(
            Pool(address, pool(name="write", size=options.pool_size), waited),
            Pool(address, pool(name="read", size=options.read_pool_size, read_only=True), waited),
            self._clock,
            known,
            observer=DatabaseObserver(
                slow_seconds=options.slow_query_ms / 1000,
                on_query=functools.partial(self._load.record, Measure.DATABASE),
            ),
            on_invalidate=feed.tell,
        )

    def _cache(self) -> Cache:
        url = self._settings.valkey.url
        return Cache(
            "mem://" if url is None else url.get_secret_value(),
            clock=self._clock,
            size=self._settings.cache.memory_entries,
            load_multiplier=self._load.multiplier,
            breaker=self._breakers.get("cache"),
            on_result=_count_cached,
        )

    def _limits(self) -> RateLimits:
        url = self._settings.valkey.url
        return RateLimits(
            None if url is None else url.get_secret_value(),
            rules(self._settings.limits),
            breaker=self._breakers.get("limits"),
        )


def _count_cached(name: str, outcome: Outcome) -> None:
    metrics.CACHE_REQUESTS.add(name, "true" if outcome in (Outcome.HIT, Outcome.JOINED, Outcome.STALE) else "false")
