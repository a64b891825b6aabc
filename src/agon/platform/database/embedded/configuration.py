"""The settings of the embedded server, each with its reason."""

import re

CONFIGURATION_FILE = "agon.conf"

# Appended once to initdb's own postgresql.conf, whose choices for this machine stay.
INCLUDES = f"""
# Written anew at each start; do not edit.
include '{CONFIGURATION_FILE}'
# Yours: what stands in this file wins.
include_if_exists '../postgresql.local.conf'
"""

OPERATOR_SETTINGS = """\
# Settings of yours for this PostgreSQL server; they win over Agon's and are read at each start.
"""

# Only over the socket or this machine's loopback, and never without a password.
HOST_BASED_ACCESS = """\
# TYPE  DATABASE     USER  ADDRESS        METHOD
local   all          all                  scram-sha-256
host    all          all   127.0.0.1/32   scram-sha-256
local   replication  all                  scram-sha-256
"""

FIRST_IO_METHOD_MAJOR = 18

_SETTINGS = """\
# Memory: the whole program with its database is meant to idle under 250 MB. 64 MB of shared buffers hold the
# hot part of a community's data; the rest stays in the machine's page cache, which effective_cache_size tells
# the planner about.
shared_buffers = 64MB
effective_cache_size = 512MB
work_mem = 4MB
maintenance_work_mem = 64MB
# A process asks for 30 connections at most; three processes and an operator fit.
max_connections = 100
# Compiling costs more than it saves on short queries, and the wheel has no LLVM.
jit = off
# Two cores serve many short queries; parallel workers would take a core and a share of /dev/shm, which
# containers limit to 64 MB.
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
# Solid-state disks: a random page costs about what a sequential one does.
random_page_cost = 1.1

# Durability: an acknowledged commit survives the loss of power. Never turn these off for speed.
fsync = on
synchronous_commit = on
full_page_writes = on
# The log of changes may grow to 512 MB between checkpoints: few checkpoints, and a recovery of seconds.
wal_level = replica
max_wal_size = 512MB
min_wal_size = 64MB
checkpoint_timeout = 10min
wal_compression = on

autovacuum = on
# Two workers are enough on two cores; the delay keeps them from starving the requests.
autovacuum_max_workers = 2

password_encryption = scram-sha-256
unix_socket_permissions = 0700
timezone = 'UTC'
log_timezone = 'UTC'

# One file per weekday, each emptied when its day comes again: a week of log and no clean-up job.
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_file_mode = 0600
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] %q%u@%d '
log_error_verbosity = terse
log_min_duration_statement = 1s
# Values of parameters are people's data; the statement says enough.
log_parameter_max_length = 0
log_lock_waits = on
"""

_ASYNCHRONOUS_IO = """
# Version 18 keeps three I/O processes by default; reading in the backend saves their memory, and the tables
# mostly fit the caches.
io_method = sync
"""

_ONE_SYNC = """
# After a crash every file is first written to the disk: in one call rather than a thousand, which take seconds.
recovery_init_sync_method = syncfs
"""

_STATISTICS = """
# Which queries cost the most: the view pg_stat_statements in the database `postgres`.
shared_preload_libraries = 'pg_stat_statements'
"""


def has_syncfs(system: str, release: str) -> bool:
    """Tells whether syncfs(2) can be trusted: Linux reports failed writes through it since 5.8."""
    version = re.match(r"(\d+)\.(\d+)", release)
    return system == "Linux" and version is not None and (int(version[1]), int(version[2])) >= (5, 8)


def settings(major: int, *, has_statistics: bool, one_sync: bool) -> str:
    """Returns the configuration file for a server of this major version."""
    parts = ["# Written by Agon at each start; put your own settings into postgresql.local.conf.\n", _SETTINGS]
    if major >= FIRST_IO_METHOD_MAJOR:
        parts.append(_ASYNCHRONOUS_IO)
    if one_sync:
        parts.append(_ONE_SYNC)
    if has_statistics:
        parts.append(_STATISTICS)
    return "".join(parts)
