"""What an account may do, from what it was granted."""

import re
from collections.abc import Iterable

from agon.contracts.accounts import GLOBAL_SCOPE, INCLUDED_ROLES, Role
from agon.kernel.errors import FieldError

GRANTABLE = frozenset({Role.ORGANIZER, Role.MODERATOR, Role.ADMIN})
"""Every account is a player without a grant; services are API keys."""
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SCOPE = re.compile(rf"{GLOBAL_SCOPE}|(?:tournament|game|organization):{_UUID}")


def grant_errors(role: Role, scope: str) -> tuple[FieldError, ...]:
    """What is wrong with a grant of this role in this scope."""
    found: list[FieldError] = []
    if role not in GRANTABLE:
        found.append(FieldError("role", "not_grantable", "Only organizer, moderator and admin are granted."))
    if not _SCOPE.fullmatch(scope):
        message = "It is `global`, or `tournament:`, `game:` or `organization:` and an identifier."
        found.append(FieldError("scope", "invalid", message))
    return tuple(found)


def held(grants: Iterable[str]) -> tuple[frozenset[Role], frozenset[tuple[Role, str]]]:
    """The roles of grants, `{role}@{scope}` each: the global ones with all they include, and the scoped ones."""
    everywhere = set(INCLUDED_ROLES[Role.PLAYER])
    scoped: set[tuple[Role, str]] = set()
    for grant in grants:
        name, _, scope = grant.partition("@")
        role = Role(name)
        if scope == GLOBAL_SCOPE:
            everywhere |= INCLUDED_ROLES[role]
        else:
            scoped.add((role, scope))
    return frozenset(everywhere), frozenset(scoped)
