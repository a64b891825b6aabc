"""Refusals: errors that are part of the contract, each with a stable code.

A domain declares its refusals as subclasses in its `errors.py`; declaring one is all there is to it. The registry
here feeds the error catalogue in the documentation, and the HTTP edge maps each `Refusal` to a status in one table.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

import msgspec


class Refusal(StrEnum):
    """Why something was refused, in the words of the domain and not of a protocol."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    INSUFFICIENT = "insufficient"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field; `field` is a path such as `sides[1].score`, empty for the whole."""

    field: str
    code: str
    message: str


ERRORS: dict[str, type["DomainError"]] = {}
"""Every declared refusal by its code."""


class DomainError(Exception):
    """A refusal with a stable code.

    Class attributes: `code` (stable, `AREA_WHAT`), `refusal` and `title` (one sentence, the same for every
    occurrence). Instances add `detail` (this occurrence, for people), `data` (this occurrence, for programs) and
    `errors` (by field).
    """

    code: ClassVar[str]
    refusal: ClassVar[Refusal]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str | None = None,
        *,
        data: Mapping[str, object] | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.data = dict(data or {})
        self.errors = errors
        self.retry_after = retry_after
        """Seconds after which trying again makes sense, where that is known."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        code = cls.__dict__.get("code")
        if code is None:  # a family, such as ValidationFailed; its members carry codes
            return
        known = ERRORS.setdefault(code, cls)
        if known is not cls and known.__qualname__ != cls.__qualname__:
            message = f"error code {code} is declared twice: {known.__qualname__} and {cls.__qualname__}"
            raise TypeError(message)


class ValidationFailed(DomainError):
    """Input that cannot be accepted as it is; each area declares its own `<AREA>_VALIDATION_ERROR`."""

    refusal = Refusal.INVALID
    title = "The input is not valid."
