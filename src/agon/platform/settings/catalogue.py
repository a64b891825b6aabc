"""The names of every setting, worked out from the declarations: the one scheme that the loader and the page share.

The TOML path is `<group>.<field>` and the variable `AGON_<GROUP>_<FIELD>`; settings outside a group have just their
name. A few variables whose names are promised are shorter, and say so where they are declared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from agon.platform.settings.values import Shape

PREFIX = "AGON_"
CONFIG_DIR_VARIABLE = "AGON_CONFIG_DIR"

_SHAPES: dict[object, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its names and its type."""

    path: str
    variable: str
    field: FieldInfo

    @property
    def group(self) -> str:
        """The table it is in, empty at the top."""
        return self.path.rpartition(".")[0]

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return any(part is SecretStr for part in _parts(self.field.annotation))

    @property
    def many(self) -> bool:
        """Whether it is a list; its variable then separates the values by commas."""
        return get_origin(self.field.annotation) is tuple

    @property
    def file_variable(self) -> str | None:
        """The variable that names a file with the value; only secrets have one."""
        return f"{self.variable}_FILE" if self.secret else None

    @property
    def example(self) -> str | None:
        """A value that makes sense, where the default is none."""
        return self.field.examples[0] if self.field.examples else None

    @property
    def unit(self) -> str | None:
        """The unit, where the name does not end in it."""
        return _declared(self.field, "unit")

    @property
    def default_text(self) -> str | None:
        """The default in words, where it depends on other values."""
        return _declared(self.field, "default_text")

    @property
    def shape(self) -> str:
        """What a value looks like, in words, with its bounds."""
        bounds = [words for constraint in self.field.metadata if (words := _bound(constraint))]
        return " ".join([_shape([self.field.annotation, *self.field.metadata], many=self.many), *bounds])


@cache
def catalogue(kind: type[BaseModel]) -> Mapping[str, Setting]:
    """Every setting of a model and of its groups by dotted path, in the order of declaration."""
    found: dict[str, Setting] = {}
    for name, field in kind.model_fields.items():
        group: Any = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            found.update({f"{name}.{part}": _setting(f"{name}.{part}", of) for part, of in group.model_fields.items()})
        else:
            found[name] = _setting(name, field)
    return MappingProxyType(found)


def _setting(path: str, field: FieldInfo) -> Setting:
    return Setting(path, _declared(field, "variable") or PREFIX + path.upper().replace(".", "_"), field)


def _declared(field: FieldInfo, key: str) -> str | None:
    extra: Any = field.json_schema_extra
    return extra[key]


def _parts(annotation: Any) -> list[Any]:
    """An annotation and everything inside it."""
    return [annotation, *(inner for part in get_args(annotation) for inner in _parts(part))]


def _shape(described: Sequence[Any], *, many: bool) -> str:
    parts = [part for one in described for part in _parts(one)]
    for part in parts:
        if isinstance(part, Shape):
            return f"list of {part.many}" if many else part.one
    for part in parts:
        if isinstance(part, type) and issubclass(part, StrEnum):
            *others, last = (f"`{choice}`" for choice in part)
            return f"{', '.join(others)} or {last}"
    return next((_SHAPES[part] for part in parts if part in _SHAPES), "text")


def _bound(constraint: object) -> str:
    match constraint:
        case Ge(ge=value):
            return f"from {value}"
        case Le(le=value):
            return f"to {value}"
        case _:
            return ""
