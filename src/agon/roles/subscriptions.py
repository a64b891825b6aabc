"""Who is told of which fact: every subscriber of every domain."""

from agon.domains.accounts import subscribers as accounts
from agon.platform.events.subscribers import Subscriptions


def subscriptions() -> Subscriptions:
    """All subscribers."""
    return Subscriptions([*accounts.SUBSCRIBERS])
