"""Which code decides without input or output.

`kernel`, `contracts` and the bottom of a domain (`rules`, `states`, `rows`, `errors`) import what is listed here and
nothing else. All that they may import of Agon is pure itself, so purity holds all the way down. Rules and states also
take the time from a `Clock` and chance from a generator, both passed to them.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.source_tree import PACKAGE, Module, Violation, domain_of, face_of, imported_names, modules, origin_of, run

PURE_PARTS = frozenset({"rules", "states", "rows", "errors"})

_STANDARD = """
    __future__ abc array base64 binascii bisect calendar cmath collections contextlib contextvars copy dataclasses
    datetime decimal difflib enum fractions functools graphlib hashlib heapq hmac html ipaddress itertools json keyword
    math numbers operator random re statistics string struct textwrap types typing unicodedata urllib.parse uuid
    weakref zlib zoneinfo
"""
STANDARD = frozenset(_STANDARD.split())
"""Modules of the standard library that touch nothing outside the process; `zoneinfo` reads its fixed tables."""

THIRD_PARTY = frozenset({"msgspec", "typing_extensions"})
RULES_THIRD_PARTY = frozenset({"numpy"})
"""Libraries of numbers that rules may use besides; add one here when a rule needs it."""

KERNEL_ONLY = frozenset({"secrets", "time"})
"""Where identifiers and the system's clock are made."""

_TOUCHES_THE_WORLD = frozenset({"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"})
_TELLS_THE_TIME = frozenset(
    {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"}
)
_MAKES_CHANCE = ("random.", "numpy.random.", "uuid.uuid1", "uuid.uuid4")
_TYPES_OF_CHANCE = frozenset({"random.Random", "numpy.random.Generator"})


def violations(root: Path) -> Iterator[Violation]:
    """Everything in the pure parts of a repository that is not pure."""
    for module in modules(root, PACKAGE):
        allowed = _allowed(module)
        if allowed is not None:
            yield from _imports(module, allowed)
            yield from _calls(module)


def _allowed(module: Module) -> frozenset[str] | None:
    """The names that a pure module may import from; None when it need not be pure."""
    common = STANDARD | THIRD_PARTY | {"agon.kernel"}
    domain = domain_of(module.path)
    if module.path.is_relative_to(PACKAGE / "kernel"):
        return common | KERNEL_ONLY
    if module.path.is_relative_to(PACKAGE / "contracts"):
        return common | {"agon.contracts"}
    if domain is None or face_of(module.path) not in PURE_PARTS:
        return None
    own = {f"agon.domains.{domain}.{part}" for part in PURE_PARTS}
    numbers = RULES_THIRD_PARTY if face_of(module.path) == "rules" else frozenset[str]()
    return common | numbers | own | {"agon.contracts"}


def _imports(module: Module, allowed: frozenset[str]) -> Iterator[Violation]:
    for name, line in imported_names(module):
        if not any(name == each or name.startswith(f"{each}.") for each in allowed):
            yield Violation(module.path, line, f"{module.name} is pure and may not import {name}")


def _calls(module: Module) -> Iterator[Violation]:
    origins = module.origins()
    for call in module.calls():
        name = origin_of(call.func, origins)
        if isinstance(call.func, ast.Name) and call.func.id in _TOUCHES_THE_WORLD and not name:
            yield Violation(module.path, call.lineno, f"{module.name} is pure and may not call {call.func.id}()")
        if domain_of(module.path) is None:  # the kernel is where time and identifiers are made
            continue
        if name in _TELLS_THE_TIME:
            yield Violation(module.path, call.lineno, f"{name}() in {module.name}: the time is passed in, from a Clock")
        elif name.startswith(_MAKES_CHANCE) and name not in _TYPES_OF_CHANCE:
            yield Violation(module.path, call.lineno, f"{name}() in {module.name}: chance is passed in, a generator")


if __name__ == "__main__":
    sys.exit(run("purity", violations, sys.argv[1:]))
