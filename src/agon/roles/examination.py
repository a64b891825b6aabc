"""What `agon doctor` looks at: each check says what it found and, where something is wrong, what helps."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import StrEnum

import msgspec

from agon.kernel.tx import Query
from agon.platform.database import migrations
from agon.platform.database.pool import driver
from agon.platform.observability.redaction import describe_error
from agon.platform.settings.operation import MailTransport
from agon.roles.site import Site

_LITTLE_DISK = 1024**3
_VERY_LITTLE_DISK = 200 * 1024**2
_CLOCK_TOLERANCE = timedelta(seconds=2)
_OLDEST_POSTGRES = 150000
_PATIENCE = 5.0


class Verdict(StrEnum):
    GOOD = "ok"
    WORTH_A_LOOK = "look"
    BROKEN = "broken"


class Finding(msgspec.Struct, frozen=True):
    """What one check found, and what to do about it."""

    verdict: Verdict
    what: str
    remedy: str = ""


Check = Callable[[Site], Awaitable[Finding]]

_SERVER = Query("doctor.server", "select current_setting('server_version_num')::int", int)
_APPEND_ONLY = Query(
    "doctor.append_only",
    """select count(*) from pg_trigger where tgrelid = 'audit_log'::regclass and tgname like 'append_only%'
                                         and tgenabled <> 'D'""",
    int,
)
_CLOCK = Query("doctor.clock", "select extract(epoch from clock_timestamp())::float8", float)
_DURABLE = Query(
    "doctor.durable", "select current_setting('fsync') || ' ' || current_setting('synchronous_commit')", str
)
_PARTITIONS = Query(
    "doctor.partitions",
    "select to_regclass(format('event_%s', to_char($1::timestamptz at time zone 'UTC', 'YYYY_MM'))) is not null",
    bool,
)
_DEAD = Query("doctor.dead_jobs", "select count(*) from pgqueuer where status = 'failed'", int)


async def settings(site: Site) -> Finding:
    """They were read, or there would be no site."""
    return Finding(Verdict.GOOD, f"{site.settings.environment.value}, data in {site.settings.data_dir.resolve()}")


async def database(site: Site) -> Finding:
    """A server that is new enough, keeps what it acknowledges, and refuses to change what is append-only."""
    version = await site.database.fetch(lambda tx: tx.one(_SERVER)) or 0
    if version < _OLDEST_POSTGRES:
        return Finding(Verdict.BROKEN, f"PostgreSQL {version // 10000}", "Agon needs PostgreSQL 15 or newer.")
    durable = await site.database.fetch(lambda tx: tx.one(_DURABLE)) or ""
    if durable.startswith("off") or durable.endswith(" off"):
        remedy = "Turn fsync and synchronous_commit on: acknowledged changes can be lost without them."
        return Finding(Verdict.BROKEN, f"PostgreSQL {version // 10000}, fsync/synchronous_commit: {durable}", remedy)
    if await site.database.fetch(lambda tx: tx.one(_APPEND_ONLY)) != 2:
        return Finding(Verdict.BROKEN, "the audit log can be changed", "Enable its triggers `append_only` again.")
    kind = "embedded" if site.settings.database.url is None else "external"
    return Finding(Verdict.GOOD, f"PostgreSQL {version // 10000}, {kind}")


async def schema(site: Site) -> Finding:
    """Every migration was run, and the coming months have their partitions."""
    found = await migrations.status(site.addresses.owner)
    if found.pending:
        return Finding(Verdict.BROKEN, f"pending: {', '.join(found.pending)}", "Run `agon migrate up`.")
    next_month = site.clock.now() + timedelta(days=28)
    if not await site.database.fetch(lambda tx: tx.one(_PARTITIONS, next_month)):
        remedy = "Let a worker run: it makes the partitions of the coming months every day."
        return Finding(Verdict.WORTH_A_LOOK, f"revision {found.current}, no partition for the next month", remedy)
    return Finding(Verdict.GOOD, f"revision {found.current}")


async def cache(site: Site) -> Finding:
    """The memory that processes share, where they do."""
    url = site.settings.valkey.url
    if url is None:
        return Finding(Verdict.GOOD, "in the memory of each process")
    await site.limits.hit("public", "doctor")
    if any(state.value != "closed" for name, state in site.breakers.states().items() if name in ("cache", "limits")):
        return Finding(Verdict.BROKEN, "Valkey does not answer", "See whether AGON_VALKEY_URL leads to a server.")
    return Finding(Verdict.GOOD, "Valkey answers")


async def bus(site: Site) -> Finding:
    """News of other processes' commits, on which revocation rests."""
    connection = await driver.connect(site.addresses.application, timeout=5)
    try:
        await connection.execute("listen agon_doctor")
        await connection.execute("notify agon_doctor")
    finally:
        await connection.close()
    return Finding(Verdict.GOOD, "LISTEN and NOTIFY work")


async def mail(site: Site) -> Finding:
    """Mails can leave: the server takes a connection, or the folder can be written."""
    chosen = site.settings.mail
    if chosen.transport is MailTransport.FILE or chosen.host is None:
        chosen.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(chosen.folder, os.W_OK):
            return Finding(Verdict.BROKEN, f"{chosen.folder} cannot be written", "Give Agon's user the right to.")
        return Finding(Verdict.GOOD, f"written into {chosen.folder}, not sent")
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(chosen.host, chosen.port)
        writer.close()
    except (OSError, TimeoutError) as error:
        remedy = "See whether AGON_MAIL_HOST and AGON_MAIL_PORT lead to a server; mails wait meanwhile."
        return Finding(Verdict.BROKEN, f"{chosen.host}:{chosen.port}: {type(error).__name__}", remedy)
    return Finding(Verdict.GOOD, f"{chosen.host}:{chosen.port} answers")


async def clock(site: Site) -> Finding:
    """This machine and the database agree on the time."""
    theirs = await site.database.fetch(lambda tx: tx.one(_CLOCK)) or 0.0
    apart = abs(site.clock.now().timestamp() - theirs)
    if apart > _CLOCK_TOLERANCE.total_seconds():
        remedy = "Synchronise both with NTP: tokens and limits go by this machine, the queue by the database."
        return Finding(Verdict.BROKEN, f"{apart:.1f} s apart from the database", remedy)
    return Finding(Verdict.GOOD, f"{apart * 1000:.0f} ms apart from the database")


async def disk(site: Site) -> Finding:
    """Room in the data directory."""
    free = shutil.disk_usage(site.settings.data_dir).free
    text = f"{free / 1024**3:.1f} GB free"
    if free < _VERY_LITTLE_DISK:
        return Finding(Verdict.BROKEN, text, "Make room: without it the database stops.")
    if free < _LITTLE_DISK:
        return Finding(Verdict.WORTH_A_LOOK, text, "Make room soon.")
    return Finding(Verdict.GOOD, text)


async def keys(site: Site) -> Finding:
    """The keyring and the pepper: without them stored secrets and passwords are lost."""
    keyring = site.settings.accounts.keyring_file or site.settings.data_dir / "keyring.json"
    if not os.access(keyring, os.R_OK):
        return Finding(Verdict.BROKEN, f"{keyring} cannot be read", "Restore it from your backup.")
    published = await site.database.fetch(lambda tx: site.accounts.keys.published(tx, {}))
    if not any(key.private is not None for key in published):
        return Finding(Verdict.BROKEN, "no key signs access tokens", "Run `agon keys rotate`.")
    return Finding(Verdict.GOOD, f"{len(published)} published; keep a copy of {keyring.name} apart from the database")


async def jobs(site: Site) -> Finding:
    """Work that failed for good waits for a decision."""
    dead = await site.database.fetch(lambda tx: tx.one(_DEAD)) or 0
    if dead:
        return Finding(Verdict.WORTH_A_LOOK, f"{dead} failed for good", "See `agon jobs list --state dead`.")
    return Finding(Verdict.GOOD, "none failed for good")


CHECKS: dict[str, Check] = {
    "settings": settings,
    "database": database,
    "schema": schema,
    "cache": cache,
    "bus": bus,
    "mail": mail,
    "clock": clock,
    "disk": disk,
    "keys": keys,
    "jobs": jobs,
}


async def examine(site: Site) -> dict[str, Finding]:
    """Run every check; one that fails unexpectedly is a finding as well."""
    found: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        try:
            found[name] = await check(site)
        except Exception as error:  # noqa: BLE001 - whatever is wrong is what the operator wants to know
            found[name] = Finding(Verdict.BROKEN, describe_error(error))
    return found
