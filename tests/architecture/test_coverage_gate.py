"""The coverage gate fails when it should."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools import check_coverage


def _report(path: Path, **files: tuple[int, int, int, int]) -> Path:
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    content: dict[str, Any] = {
        f"src/agon/{name.replace('__', '/')}.py": {"summary": dict(zip(names, figures, strict=True))}
        for name, figures in files.items()
    }
    path.write_bytes(msgspec.json.encode({"files": content, "totals": {}}))
    return path


def test_nine_tenths_of_all_lines_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _report(tmp_path / "c.json", kernel__ids=(80, 80, 0, 0), platform__mail=(10, 20, 0, 90))

    assert check_coverage.main(report) == 0
    assert "90.0 % of 100 lines of src" in capsys.readouterr().out


def test_less_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _report(tmp_path / "c.json", kernel__ids=(899, 1000, 0, 0))

    assert check_coverage.main(report) == 1
    assert "TOO LOW" in capsys.readouterr().out


def test_branches_of_the_ledger_count_by_themselves(tmp_path: Path) -> None:
    good = {"kernel__ids": (100, 100, 0, 100), "domains__wallet__rules": (10, 10, 9, 10)}
    assert check_coverage.main(_report(tmp_path / "c.json", **good)) == 0

    bad = good | {"domains__wallet__service": (10, 10, 8, 10)}
    assert check_coverage.main(_report(tmp_path / "c.json", **bad)) == 1


def test_a_run_that_measured_nothing_fails(tmp_path: Path) -> None:
    assert check_coverage.main(_report(tmp_path / "c.json")) == 1
