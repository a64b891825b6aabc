"""Settings of the database, of Valkey and of what is kept in memory."""

from collections.abc import Iterable

from agon.platform.settings.declare import Group, setting
from agon.platform.settings.problems import Finding
from agon.platform.settings.values import DatabaseUrl, ValkeyUrl


class DatabaseSettings(Group):
    """PostgreSQL. Without a URL Agon starts one of its own in the data directory."""

    url: DatabaseUrl | None = setting(
        None,
        "The PostgreSQL server.",
        example="postgresql://agon:password@db.example.org/agon",
        default_text="an embedded server in the data directory",
    )
    read_url: DatabaseUrl | None = setting(
        None,
        "A replica for reads that may be a few seconds old.",
        example="postgresql://agon:password@replica.example.org/agon",
        default_text="the same server as `url`",
    )
    pool_size: int = setting(10, "The most connections for writes, per process.", minimum=1, maximum=1000)
    read_pool_size: int = setting(20, "The most connections for reads, per process.", minimum=1, maximum=1000)
    pool_idle_seconds: float = setting(30, "Connections unused for longer are closed.", minimum=0.1)
    connect_timeout_seconds: float = setting(5, "How long making a connection may take.", minimum=0.1)
    acquire_timeout_seconds: float = setting(
        2, "How long a request waits for a free connection before it is answered with 503.", minimum=0.1
    )
    statement_timeout_seconds: float = setting(
        5, "How long one statement of a request may run; jobs set their own.", minimum=0.1
    )
    pgbouncer: bool = setting(
        default=False,
        description="Whether the URL leads to PgBouncer in transaction mode: no session state, no named prepared "
        "statements.",
    )
    slow_query_ms: int = setting(100, "Queries that take longer are logged as warnings.", minimum=0)

    def findings(self, *, production: bool) -> Iterable[Finding]:
        del production
        for name, given in (("read_url", self.read_url is not None), ("pgbouncer", self.pgbouncer)):
            if given and self.url is None:
                yield Finding(
                    (f"database.{name}", "database.url"),
                    "is set, but there is no database URL and the embedded server has no such thing",
                    f"Set AGON_DATABASE_URL, or leave `{name}` out.",
                )


class ValkeySettings(Group):
    """Valkey (or Redis), which processes share for cache and limits."""

    url: ValkeyUrl | None = setting(
        None,
        "The Valkey server. Several processes need it to share limits and cache.",
        example="redis://valkey.example.org:6379/0",
        default_text="memory of the process",
    )


class CacheSettings(Group):
    """Cached reads."""

    ttl_seconds: int = setting(300, "How long a cached read lives unless it declares otherwise.", minimum=1)
    memory_entries: int = setting(10_000, "The most entries kept in memory when there is no Valkey.", minimum=1)


class LoadSettings(Group):
    """When the process counts as degraded or critical, and cached reads live 2 or 5 times as long."""

    pool_wait_degraded_ms: int = setting(50, "The wait for a database connection from which it is degraded.", minimum=1)
    pool_wait_critical_ms: int = setting(
        500, "The wait for a database connection from which it is critical.", minimum=1
    )
    loop_lag_degraded_ms: int = setting(100, "The lag of the event loop from which it is degraded.", minimum=1)
    loop_lag_critical_ms: int = setting(500, "The lag of the event loop from which it is critical.", minimum=1)
    database_p95_degraded_ms: int = setting(100, "The 95th percentile of queries from which it is degraded.", minimum=1)
    database_p95_critical_ms: int = setting(500, "The 95th percentile of queries from which it is critical.", minimum=1)

    def findings(self, *, production: bool) -> Iterable[Finding]:
        del production
        for name, degraded, critical in (
            ("pool_wait", self.pool_wait_degraded_ms, self.pool_wait_critical_ms),
            ("loop_lag", self.loop_lag_degraded_ms, self.loop_lag_critical_ms),
            ("database_p95", self.database_p95_degraded_ms, self.database_p95_critical_ms),
        ):
            if degraded >= critical:
                yield Finding(
                    (f"load_status.{name}_critical_ms", f"load_status.{name}_degraded_ms"),
                    f"is {critical}, not above the degraded threshold of {degraded}",
                    "Give the critical threshold a greater value than the degraded one.",
                )
