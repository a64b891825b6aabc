"""Pure code is made impure on purpose, one way at a time; the whole tree is pure where it must be."""

from pathlib import Path

import pytest

from tests.architecture import skeleton
from tools import check_purity

RULES = "domains/wallet/rules"

VIOLATIONS = {
    "rules import a driver": (RULES, "import asyncpg", "may not import asyncpg"),
    "rules import a driver for its types": (
        RULES,
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from asyncpg import Connection",
        "may not import asyncpg.Connection",
    ),
    "rules import a client inside a function": (RULES, "def price():\n    import httpx", "may not import httpx"),
    "rules import files": (RULES, "from pathlib import Path", "may not import pathlib.Path"),
    "rules import the network beside a pure module": (
        RULES,
        "from urllib import request",
        "may not import urllib.request",
    ),
    "rules import the platform": (RULES, "import agon.platform.settings", "may not import agon.platform.settings"),
    "rules import their own service": (RULES, "from agon.domains.wallet import service", "agon.domains.wallet.service"),
    "rules import a lower domain": (RULES, "from agon.domains.accounts import public", "agon.domains.accounts.public"),
    "rules open a file": (RULES, "def price():\n    return open('prices.csv')", "may not call open()"),
    "rules print": (RULES, "def price():\n    print(1)", "may not call print()"),
    "rules ask for the time": (
        RULES,
        "from datetime import datetime\n\ndef late():\n    return datetime.now()",
        "datetime.datetime.now()",
    ),
    "rules ask for the day": (
        RULES,
        "import datetime as d\n\ndef late():\n    return d.date.today()",
        "datetime.date.today()",
    ),
    "rules throw dice": (RULES, "import random\n\ndef seed():\n    return random.choice([1])", "random.choice()"),
    "rules throw dice by another name": (
        RULES,
        "from random import choice as c\n\ndef seed():\n    return c([1])",
        "random.choice()",
    ),
    "rules throw NumPy's dice": (
        RULES,
        "import numpy as np\n\ndef seed():\n    return np.random.default_rng()",
        "numpy.random.default_rng()",
    ),
    "rules make identifiers of chance": (RULES, "import uuid\n\ndef make():\n    return uuid.uuid4()", "uuid.uuid4()"),
    "states import files": ("domains/wallet/states", "import os", "may not import os"),
    "states calculate with arrays": ("domains/wallet/states", "import numpy", "may not import numpy"),
    "rows import a driver": ("domains/wallet/rows", "from asyncpg import Record", "may not import asyncpg.Record"),
    "errors import HTTP": ("domains/wallet/errors", "import litestar", "may not import litestar"),
    "the kernel imports the event loop": ("kernel/ids", "import asyncio", "may not import asyncio"),
    "the kernel imports a contract": ("kernel/ids", "import agon.contracts.accounts", "agon.contracts.accounts"),
    "a contract imports sockets": ("contracts/accounts", "import socket", "may not import socket"),
    "a contract imports secrets": ("contracts/accounts", "import secrets", "may not import secrets"),
}

PASSED_IN = """
from datetime import datetime, UTC
from random import Random

def draw(now: datetime, random: Random):
    random.shuffle([now])
    Random(4)
    return datetime.fromtimestamp(0, UTC)
"""

ALLOWED = {
    "time and chance that are passed in": (
        RULES,
        PASSED_IN,
    ),
    "a pure part of an impure package": (RULES, "from urllib.parse import quote\nfrom collections.abc import Mapping"),
    "a method called as a built-in is": (RULES, "def start(match):\n    return match.open()"),
    "a service does input and output": ("domains/wallet/service", "import asyncio\nimport random\nrandom.random()"),
    "the kernel tells the time": (
        "kernel/clock",
        "from datetime import UTC, datetime\n\ndef now():\n    return datetime.now(UTC)",
    ),
}


def _broken(root: Path) -> list[str]:
    return [str(violation) for violation in check_purity.violations(root)]


@pytest.mark.parametrize("name", VIOLATIONS)
def test_impure_code_is_named(name: str, tmp_path: Path) -> None:
    module, code, message = VIOLATIONS[name]
    skeleton.plant(skeleton.grow(tmp_path), {module: code})

    broken = _broken(tmp_path)

    assert len(broken) == 1
    assert broken[0].startswith(f"src/agon/{module}.py:")
    assert message in broken[0]


def test_rules_that_became_a_folder_stay_pure(tmp_path: Path) -> None:
    skeleton.plant(skeleton.grow(tmp_path), {"domains/parties/rules/pairing": "import asyncpg\nimport numpy"})

    (broken,) = _broken(tmp_path)
    assert broken.endswith("rules/pairing.py:1: agon.domains.parties.rules.pairing is pure and may not import asyncpg")


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_pure_or_need_not_be_passes(name: str, tmp_path: Path) -> None:
    module, code = ALLOWED[name]
    skeleton.plant(skeleton.grow(tmp_path), {module: code})

    assert _broken(tmp_path) == []


def test_agon_is_pure_where_it_must_be() -> None:
    assert _broken(skeleton.REPOSITORY) == []
