"""Settings of rate limits."""

from agon.platform.settings.declare import Group, setting

_UNIT = "requests a minute"


class LimitSettings(Group):
    """How often one may ask, by category; over it the answer is 429. A limit of 0 refuses all."""

    login: int = setting(5, "Attempts to sign in, per address.", unit="attempts a minute", minimum=0)
    auth: int = setting(10, "Routes that take a credential, per address.", unit=_UNIT, minimum=0)
    game: int = setting(1000, "Sessions, matchmaking, parties and results, per account.", unit=_UNIT, minimum=0)
    writes: int = setting(120, "Other changes, per account.", unit=_UNIT, minimum=0)
    reads: int = setting(600, "Reads, per account.", unit=_UNIT, minimum=0)
    anonymous: int = setting(100, "Requests without a sign-in, per address.", unit=_UNIT, minimum=0)
    public: int = setting(200, "Public lists without a sign-in, per address.", unit=_UNIT, minimum=0)
    feed: int = setting(150, "Feeds, per account.", unit=_UNIT, minimum=0)
    service: int = setting(3000, "Requests with a service key, per key.", unit=_UNIT, minimum=0)
