"""What can go wrong between Agon and its database, as refusals."""

import asyncpg

from agon.kernel.constraints import CONSTRAINTS
from agon.kernel.errors import DomainError, Refusal


class DatabaseUnavailable(DomainError):
    code = "DATABASE_UNAVAILABLE"
    refusal = Refusal.UNAVAILABLE
    title = "The database cannot be reached at the moment."


class TextInvalid(DomainError):
    code = "TEXT_INVALID"
    refusal = Refusal.INVALID
    title = "A text holds a character that cannot be stored."


RETRYABLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The transaction was rolled back by the database and may succeed when run again."""

UNREACHABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)
"""The connection is gone or cannot be made; nothing is known to be wrong with the statement."""


def translated(error: Exception) -> DomainError | None:
    """The refusal that a database error stands for, or None where it is a fault of ours."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        meaning = CONSTRAINTS.get(str(getattr(error, "constraint_name", None)))
        return None if meaning is None or isinstance(meaning, str) else meaning()
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return TextInvalid()
    if isinstance(error, asyncpg.QueryCanceledError):
        return DatabaseUnavailable("The database took too long.", retry_after=1)
    if isinstance(error, UNREACHABLE):
        return DatabaseUnavailable(retry_after=1)
    return None
