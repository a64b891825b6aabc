"""The layout is broken on purpose, one way at a time; the whole tree keeps it."""

from pathlib import Path

import pytest

from tests.architecture import skeleton
from tools import check_layout

SILENT = "def read():\n    try:\n        return 1\n    except {}:\n        {}"


def _function(lines: int) -> str:
    return "def decide(\n    first: int,\n) -> int:\n" + "    first += 1\n" * (lines - 4) + "    return first"


VIOLATIONS = {
    "a part that is none": ("domains/wallet/views", "", "views is not a part of a domain"),
    "a folder that is none": ("domains/wallet/ledger/__init__", "", "ledger is not a part of a domain"),
    "code in a domain's __init__": ("domains/wallet/__init__", "from x import y", "holds no code"),
    "a file beside the domains": ("domains/shared", "", "a domain is a folder"),
    "a domain without its door": (
        "domains/parties/__init__",
        "",
        "src/agon/domains/parties:1: a domain needs a public.py",
    ),
    "a folder that is no package": ("platform/mail/smtp", "", "src/agon/platform/mail:1: a folder of modules needs"),
    "a file of 301 lines": (
        "kernel/money",
        "x = 1\n" * 300 + "x = 1",
        "money.py:301: 301 lines; a file has at most 300",
    ),
    "a function of 41 lines": ("kernel/money", _function(41), "money.py:1: decide has 41 lines"),
    "a method of 41 lines": (
        "kernel/money",
        "class Money:\n    async def spend(self):\n" + "        x = 1\n" * 40,
        "money.py:2: spend has 41 lines",
    ),
    "a module named utils": ("kernel/utils", "", "utils says nothing"),
    "a module named for helping": ("platform/mail_helper", "", "mail_helper says nothing"),
    "a package named manager": ("platform/manager/__init__", "", "manager says nothing"),
    "a swallowed exception": (
        "kernel/money",
        SILENT.format("KeyError", "pass"),
        "money.py:4: an exception is swallowed",
    ),
    "a swallowed exception with dots": ("kernel/money", SILENT.format("Exception", "..."), "money.py:4: an exception"),
    "a swallowed exception with words": (
        "kernel/money",
        SILENT.format("ValueError", "'why'"),
        "money.py:4: an exception",
    ),
}

ALLOWED = {
    "a file of 300 lines": ("kernel/money", "x = 1\n" * 299 + "x = 1"),
    "a function of 40 lines": ("kernel/money", _function(40)),
    "a part that became a folder": (
        "domains/tournaments/rules/__init__",
        "from agon.domains.tournaments.rules import swiss",
    ),
    "words in a domain's __init__": ("domains/wallet/__init__", '"""Coins and their ledger."""'),
    "an exception that is answered": ("kernel/money", SILENT.format("KeyError", "return 0")),
    "a name that holds a longer word": ("kernel/utilisation", ""),
}


def _broken(root: Path) -> list[str]:
    return [str(violation) for violation in check_layout.violations(root)]


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_misplaced_or_oversized_thing_is_named(name: str, tmp_path: Path) -> None:
    module, code, message = VIOLATIONS[name]
    skeleton.plant(skeleton.grow(tmp_path), {module: code})

    broken = _broken(tmp_path)

    assert len(broken) == 1
    assert message in broken[0]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_keeps_to_the_layout_passes(name: str, tmp_path: Path) -> None:
    module, code = ALLOWED[name]
    skeleton.grow(tmp_path)
    if "folder" in name:
        (tmp_path / "src/agon/domains/tournaments/rules.py").unlink()
    skeleton.plant(tmp_path, {module: code})

    assert _broken(tmp_path) == []


def test_tests_are_short_and_honest_too(tmp_path: Path) -> None:
    folder = skeleton.grow(tmp_path) / "tests/unit"
    folder.mkdir(parents=True)
    (folder / "test_money.py").write_text("x = 1\n" * 301)
    (folder / "helpers.py").write_text(SILENT.format("KeyError", "pass"))

    assert len(_broken(tmp_path)) == 3


def test_a_published_file_of_others_may_be_long(tmp_path: Path) -> None:
    static = skeleton.grow(tmp_path) / "src/agon/web/static"
    (static / "vendor").mkdir(parents=True)
    (static / "vendor/htmx.js").write_text("\n" * 2000)
    assert _broken(tmp_path) == []

    (static / "site.css").write_text("\n" * 301)
    assert len(_broken(tmp_path)) == 1


def test_agon_keeps_its_own_layout() -> None:
    assert _broken(skeleton.REPOSITORY) == []


def test_the_command_says_what_is_broken_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skeleton.grow(tmp_path)
    arguments = [str(tmp_path)]
    assert check_layout.run("layout", check_layout.violations, arguments) == 0

    skeleton.plant(tmp_path, {"kernel/utils": ""})
    assert check_layout.run("layout", check_layout.violations, arguments) == 1
    assert "src/agon/kernel/utils.py:1: utils says nothing" in capsys.readouterr().out
