"""What can go wrong between Agon and its database, as refusals."""

from typing import Any

import asyncpg

from agon.kernel.constraints import CONSTRAINTS
from agon.kernel.errors import DomainError, Refusal


class DatabaseUnavailable(DomainError):
    code = "DATABASE_UNAVAILABLE"
    refusal = Refusal.UNAVAILABLE
    title = "The database cannot be reached at the moment."


class ValueInvalid(DomainError):
    code = "VALUE_INVALID"
    refusal = Refusal.INVALID
    title = "A value cannot be stored: a text with a NUL character, or a number or time out of range."


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
    asyncpg.InternalClientError,
)
"""The connection is gone, cannot be made, or was cut in the middle of an answer (the driver then says of itself that
it cannot go on); nothing is known to be wrong with the statement. Such a connection is never used again."""

UNSTORABLE = (
    asyncpg.DataError,  # the driver itself: out of the range of the type
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.DatetimeFieldOverflowError,
)
"""A value that came from a request and fits no column. Only these of the whole class of data errors: a division by
zero, say, is a fault of ours."""


def is_lost(error: Exception, connection: Any) -> bool:
    """Whether an error means that the connection is of no more use.

    The driver's `InterfaceError` stands for that, and also for mistakes of ours, such as a missing argument: those
    leave the connection open.
    """
    if isinstance(error, asyncpg.InterfaceError):
        return bool(connection.is_closed())
    return isinstance(error, UNREACHABLE)


def refusal_of(error: Exception, connection: Any) -> DomainError | None:
    """The refusal that a database error on a connection stands for, or None where it is a fault of ours."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        meaning = CONSTRAINTS.get(str(getattr(error, "constraint_name", None)))
        return None if meaning is None or isinstance(meaning, str) else meaning()
    if type(error) in UNSTORABLE:
        return ValueInvalid()
    if isinstance(error, asyncpg.QueryCanceledError):
        return DatabaseUnavailable("The database took too long.", retry_after=1)
    if is_lost(error, connection):
        return DatabaseUnavailable(retry_after=1)
    return None
