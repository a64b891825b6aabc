"""What is wrong with the settings, said so that an operator can put it right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: the name as the operator wrote it, what is wrong with the value, and what to do."""

    name: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}\n    {self.remedy}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A contradiction or a refusal: the settings it is about (dotted paths, the first gives it its name)."""

    paths: tuple[str, ...]
    problem: str
    remedy: str


class SettingsError(Exception):
    """The settings do not allow a start; every problem at once, and no secret value in any of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 setting needs" if len(self.problems) == 1 else f"{len(self.problems)} settings need"
        super().__init__("\n  ".join([f"{count} attention before Agon can start:", *map(str, self.problems)]))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one was probably meant to be."""
    from difflib import get_close_matches  # only a failed start needs it

    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
