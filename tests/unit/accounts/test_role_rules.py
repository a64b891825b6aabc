"""Roles: which can be granted, and what is held by them."""

import pytest

from agon.contracts.accounts import Role
from agon.domains.accounts.rules.roles import grant_errors, held

ID = "018f7b1e-9f0a-7c3d-8e21-0123456789ab"


@pytest.mark.parametrize("scope", ["global", f"tournament:{ID}", f"game:{ID}", f"organization:{ID}"])
@pytest.mark.parametrize("role", [Role.ORGANIZER, Role.MODERATOR, Role.ADMIN])
def test_what_can_be_granted(role: Role, scope: str):
    assert grant_errors(role, scope) == ()


@pytest.mark.parametrize("role", [Role.PLAYER, Role.SERVICE])
def test_players_and_services_are_not_granted(role: Role):
    assert [error.field for error in grant_errors(role, "global")] == ["role"]


@pytest.mark.parametrize(
    "scope", ["", "Global", "global ", f"team:{ID}", "tournament:", f"tournament:{ID.upper()}", f"game:{ID}\n"]
)
def test_other_scopes_are_refused(scope: str):
    assert [error.field for error in grant_errors(Role.ADMIN, scope)] == ["scope"]


def test_everyone_is_a_player():
    assert held([]) == (frozenset({Role.PLAYER}), frozenset())


def test_included_roles_are_added():
    everywhere, scoped = held(["admin@global"])
    assert everywhere == {Role.ADMIN, Role.ORGANIZER, Role.MODERATOR, Role.PLAYER}
    assert scoped == frozenset()


def test_scoped_roles_stay_in_their_scope():
    everywhere, scoped = held([f"organizer@tournament:{ID}", "moderator@global"])
    assert everywhere == {Role.MODERATOR, Role.PLAYER}
    assert scoped == {(Role.ORGANIZER, f"tournament:{ID}")}
