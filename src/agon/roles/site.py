"""Composition: every part of a running Agon, put together from the settings."""

import functools
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from agon import __version__
from agon.domains.accounts.public import Accounts, HashOptions, Policy
from agon.kernel.clock import Clock, SystemClock
from agon.platform.breakers import Breakers
from agon.platform.database.database import Database
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriptions
from agon.platform.features.features import Features
from agon.platform.invalidation import InvalidationFeed
from agon.platform.limits.rates import RateLimits
from agon.platform.load_status import LoadStatus, Measure
from agon.platform.observability import metrics
from agon.platform.observability.health import Health
from agon.platform.observability.observers import DatabaseObserver
from agon.platform.settings.accounts import Registration
from agon.platform.settings.model import Settings
from agon.roles import limit_rules
from agon.roles.observing import observe_breakers, observe_load, watch_load
from agon.roles.secret_keys import open_keys
from agon.roles.storage import Addresses, ensure_schema, find_database
from agon.roles.subscriptions import subscriptions
from agon.roles.wellbeing import make_health


@dataclass(frozen=True, kw_only=True)
class Site:
    """The parts that roles are made of."""

    settings: Settings
    role: str
    clock: Clock
    addresses: Addresses
    subscriptions: Subscriptions
    database: Database
    limits: RateLimits
    breakers: Breakers
    features: Features
    feed: InvalidationFeed
    load: LoadStatus
    health: Health
    accounts: Accounts
    version: str = __version__
