"""Features that can be switched, declared in code beside what they switch."""

import msgspec

FEATURES: dict[str, "Feature"] = {}
"""Every declared feature by its name."""


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be turned on and off while Agon runs; declaring one is all there is to it.

    `name` is `{domain}.{what}` and is stored. `gate` says which figures must hold before it is turned on for more.
    """

    name: str
    owner: str
    default: bool
    """Whether it is on where nobody has set its switch."""
    description: str
    gate: str

    def __post_init__(self) -> None:
        if FEATURES.setdefault(self.name, self) != self:
            message = f"feature {self.name} is declared twice"
            raise TypeError(message)
