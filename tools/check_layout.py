"""Where code may stand and how long it may be.

A domain's folder holds its fixed parts and nothing else; files, functions and module names keep to the conventions;
no exception is swallowed in silence.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.source_tree import (
    DOMAINS,
    PACKAGE,
    PYTHON_FOLDERS,
    Module,
    Violation,
    domain_of,
    face_of,
    files,
    modules,
    run,
)

_DOMAIN_PARTS = """
    public endpoints jobs subscribers commands channels guards schemas service repository rows rules states errors
"""
DOMAIN_PARTS = frozenset(_DOMAIN_PARTS.split())
"""What a domain is made of; each part is a file, or a folder once it outgrows one. `public` must be there."""

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
COUNTED_SUFFIXES = frozenset({".py", ".css", ".js", ".html", ".jinja", ".sql", ".typ"})
VENDORED = "vendor"
"""Folders of this name hold other people's files as they were published; their length is not ours."""

_EMPTY_NAME = re.compile(r"(^|_)(utils?|helpers?|managers?|misc)$")


def violations(root: Path) -> Iterator[Violation]:
    """Everything in a repository that breaks the layout."""
    yield from _domains(root)
    yield from _packages(root)
    yield from _long_files(root)
    for module in modules(root, *PYTHON_FOLDERS):
        yield from _empty_names(module)
        yield from _silent_excepts(module)
        if module.path.is_relative_to("src"):
            yield from _long_functions(module)


def _domains(root: Path) -> Iterator[Violation]:
    found: dict[str, set[str]] = {}
    for path in files(root, DOMAINS):
        domain = domain_of(path)
        if domain is None:
            if path.name != "__init__.py":
                yield Violation(path, 1, "a domain is a folder; no other file stands beside the domains")
            continue
        face = face_of(path)
        found.setdefault(domain, set()).add(face)
        if face == "__init__":
            if not _holds_only_words((root / path).read_text(encoding="utf-8")):
                yield Violation(path, 1, "a domain's __init__.py holds no code: its door is public.py")
        elif face not in DOMAIN_PARTS or path.suffix == ".pyi":
            yield Violation(
                path, 1, f"{face} is not a part of a domain; the parts are {', '.join(sorted(DOMAIN_PARTS))}"
            )
    for domain, faces in found.items():
        if "public" not in faces:
            yield Violation(DOMAINS / domain, 1, "a domain needs a public.py, its only door")


def _holds_only_words(text: str) -> bool:
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in ast.parse(text).body)


def _packages(root: Path) -> Iterator[Violation]:
    """A folder without `__init__.py` is invisible to import-linter."""
    folders = {path.parent for path in files(root, PACKAGE) if path.suffix == ".py"}
    for folder in sorted(folders):
        if not (root / folder / "__init__.py").exists():
            yield Violation(
                folder, 1, "a folder of modules needs an __init__.py, or the import contracts do not see it"
            )


def _long_files(root: Path) -> Iterator[Violation]:
    for path in files(root, *PYTHON_FOLDERS):
        if path.suffix in COUNTED_SUFFIXES and VENDORED not in path.parts:
            text = (root / path).read_text(encoding="utf-8")
            lines = text.count("\n") + (not text.endswith("\n") and text != "")
            if lines > LONGEST_FILE:
                yield Violation(path, LONGEST_FILE + 1, f"{lines} lines; a file has at most {LONGEST_FILE}")


def _long_functions(module: Module) -> Iterator[Violation]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                message = f"{node.name} has {lines} lines; a function has at most {LONGEST_FUNCTION}"
                yield Violation(module.path, node.lineno, message)


def _empty_names(module: Module) -> Iterator[Violation]:
    for part in PurePosixPath(module.path).with_suffix("").parts:
        if _EMPTY_NAME.search(part):
            yield Violation(module.path, 1, f"{part} says nothing about what is in it; name it for that")


def _silent_excepts(module: Module) -> Iterator[Violation]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and all(_does_nothing(statement) for statement in node.body):
            yield Violation(
                module.path, node.lineno, "an exception is swallowed in silence: handle, log or let it rise"
            )


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


if __name__ == "__main__":
    sys.exit(run("layout", violations, sys.argv[1:]))
