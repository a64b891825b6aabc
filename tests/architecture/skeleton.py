"""A small tree shaped like Agon, in which every import that the architecture allows is made once."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

DOMAIN = {
    "__init__": "",
    "errors": "from agon.kernel.ids import new_id",
    "states": "from enum import StrEnum",
    "rules": "import numpy\nfrom agon.domains.{domain}.states import StrEnum\nfrom agon.domains.{domain} import rows",
    "rows": "import msgspec\nfrom agon.contracts.accounts import AccountId",
    "repository": "from agon.domains.{domain} import errors, rows, rules, states",
    "service": "from agon.domains.{domain} import repository, rules\nfrom agon.platform.database import edge",
    "schemas": "from agon.domains.{domain} import service, rows",
    "guards": "from agon.domains.{domain} import schemas, service",
    "public": "from agon.domains.{domain} import schemas, service",
    "endpoints": "from agon.domains.{domain} import guards, schemas, service",
    "jobs": "from agon.domains.{domain} import service",
    "subscribers": "from agon.domains.{domain} import service",
    "commands": "from agon.domains.{domain} import service",
    "channels": "from agon.domains.{domain} import guards, service",
}

EDGE = """
import asyncpg

async def run(pool, verb):
    connection = await asyncpg.connect("postgresql://")
    async with pool.acquire() as lent, lent.transaction():
        await lent.execute("COMMIT")
"""

BASE = {
    "__init__": "",
    "kernel/__init__": "",
    "kernel/ids": "import secrets\nimport time\nimport msgspec\n\ndef new_id():\n    return time.time_ns()",
    "contracts/__init__": "",
    "contracts/accounts": "from typing import NewType\nimport agon.kernel.ids\nAccountId = NewType('AccountId', int)",
    "platform/__init__": "",
    "platform/settings": "import os\nfrom agon.kernel import ids\nfrom agon.contracts import accounts",
    "platform/database/__init__": "",
    "platform/database/edge": EDGE,
    "domains/__init__": "",
    "web/__init__": "",
    "web/pages": "from agon.domains.wallet import public",
    "realtime/__init__": "",
    "realtime/hub": "from agon.domains.wallet import channels, public",
    "roles/__init__": "",
    "roles/api": "from agon.domains.wallet import commands, endpoints, jobs, public, subscribers\n"
    "from agon.web import pages\nfrom agon.realtime import hub",
}


def domain(name: str) -> dict[str, str]:
    """The files of a domain with every part it can have."""
    return {f"domains/{name}/{part}": text.format(domain=name) for part, text in DOMAIN.items()}


def plant(root: Path, modules: Mapping[str, str]) -> None:
    """Add code at the end of modules of the tree, given as `kernel/ids`; one that is not there is made."""
    for module, text in modules.items():
        path = root / "src/agon" / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n" if text else "")


def grow(root: Path) -> Path:
    """Write the whole tree: three domains of which the higher ones call the lower ones through the door."""
    plant(root, BASE)
    for name in ("accounts", "wallet", "tournaments"):
        plant(root, domain(name))
    plant(root, {"domains/wallet/service": "from agon.domains.accounts import public as accounts"})
    plant(root, {"domains/tournaments/service": "from agon.domains.wallet.public import service as wallet"})
    return root


def lint_imports(root: Path) -> tuple[int, dict[str, bool], str]:
    """Run this repository's own import contracts over another tree.

    Returns:
        The exit code, whether each contract is kept (by the first word of its name), and all that was printed.
    """
    result = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-logo",
            "--no-cache",
            "--config",
            REPOSITORY / ".importlinter",
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(REPOSITORY)]), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    kept: dict[str, bool] = {}
    for line in result.stdout.splitlines():
        contract, _, verdict = line.strip().rpartition(" ")
        if verdict in {"KEPT", "BROKEN"}:
            kept[contract.split(maxsplit=1)[0].rstrip(":")] = verdict == "KEPT"
    return result.returncode, kept, result.stdout + result.stderr
