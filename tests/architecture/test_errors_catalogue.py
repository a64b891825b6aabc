"""Every code that an answer can carry is in the catalogue, and every declared one can occur."""

import ast
import re
from pathlib import Path

import pytest

from agon.kernel.errors import DomainError
from agon.platform.http.documentation.catalogue import as_markdown, catalogue
from agon.platform.http.openapi.describe import describe
from agon.platform.http.openapi.refusals import EDGE_WIDE
from tests.architecture.declared_errors import declared_errors

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPOSITORY / "src/agon").rglob("*.py"))
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")

_JOBS = "jobs are cared for on the command line, which prints the code"
_FEATURES = "features are switched on the command line, which prints the code"
NOT_DECLARED_BY_OPERATIONS = {
    "DEPENDENCY_UNAVAILABLE": "jobs and checks of health meet it; an operation that calls a service will declare it",
    "EVENT_NOT_FOUND": "events are looked up and replayed on the command line, which prints the code",
    "FEATURE_NOT_FOUND": _FEATURES,
    "FEATURE_VALIDATION_ERROR": _FEATURES,
    "IDEMPOTENCY_KEY_REQUIRED": "the edge demands keys of operations that are `keyed`; none is yet",
    "JOB_NOT_DEAD": _JOBS,
    "JOB_NOT_FOUND": _JOBS,
    "JOB_WAITS_ALREADY": _JOBS,
}
"""Codes that no operation and no rule of the edge has, each with the reason."""


@pytest.fixture(scope="module")
def declared() -> dict[str, type[DomainError]]:
    return declared_errors()


@pytest.fixture(scope="module")
def occurring(declared) -> set[str]:
    """Every code that the edge or an operation can answer with, those of pages too."""
    from agon.roles.api import described, routes

    description = describe(described(), declared)
    operations = [route.opt["operation"] for route in routes()]
    own = {error.code for each in operations for error in (*each.errors, each.limited_as)}
    return own | set(description["components"]["examples"])


def test_every_declared_code_can_occur(declared, occurring):
    unused = declared.keys() - occurring - NOT_DECLARED_BY_OPERATIONS.keys()
    assert unused == set(), "no operation declares these: add them to `errors=` where they are raised, or remove them"


def test_what_is_excused_needs_it(declared, occurring):
    assert NOT_DECLARED_BY_OPERATIONS.keys() - declared.keys() == set()
    assert NOT_DECLARED_BY_OPERATIONS.keys() & occurring == set()


def test_codes_are_words_in_capitals(declared):
    assert [code for code in declared if not CODE.fullmatch(code)] == []


def test_titles_are_sentences(declared):
    for code, error in declared.items():
        assert error.title.endswith("."), code
        assert error.title[0].isupper(), code


def test_one_class_for_each_code():
    """The registry refuses a second class with a code when both are imported; here the sources are read."""
    found: dict[str, str] = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and (code := _code(node)):
                assert code not in found, f"{code}: {found[code]} and {source}"
                found[code] = str(source)
    assert len(found) > 20


def _code(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
            value = ast.literal_eval(statement.value) if isinstance(statement.value, ast.Constant) else None
            return value if isinstance(value, str) and CODE.fullmatch(value) else None
    return None


def test_the_catalogue_is_complete(declared, occurring):
    from agon.roles.api import described

    codes = {each.code for each in catalogue(declared, describe(described(), declared))}
    assert declared.keys() | occurring <= codes


def test_every_entry_says_what_to_do(declared):
    for entry in catalogue(declared):
        assert entry.advice.endswith("."), entry.code


def test_codes_without_a_class_are_in_the_catalogue(declared):
    """The edge answers some refusals where there is no exception yet; their codes are literals in calls."""
    known = {each.code for each in EDGE_WIDE} | declared.keys()
    literal = {code for source in SOURCES for code in _codes_in_calls(source)}
    assert {"HOST_INVALID", "HEADERS_TOO_LARGE", "INTERNAL_ERROR", "METHOD_NOT_ALLOWED"} <= literal
    assert literal - known == set()


def _codes_in_calls(source: Path) -> set[str]:
    """Codes that are given to what sends a refusal."""
    calls = [
        node
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"refuse", "_plain", "Problem"}
    ]
    values = [value for call in calls for value in (*call.args, *(keyword.value for keyword in call.keywords))]
    return {
        value.value
        for value in values
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and CODE.fullmatch(value.value)
    }


def test_the_committed_page_is_current(declared):
    committed = (REPOSITORY / "docs/reference/errors.md").read_text(encoding="utf-8")
    assert committed.rstrip("\n") == as_markdown(declared).rstrip("\n"), "run make docs"
