"""Refusals of accounts."""

from agon.kernel.errors import DomainError, Refusal, ValidationFailed


class AuthValidationError(ValidationFailed):
    code = "AUTH_VALIDATION_ERROR"


class InvalidCredentials(DomainError):
    code = "AUTH_INVALID_CREDENTIALS"
    refusal = Refusal.UNAUTHENTICATED
    title = "The name or the password is wrong."


class TokenExpired(DomainError):
    code = "AUTH_TOKEN_EXPIRED"
    refusal = Refusal.UNAUTHENTICATED
    title = "The token has expired."


class TokenInvalid(DomainError):
    code = "AUTH_TOKEN_INVALID"
    refusal = Refusal.UNAUTHENTICATED
    title = "The token is not valid."


class AuthRateLimited(DomainError):
    code = "AUTH_RATE_LIMITED"
    refusal = Refusal.LIMITED
    title = "Too many attempts to sign in."


class AuthBusy(DomainError):
    code = "AUTH_BUSY"
    refusal = Refusal.UNAVAILABLE
    title = "Too many passwords are being checked at the moment."


class EmailTaken(DomainError):
    code = "AUTH_EMAIL_TAKEN"
    refusal = Refusal.CONFLICT
    title = "An account with this e-mail address exists already."


class UsernameTaken(DomainError):
    code = "AUTH_USERNAME_TAKEN"
    refusal = Refusal.CONFLICT
    title = "The username is taken."


class WeakPassword(DomainError):
    code = "AUTH_WEAK_PASSWORD"
    refusal = Refusal.INVALID
    title = "The password is too easy to guess."


class EmailUnverified(DomainError):
    code = "AUTH_EMAIL_UNVERIFIED"
    refusal = Refusal.FORBIDDEN
    title = "The e-mail address has to be verified first."


class RegistrationClosed(DomainError):
    code = "AUTH_REGISTRATION_CLOSED"
    refusal = Refusal.FORBIDDEN
    title = "New accounts cannot be made here at the moment."


class LinkInvalid(DomainError):
    code = "AUTH_LINK_INVALID"
    refusal = Refusal.GONE
    title = "The link was used, has expired, or never was one."


class AccountNotFound(DomainError):
    code = "AUTH_NOT_FOUND"
    refusal = Refusal.MISSING
    title = "There is no such account, or nothing of the kind that it holds."


class LastAdmin(DomainError):
    code = "AUTH_LAST_ADMIN"
    refusal = Refusal.CONFLICT
    title = "The last administrator cannot be taken away."
