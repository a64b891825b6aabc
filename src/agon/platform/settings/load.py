"""Merges the layers, validates the result and collects everything wrong with it."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from agon.platform.settings.catalogue import CONFIG_DIR_VARIABLE, Setting, catalogue
from agon.platform.settings.problems import Finding, Problem, SettingsError
from agon.platform.settings.sources import Given, Layer, Reader
from agon.platform.settings.values import Environment

S = TypeVar("S", bound=BaseSettings)

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Rules(Generic[S]):
    """What a settings model knows beyond its fields."""

    derive: Callable[[Mapping[str, object]], dict[str, object]]
    """The defaults that depend on other values (given by path, not yet validated)."""
    findings: Callable[[S], Iterable[Finding]]
    """What contradicts itself or is refused."""


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """The settings, and for each value that somebody gave where it came from."""

    settings: S
    origins: Mapping[str, str]


def load(
    kind: type[S],
    rules: Rules[S],
    *,
    overrides: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path | None,
) -> Loaded[S]:
    """Load a settings model from flags, environment, secret files and TOML files, in that order of precedence.

    Raises:
        SettingsError: with every problem found.
    """
    reader = Reader(catalogue(kind))
    layers = _layers(reader, overrides, environ, directory)
    result = _Validation(kind, rules, layers, reader.wrong).run()
    problems = [*reader.problems, *result.problems]
    if problems or result.settings is None:
        raise SettingsError(problems)
    return Loaded(result.settings, {path: given.origin for path, given in ChainMap(*layers).items()})


def _layers(
    reader: Reader, overrides: Mapping[str, object], environ: Mapping[str, str], directory: Path | None
) -> list[dict[str, Given]]:
    flags = reader.overrides(overrides)
    environment = reader.environment(environ)
    files = reader.secret_files(environ)
    folder = directory or Path(environ.get(CONFIG_DIR_VARIABLE) or ".")
    if not folder.is_dir():
        name = CONFIG_DIR_VARIABLE if directory is None else "directory"
        reader.problems.append(Problem(name, "does not name a folder", "Name the folder that agon.toml is in."))
    common = reader.toml(folder / "agon.toml")
    chosen = ChainMap(flags, environment, common).get("environment", Given(Environment.DEVELOPMENT, "default"))
    name = str(chosen.value).lower()
    if name not in set(Environment):  # reported by the validation
        return [flags, environment, files, common]
    special = reader.toml(folder / f"agon.{name}.toml")
    said = special.get("environment")
    if said is not None and str(said.value).lower() != name:
        reader.problems.append(
            Problem(said.origin, f"is not {name}, for which the file was read", "Take the line away.")
        )
        del special["environment"]
    return [flags, environment, files, special, common]


class _Validation(Generic[S]):
    """Validates; where that fails, once more without what was wrong, so that the other checks have their say too."""

    def __init__(self, kind: type[S], rules: Rules[S], layers: list[dict[str, Given]], wrong: set[str]) -> None:
        self.settings: S | None = None
        self.problems: list[Problem] = []
        self._kind = kind
        self._rules = rules
        self._known = catalogue(kind)
        self._layers = layers
        self._wrong = wrong

    def run(self) -> "_Validation[S]":
        if not self._validate(report_derived=False) and not self._validate(report_derived=True):
            return self
        assert self.settings is not None
        for finding in self._rules.findings(self.settings):
            if self._wrong.isdisjoint(finding.paths):
                name = self._name(finding.paths[0])
                self.problems.append(Problem(name, finding.problem, finding.remedy))
        return self

    def _validate(self, *, report_derived: bool) -> bool:
        layers = [{path: one.value for path, one in layer.items() if path not in self._wrong} for layer in self._layers]
        merged = ChainMap(*layers)
        layers.append({path: value for path, value in self._rules.derive(merged).items() if path not in merged})
        errors: list[Any] = []
        try:
            self.settings = self._kind(_build_sources=(tuple(Layer(self._kind, layer) for layer in layers), {}))
        except ValidationError as error:
            errors = list(error.errors(include_url=False, include_context=False))
        for error in errors:
            path = next(name for name in _prefixes(error["loc"]) if name in self._known)
            if path in merged or report_derived:
                self._wrong.add(path)
                self.problems.append(self._problem(path, error))
        return not errors

    def _problem(self, path: str, error: Any) -> Problem:
        setting = self._known[path]
        shown = "the value" if setting.secret else _shown(error["input"])
        predicate = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
        return Problem(self._name(path), f"{shown} {predicate}", _expectation(setting))

    def _name(self, path: str) -> str:
        given = ChainMap(*self._layers).get(path)
        return self._known[path].variable if given is None else given.origin


def _prefixes(location: Iterable[object]) -> Iterable[str]:
    path = ""
    for part in location:
        path = f"{path}.{part}" if path else str(part)
        yield path


def _shown(value: object) -> str:
    """A value that is not secret; what looks like an address with a password in it is kept back all the same."""
    text = repr(value)
    return "the value" if "@" in text or len(text) > _SHOWN_CHARACTERS else text


def _expectation(setting: Setting) -> str:
    example = setting.example or setting.field.default
    suffix = "" if example in (None, ()) else f", such as {example}"
    return f"Expected: {setting.shape}{suffix}. {setting.field.description}"
