"""Rate limits as the settings have them."""

from agon.platform.limits.rates import Rule, Strategy
from agon.platform.settings.limits import LimitSettings

_FIXED = {"login"}
"""Categories whose window opens again as a whole, as their documentation says."""


def rules(settings: LimitSettings) -> list[Rule]:
    """One rule for each category, by the minute."""
    return [
        Rule(category, amount, 60, Strategy.FIXED if category in _FIXED else Strategy.MOVING)
        for category, amount in settings.model_dump().items()
    ]
