"""What an operation asks of its caller; each operation declares one."""

import msgspec

from agon.contracts.accounts import Principal, Role


class Permission(msgspec.Struct, frozen=True):
    """Who may call an operation.

    `reads_credentials` is false for operations that take a credential themselves (login, refresh): an
    `Authorization` header does not matter there. `privileged` operations ask the primary database whether the
    caller's session and roles still hold, instead of trusting a memory of at most a minute.
    """

    name: str
    signed_in: bool = True
    role: Role | None = None
    reads_credentials: bool = True
    privileged: bool = False

    def allows(self, principal: Principal | None) -> bool:
        """Whether this caller may call it; what it may do there is the domain's business."""
        if principal is None:
            return not self.signed_in
        return self.role is None or principal.has(self.role)


ANYONE = Permission("anyone", signed_in=False, reads_credentials=False)
"""No credentials are asked for or looked at."""
VISITOR = Permission("visitor", signed_in=False)
"""Open to all; who is signed in may see more. Bad credentials are refused."""
SIGNED_IN = Permission("signed_in")
PLAYER = Permission("player", role=Role.PLAYER)
ORGANIZER = Permission("organizer", role=Role.ORGANIZER)
MODERATOR = Permission("moderator", role=Role.MODERATOR, privileged=True)
ADMIN = Permission("admin", role=Role.ADMIN, privileged=True)
SERVICE = Permission("service", role=Role.SERVICE)
PERMISSIONS = (ANYONE, VISITOR, SIGNED_IN, PLAYER, ORGANIZER, MODERATOR, ADMIN, SERVICE)
