"""Who may call what: the outcome of every operation for every kind of caller.

An outcome is the status of a success, or the code of the refusal. Each cell is a request that would succeed if the
caller were allowed, sent to the running program; `owner` calls it about its own things, all others about the owner's.
"""

from enum import StrEnum

Outcome = int | str
Row = dict["Caller", Outcome]


class Caller(StrEnum):
    """Kinds of caller."""

    ANONYMOUS = "anonymous"
    OWNER = "owner"
    OTHER_PLAYER = "other_player"
    ORGANIZER = "organizer"
    MODERATOR = "moderator"
    ADMIN = "admin"
    ADMIN_ELSEWHERE = "admin_elsewhere"
    """Administrator of one tournament: of nothing else."""
    EXPIRED = "expired"
    """The administrator, with a token that has expired."""
    FORGED = "forged"
    """The administrator, by a token that somebody else signed."""
    REVOKED = "revoked"
    """The administrator, with a token whose session has ended."""


LATER = {
    "suspended": ("AUTH_ACCOUNT_SUSPENDED", "SANCTIONED"),
    "two_factor_pending": ("AUTH_2FA_REQUIRED", "AUTH_2FA_INVALID"),
}
"""Callers that cannot exist yet, with the codes of refusals that come with them: there are no sanctions and no second
factors so far. As soon as one of the codes is declared, a test asks for the caller to be added above."""

_NO_CREDENTIALS: Row = {
    Caller.ANONYMOUS: "AUTH_REQUIRED",
    Caller.EXPIRED: "AUTH_TOKEN_EXPIRED",
    Caller.FORGED: "AUTH_TOKEN_INVALID",
    Caller.REVOKED: "AUTH_TOKEN_INVALID",
}


def public(outcome: Outcome = 200) -> Row:
    """The same for all: credentials are not looked at."""
    return dict.fromkeys(Caller, outcome)


def signed_in(outcome: Outcome = 200) -> Row:
    return {**public(outcome), **_NO_CREDENTIALS}


def admin_only(outcome: Outcome = 200) -> Row:
    return {**signed_in("AUTH_FORBIDDEN"), Caller.ADMIN: outcome}


MATRIX: dict[str, Row] = {
    "auth.grant_role": admin_only(),
    "auth.key_set": public(),
    "auth.list_roles": admin_only(),
    "auth.login": public(),
    "auth.logout": signed_in(204),
    "auth.logout_all": signed_in(204),
    "auth.read_account": signed_in(),
    "auth.refresh": public(),
    "auth.register": public(201),
    "auth.revoke_role": admin_only(204),
    "auth.setup": public("AUTH_LINK_INVALID"),
    "auth.validate": signed_in(),
    "documentation.area": public(),
    "documentation.asset": public(),
    "documentation.errors": public(),
    "documentation.openapi": public(),
    "documentation.overview": public(),
    "health.details": admin_only(),
    "health.live": public(),
    "health.metrics": public("NOT_FOUND"),
    "health.ready": public(),
    "health.report": public(),
    "setup.page": public(410),
    "setup.style": public(),
    "setup.submit": public(410),
}
