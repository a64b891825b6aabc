"""Every refusal that Agon declares, and not those that tests declare beside them in the same process."""

import importlib
import pkgutil

import agon
from agon.kernel.errors import ERRORS, DomainError


def declared_errors() -> dict[str, type[DomainError]]:
    """By code; everything is imported first."""
    for module in pkgutil.walk_packages(agon.__path__, "agon."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {code: error for code, error in ERRORS.items() if error.__module__.startswith("agon.")}
