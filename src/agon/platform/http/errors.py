"""Refusals of the HTTP edge itself; those of a domain are in its own `errors.py`."""

from agon.kernel.errors import DomainError, Refusal


class AuthRequired(DomainError):
    code = "AUTH_REQUIRED"
    refusal = Refusal.UNAUTHENTICATED
    title = "This needs a signed-in account."


class AuthForbidden(DomainError):
    code = "AUTH_FORBIDDEN"
    refusal = Refusal.FORBIDDEN
    title = "The account may not do this."


class RateLimited(DomainError):
    code = "RATE_LIMITED"
    refusal = Refusal.LIMITED
    title = "Too many requests."


class NotFound(DomainError):
    code = "NOT_FOUND"
    refusal = Refusal.MISSING
    title = "There is nothing at this address."


class RequestInvalid(DomainError):
    code = "REQUEST_INVALID"
    refusal = Refusal.INVALID
    title = "The request cannot be read."


class BodyTooLarge(DomainError):
    code = "BODY_TOO_LARGE"
    refusal = Refusal.TOO_LARGE
    title = "The body of the request is too large."


class MediaTypeUnsupported(DomainError):
    code = "MEDIA_TYPE_UNSUPPORTED"
    refusal = Refusal.UNSUPPORTED
    title = "The body of the request has to be application/json."


class IdempotencyKeyRequired(DomainError):
    code = "IDEMPOTENCY_KEY_REQUIRED"
    refusal = Refusal.INVALID
    title = "This operation needs an Idempotency-Key header."


class IdempotencyKeyInvalid(DomainError):
    code = "IDEMPOTENCY_KEY_INVALID"
    refusal = Refusal.INVALID
    title = "An Idempotency-Key is 1 to 255 printable ASCII characters."


class IdempotencyKeyReused(DomainError):
    code = "IDEMPOTENCY_KEY_REUSED"
    refusal = Refusal.CONFLICT
    title = "The Idempotency-Key was used with another request."


class IdempotencyInProgress(DomainError):
    code = "IDEMPOTENCY_IN_PROGRESS"
    refusal = Refusal.CONFLICT
    title = "The first request with this Idempotency-Key is still running."


class ServiceUnavailable(DomainError):
    code = "SERVICE_UNAVAILABLE"
    refusal = Refusal.UNAVAILABLE
    title = "The service cannot do this at the moment."
