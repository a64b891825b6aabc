"""How a setting is declared: a typed field with its description, bounds, unit and, where promised, its own variable."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agon.platform.settings.problems import Finding


class Group(BaseModel):
    """Settings that belong together: a table in TOML, `AGON_<GROUP>_…` in the environment."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    def findings(self, *, production: bool) -> Iterable[Finding]:
        """What contradicts itself within the group, or is refused in production."""
        del production
        return ()


def setting(
    default: Any,
    description: str,
    *,
    example: str | None = None,
    unit: str | None = None,
    default_text: str | None = None,
    variable: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare one setting.

    Args:
        default: the value when nobody says otherwise.
        description: what it does, one or two sentences; ends up in the reference page.
        example: a value that makes sense where the default does not show one.
        unit: where the name does not end in it (`_seconds`, `_ms`, `_bytes` …).
        default_text: the default in words, where it depends on the environment or on other settings.
        variable: the environment variable, where the name is promised and is not `AGON_<GROUP>_<FIELD>`.
        minimum: the least value allowed.
        maximum: the greatest value allowed.
    """
    return Field(
        default,
        description=description,
        examples=None if example is None else [example],
        ge=minimum,
        le=maximum,
        json_schema_extra={"unit": unit, "default_text": default_text, "variable": variable},
    )
