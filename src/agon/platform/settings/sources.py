"""Where values come from, each place a layer; a layer also says which of its names are unknown.

Values of secrets are wrapped as soon as they are read, so that no representation shows them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from agon.platform.settings.catalogue import CONFIG_DIR_VARIABLE, PREFIX, Setting
from agon.platform.settings.problems import Problem, nearest

_KUBERNETES_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave, and its name in the words of the place it was given in."""

    value: object
    origin: str


class Layer(PydanticBaseSettingsSource):
    """The values of one place, for pydantic-settings to merge; earlier layers win."""

    def __init__(self, kind: type[BaseSettings], values: Mapping[str, object]) -> None:
        super().__init__(kind)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the library's interface; `__call__` answers for all fields at once."""
        del field
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        for path, value in self._values.items():
            group, _, name = path.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[name] = value
        return nested


class Reader:
    """Reads each place and keeps the problems met on the way."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self.problems: list[Problem] = []
        self.wrong: set[str] = set()
        """Paths of settings that were given, but not in a way that could be read."""
        self._settings = settings
        self._variables = {setting.variable: setting for setting in settings.values()}
        self._file_variables = {name: one for one in settings.values() if (name := one.file_variable) is not None}

    def overrides(self, overrides: Mapping[str, object]) -> dict[str, Given]:
        """Flags, by dotted path; `None` is a flag that was not given."""
        found: dict[str, Given] = {}
        for path, value in overrides.items():
            if value is not None:
                self._take(found, path, Given(value, f"flag {path}"))
        return found

    def environment(self, environ: Mapping[str, str]) -> dict[str, Given]:
        """Variables that hold values; every other name that begins with `AGON_` is a problem."""
        found: dict[str, Given] = {}
        for name in sorted(name for name in environ if name.startswith(PREFIX)):
            value = environ[name]
            setting = self._variables.get(name)
            if _KUBERNETES_LINK.search(name) or value.startswith(("tcp://", "udp://", "sctp://")):
                self._add(
                    name,
                    "comes from Kubernetes and describes a service, it is not a setting",
                    "Set `enableServiceLinks: false` in the pod.",
                )
            elif setting is not None:
                parts = tuple(part for raw in value.split(",") if (part := raw.strip()))
                self._take(found, setting.path, Given(parts if setting.many else value, name))
            elif name != CONFIG_DIR_VARIABLE and name not in self._file_variables:
                self._unknown_variable(name)
        return found

    def secret_files(self, environ: Mapping[str, str]) -> dict[str, Given]:
        """Secrets in files that variables ending in `_FILE` name; one newline at the end is not part of the secret."""
        found: dict[str, Given] = {}
        for name, setting in self._file_variables.items():
            if name not in environ:
                continue
            if setting.variable in environ:
                remedy = f"Keep one of {setting.variable} and {name}."
                self._add(name, f"is given, and {setting.variable} too", remedy, setting)
                continue
            text = self._secret_text(setting, environ[name])
            if text is not None:
                self._take(found, setting.path, Given(text.removesuffix("\n"), name))
        return found

    def _secret_text(self, setting: Setting, file: str) -> str | None:
        """The text of a secret file. The path is never shown: people put the secret itself there by mistake."""
        try:
            return Path(file).read_text(encoding="utf-8")
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        except ValueError:  # a wrong encoding, or a path with a NUL
            why = "is not text in UTF-8"
        remedy = "Name a file that Agon may read and that holds only the secret."
        self._add(setting.file_variable or "", f"the file it names {why}", remedy, setting)
        return None

    def toml(self, path: Path) -> dict[str, Given]:
        """A settings file, if it is there: groups as tables."""
        import tomllib  # most starts have no file

        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._add(path.name, f"cannot be read ({error.strerror})", "Let Agon read the file, or take it away.")
            return {}
        except ValueError as error:  # TOML or UTF-8
            self._add(path.name, f"is not valid TOML: {error}", "Put the line right.")
            return {}
        found: dict[str, Given] = {}
        groups = {setting.group for setting in self._settings.values() if setting.group}
        for name, value in data.items():
            if name in groups and isinstance(value, dict):
                table = cast("dict[str, object]", value)
                for part, content in table.items():
                    self._take(found, f"{name}.{part}", Given(content, f"{path.name}: {name}.{part}"))
            elif name in groups:
                self._add(f"{path.name}: {name}", "is not a table", f"Begin a line with `[{name}]` and go on below it.")
            else:
                self._take(found, name, Given(value, f"{path.name}: {name}"))
        return found

    def _take(self, found: dict[str, Given], path: str, given: Given) -> None:
        setting = self._settings.get(path)
        if setting is None:
            self._unknown_path(path, given.origin)
        elif isinstance(given.value, str) and not given.value.strip():
            self._add(given.origin, "is empty", "Give it a value, or leave it out.", setting)
        elif setting.secret and isinstance(given.value, str):
            found[path] = Given(SecretStr(given.value), given.origin)
        else:
            found[path] = given

    def _add(self, name: str, problem: str, remedy: str, setting: Setting | None = None) -> None:
        self.problems.append(Problem(name, problem, remedy))
        if setting is not None:
            self.wrong.add(setting.path)

    def _unknown_variable(self, name: str) -> None:
        setting = self._variables.get(name.removesuffix("_FILE"))
        if setting is not None:
            self._add(name, "is not a setting", f"Only secrets are read from files; set {setting.variable}.")
            return
        meant = nearest(name, [*self._variables, *self._file_variables, CONFIG_DIR_VARIABLE])
        self._add(name, "is not a setting", _did_you_mean(meant))

    def _unknown_path(self, path: str, origin: str) -> None:
        named: dict[str, set[str]] = {}
        for known, setting in self._settings.items():
            for name in (known, known.rpartition(".")[2]):
                named.setdefault(name, set()).add(known)
            if setting.group:
                named.setdefault(setting.group, set()).add(f"[{setting.group}]")
        meant = nearest(path, named)
        self._add(origin, "is not a setting", _did_you_mean(" or ".join(sorted(named[meant])) if meant else None))


def _did_you_mean(name: str | None) -> str:
    return "Take it away; `agon settings` lists all." if name is None else f"Did you mean {name}?"
