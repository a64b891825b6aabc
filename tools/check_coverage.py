"""The coverage gate: lines of all of Agon, and branches of the domains where a wrong branch costs money or trust."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

LINES = 90.0
"""Percent of all lines of `src`."""

BRANCHES = {f"src/agon/domains/{name}/": 90.0 for name in ("accounts", "profiles", "wallet", "ratings")}
"""Percent of the branches of a domain, once it is there."""


class Summary(msgspec.Struct):
    covered_lines: int
    num_statements: int
    covered_branches: int
    num_branches: int


class File(msgspec.Struct):
    summary: Summary


class Report(msgspec.Struct):
    """What `coverage json` writes, as far as it is read here."""

    files: Mapping[str, File]


class Gate(NamedTuple):
    """One figure and how high it has to be, in percent."""

    name: str
    covered: int
    total: int
    floor: float

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.total if self.total else 100.0

    @property
    def passed(self) -> bool:
        return self.total > 0 and self.percent >= self.floor


def gates(report: Report) -> list[Gate]:
    """Every figure that must reach its floor."""
    of_all = _gate("lines of src", report.files.values(), LINES, lines=True)
    of_domains = [
        _gate(f"branches of {folder}", files, floor, lines=False)
        for folder, floor in BRANCHES.items()
        if (files := [file for name, file in report.files.items() if folder in name])
    ]
    return [of_all, *of_domains]


def _gate(name: str, files: Iterable[File], floor: float, *, lines: bool) -> Gate:
    summaries = [file.summary for file in files]
    covered = sum(each.covered_lines if lines else each.covered_branches for each in summaries)
    total = sum(each.num_statements if lines else each.num_branches for each in summaries)
    return Gate(name, covered, total, floor)


def main(report: Path) -> int:
    """Print each figure; returns the exit code."""
    found = gates(msgspec.json.decode(report.read_bytes(), type=Report))
    for gate in found:
        verdict = "" if gate.passed else "  TOO LOW"
        print(f"coverage: {gate.percent:5.1f} % of {gate.total} {gate.name} (at least {gate.floor:g} %){verdict}")
    return 0 if all(gate.passed for gate in found) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
