"""The files that the guards read, and how they report."""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = PurePosixPath("src/agon")
DOMAINS = PACKAGE / "domains"
PYTHON_FOLDERS = ("src", "tests", "tools", "benchmarks", "examples")


class Violation(NamedTuple):
    """A place that breaks a rule; the path is relative to the repository."""

    path: PurePosixPath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class Module(NamedTuple):
    """A Python file; the path is relative to the repository."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The name it is imported by, for files of the package: `agon.domains.wallet.rules`."""
        parts = self.path.with_suffix("").relative_to(PACKAGE.parent).parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def origins(self) -> dict[str, str]:
        """Where each imported name comes from: `{"np": "numpy", "uuid4": "uuid.uuid4"}`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return found


def files(root: Path, *folders: PurePosixPath | str) -> Iterator[PurePosixPath]:
    """Every file below these folders of the repository, in order, but for caches."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield PurePosixPath(path.relative_to(root).as_posix())


def modules(root: Path, *folders: PurePosixPath | str) -> Iterator[Module]:
    """Every Python file below these folders, parsed."""
    for path in files(root, *folders):
        if path.suffix == ".py":
            text = (root / path).read_text(encoding="utf-8")
            yield Module(path, text, ast.parse(text, filename=str(path)))


def domain_of(path: PurePosixPath) -> str | None:
    """The domain that a file belongs to, if it belongs to one."""
    inside = path.is_relative_to(DOMAINS) and len(path.relative_to(DOMAINS).parts) > 1
    return path.relative_to(DOMAINS).parts[0] if inside else None


def face_of(path: PurePosixPath) -> str:
    """Which of a domain's fixed parts a file is or belongs to: `service` for both `service.py` and `service/pay.py`."""
    return path.relative_to(DOMAINS).parts[1].removesuffix(".py")


def imported_names(module: Module) -> Iterator[tuple[str, int]]:
    """Every dotted name that a file imports anywhere, TYPE_CHECKING blocks and functions included, with its line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def origin_of(expression: ast.expr, origins: dict[str, str]) -> str:
    """The full dotted name of what an expression reaches through imports; empty when it is not an imported name."""
    first, _, rest = ast.unparse(expression).partition(".")
    origin = origins.get(first, "")
    return f"{origin}.{rest}" if origin and rest else origin


def run(rule: str, check: Callable[[Path], Iterable[Violation]], arguments: list[str]) -> int:
    """Print what breaks a rule, one line each, and return the exit code; the argument is another repository's root."""
    root = Path(arguments[0]) if arguments else ROOT
    violations = sorted(set(check(root)))
    for violation in violations:
        print(violation)
    print(f"{rule}: {len(violations)} broken" if violations else f"{rule}: kept", file=sys.stderr)
    return 1 if violations else 0
