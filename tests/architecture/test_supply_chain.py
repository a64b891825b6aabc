"""All that gets installed is locked by hash, comes from the package index, and stands above the known-bad versions.

No vulnerability scanner is claimed here: pip-audit asks an online service and, without --strict, calls a look-up that
failed a clean result. A scan belongs on a schedule where the network is certain, not into a test that may run offline.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
INDEX = {"registry": "https://pypi.org/simple"}

FLOORS = {
    "litestar": "2.20",  # below: the rate limiter believes forged X-Forwarded-For (CVE-2025-59152)
    "starlette": "0.49.1",  # below: quadratic work on Range headers (CVE-2025-62727)
    "pyjwt": "2.13",
    "pillow": "12.3",
    "jinja2": "3.1.6",  # below: the sandbox can be left (CVE-2025-27516)
}
"""Versions below which a package must not be locked, directly or by way of another."""


def _locked() -> dict[str, dict[str, Any]]:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return {f"{package['name']} {package['version']}": package for package in lock["package"]}


LOCKED = _locked()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_everything_locked_comes_from_the_index_but_agon_itself() -> None:
    elsewhere = [name for name, package in LOCKED.items() if package["source"] != INDEX]

    assert elsewhere == [f"agon {PROJECT['project']['version']}"]


def test_every_locked_file_has_a_hash() -> None:
    files = [file for package in LOCKED.values() for file in [*package.get("wheels", ()), package.get("sdist")] if file]

    assert len(files) > len(LOCKED)
    assert [file["url"] for file in files if not re.fullmatch(r"sha256:[0-9a-f]{64}", file.get("hash", ""))] == []


def test_nothing_that_is_locked_has_to_be_built_from_source() -> None:
    assert [name for name, package in LOCKED.items() if package["source"] == INDEX and not package.get("wheels")] == []


@pytest.mark.parametrize("name", FLOORS)
def test_nothing_is_locked_below_its_floor(name: str) -> None:
    locked = [Version(package["version"]) for package in LOCKED.values() if package["name"] == name]

    assert [str(version) for version in locked if version < Version(FLOORS[name])] == []
    assert locked or name not in {_name(line) for line in PROJECT["project"]["dependencies"]}


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"])
def test_no_dependency_may_resolve_below_its_floor(line: str) -> None:
    requirement = Requirement(line)

    assert requirement.url is None
    assert requirement.specifier, "a dependency needs a lower bound"
    floor = FLOORS.get(_name(line))
    if floor is not None:
        (bound,) = (Version(each.version) for each in requirement.specifier if each.operator == ">=")
        assert bound >= Version(floor)


@pytest.mark.parametrize("file", ["uv.txt", "build.txt"])
def test_what_comes_before_the_lock_is_pinned_and_hashed(file: str) -> None:
    text = (ROOT / "tools/requirements" / file).read_text(encoding="utf-8").replace("\\\n", "")
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]

    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^-]+)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+", entry), entry


def test_the_build_backend_is_among_what_is_pinned() -> None:
    pinned = (ROOT / "tools/requirements/build.txt").read_text(encoding="utf-8")

    for line in PROJECT["build-system"]["requires"]:
        requirement = Requirement(line)
        found = re.search(rf"^{requirement.name}==(\S+)", pinned, re.MULTILINE)
        assert found is not None
        assert found[1] in requirement.specifier


def _name(line: str) -> str:
    return Requirement(line).name.lower().replace("_", "-")
