"""Each import contract is broken on purpose, one way at a time, and must be seen to fail; the whole tree keeps all."""

from pathlib import Path

import pytest

from tests.architecture import skeleton

CONTRACTS = {"Tiers", "Domains", "Inside", "A", "No"}
"""The first words of the contracts' names."""

LAZY = "def later():\n    {}"
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"
POOL = "agon.domains.wallet.repository"

VIOLATIONS = {
    # tiers
    "kernel imports contracts": ("kernel/clock", "import agon.contracts.games", {"Tiers"}, "agon.kernel"),
    "kernel imports platform": ("kernel/clock", "import agon.platform.settings", {"Tiers"}, "agon.platform"),
    "contracts import platform": ("contracts/teams", "import agon.platform.settings", {"Tiers"}, "agon.contracts"),
    "platform imports a domain": ("platform/mail", "import agon.domains.wallet.public", {"Tiers"}, "agon.platform"),
    "platform imports a domain for its types": (
        "platform/mail",
        TYPED.format("from agon.domains.wallet import public"),
        {"Tiers"},
        "agon.platform is not allowed to import agon.domains",
    ),
    "platform imports a domain inside a function": (
        "platform/mail",
        LAZY.format("from agon.domains.wallet import public"),
        {"Tiers"},
        "agon.platform is not allowed to import agon.domains",
    ),
    "a domain imports the web": ("domains/wallet/endpoints", "import agon.web.tiles", {"Tiers"}, "agon.web"),
    "a domain imports a role": ("domains/wallet/endpoints", "import agon.roles.port", {"Tiers"}, "agon.roles"),
    "the web imports realtime": ("web/live", "import agon.realtime.hub", {"Tiers"}, "agon.web is not allowed"),
    "realtime imports the web": ("realtime/view", "import agon.web.pages", {"Tiers"}, "agon.realtime is not allowed"),
    "the web imports a role": ("web/live", "import agon.roles.port", {"Tiers"}, "agon.web is not allowed"),
    "a package outside the tiers": ("extras/__init__", "", {"Tiers"}, "- agon.extras"),
    # the order of domains
    "a domain imports upwards": (
        "domains/accounts/jobs",
        "from agon.domains.games import public",
        {"Domains"},
        "agon.domains.accounts is not allowed to import agon.domains.games",
    ),
    "a domain imports upwards for its types": (
        "domains/accounts/jobs",
        TYPED.format("from agon.domains.games import public"),
        {"Domains"},
        "agon.domains.accounts is not allowed to import agon.domains.games",
    ),
    "a domain imports sideways": (
        "domains/wallet/jobs",
        "from agon.domains.games import public",
        {"Domains"},
        "agon.domains.wallet is not allowed to import agon.domains.games",
    ),
    "a domain without a place in the order": ("domains/casino/public", "", {"Domains"}, "- agon.domains.casino"),
    # the public door
    "a higher domain imports a repository": ("domains/tournaments/service", f"import {POOL}", {"A"}, POOL),
    "a higher domain imports a repository for its types": (
        "domains/tournaments/service",
        TYPED.format(f"import {POOL}"),
        {"A"},
        f"agon.domains.tournaments.service is not allowed to import {POOL}",
    ),
    "a higher domain imports another as a whole": (
        "domains/tournaments/service",
        "import agon.domains.wallet",
        {"A"},
        "use agon.domains.wallet.public",
    ),
    "a domain that came later is reached into": (
        "domains/tournaments/service",
        "from agon.domains.games.service import play",
        {"A"},
        "use agon.domains.games.public",
    ),
    "the web imports a repository": (
        "web/pages",
        f"import {POOL}",
        {"A"},
        f"agon.web.pages is not allowed to import {POOL}",
    ),
    "the web imports endpoints": ("web/pages", "import agon.domains.wallet.endpoints", {"A"}, "agon.web.pages"),
    "a role imports a service": ("roles/api", "import agon.domains.wallet.service", {"A"}, "agon.roles.api"),
    "a role imports channels": ("roles/api", "import agon.domains.wallet.channels", {"A"}, "agon.roles.api"),
    "realtime imports endpoints": ("realtime/hub", "import agon.domains.wallet.endpoints", {"A"}, "agon.realtime.hub"),
    # inside a domain
    "a service imports endpoints": (
        "domains/wallet/service/pay",
        "import agon.domains.wallet.endpoints",
        {"Inside"},
        "agon.domains.wallet.service is not allowed to import agon.domains.wallet.endpoints",
    ),
    "a service imports its own door": (
        "domains/games/service",
        "import agon.domains.games.public",
        {"Inside"},
        "public",
    ),
    "a service imports schemas": ("domains/games/service", "import agon.domains.games.schemas", {"Inside"}, "schemas"),
    "a repository imports a service": (
        "domains/games/repository",
        "import agon.domains.games.service",
        {"Inside"},
        "service",
    ),
    "rules import a repository": ("domains/games/rules", "import agon.domains.games.repository", {"Inside"}, "rules"),
    "endpoints import jobs": ("domains/wallet/endpoints", "import agon.domains.wallet.jobs", {"Inside"}, "endpoints"),
    # cycles
    "three modules of the kernel import each other": (
        "kernel/money",
        "import agon.kernel.ratio",
        {"No"},
        "agon.kernel.money -> agon.kernel.ratio",
    ),
    "rows and states import each other for types": (
        "domains/wallet/states",
        TYPED.format("from agon.domains.wallet import rules"),
        {"No"},
        "agon.domains.wallet.rules -> agon.domains.wallet.states",
    ),
}

STAGE = {
    "web/tiles": "",
    "roles/port": "",
    "contracts/games": "",
    "kernel/ratio": "import agon.kernel.scale",
    "kernel/scale": "import agon.kernel.money",
    "kernel/money": "",
    "domains/games/__init__": "",
    "domains/games/public": "",
    "domains/games/schemas": "",
    "domains/games/service": "def play():\n    return 1",
    "domains/games/repository": "",
    "domains/games/rules": "",
}
"""What the violations need beside the tree itself; harmless by itself."""


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_forbidden_import_breaks_its_contract_and_no_other(name: str, tmp_path: Path) -> None:
    module, code, broken, phrase = VIOLATIONS[name]
    skeleton.grow(tmp_path)
    skeleton.plant(tmp_path, STAGE)
    if module == "domains/wallet/service/pay":  # a part that outgrew its file
        (tmp_path / "src/agon/domains/wallet/service.py").unlink()
        skeleton.plant(
            tmp_path, {"domains/wallet/service/__init__": skeleton.DOMAIN["service"].format(domain="wallet")}
        )
    skeleton.plant(tmp_path, {module: code, f"{module.rpartition('/')[0]}/__init__": ""})

    exit_code, kept, text = skeleton.lint_imports(tmp_path)

    assert {contract for contract, is_kept in kept.items() if not is_kept} == broken, text
    assert exit_code == 1
    assert phrase in text


def test_the_tree_with_every_allowed_import_keeps_all_contracts(tmp_path: Path) -> None:
    skeleton.grow(tmp_path)
    skeleton.plant(tmp_path, STAGE)
    count = len(list((tmp_path / "src").rglob("*.py")))

    exit_code, kept, text = skeleton.lint_imports(tmp_path)

    assert f"Analyzed {count} files" in text  # this tree, not the installed package
    assert kept == dict.fromkeys(CONTRACTS, True), text
    assert exit_code == 0


def test_agon_itself_keeps_all_contracts() -> None:
    exit_code, kept, text = skeleton.lint_imports(skeleton.REPOSITORY)

    assert exit_code == 0, text
    assert kept == dict.fromkeys(CONTRACTS, True)
