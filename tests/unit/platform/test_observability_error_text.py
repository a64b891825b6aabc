"""Errors as text: the values of statements stay out, whatever the message and however it is chained."""

from collections.abc import Mapping

import asyncpg
import pytest

from agon.platform.observability.error_text import describe_error, format_error
from agon.platform.observability.patterns import scrub


@pytest.mark.parametrize(
    "fields",
    [
        {
            "C": "23505",
            "M": "duplicate key value violates unique constraint",
            "D": "Key (name)=(CANARY\nX) already exists.",
        },
        {"C": "23502", "M": "null value in column", "D": "Failing row contains (1, CANARY)."},
        {"C": "22P02", "M": 'invalid input syntax for type uuid: "CANARY"'},
        {"C": "22003", "M": 'value "CANARY" is out of range for type integer'},
        {"C": "22008", "M": 'date/time field value out of range: "CANARY"'},
        {"C": "22P02", "M": 'malformed array literal: "CANARY\n"quoted" end"'},
    ],
)
def test_values_in_messages_of_the_database_are_hidden(fields: Mapping[str, str]) -> None:
    error = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", **fields})  # pyright: ignore[reportUnknownMemberType]
    assert "CANARY" in str(error)
    for shown in (
        describe_error(error),
        format_error(error),
        scrub(repr(str(error)) if "\n" not in str(error) else str(error)),
    ):
        assert "CANARY" not in shown
    assert fields["M"][:5] in describe_error(error)


def test_values_are_hidden_whatever_language_the_database_speaks() -> None:
    fields = {"S": "FEHLER", "V": "ERROR", "C": "22P02", "M": "ungültige Eingabesyntax für Typ uuid: »CANARY«"}
    error = asyncpg.PostgresError.new(fields)  # pyright: ignore[reportUnknownMemberType]
    assert describe_error(error).endswith("ungültige Eingabesyntax für Typ uuid: [redacted]")
    assert "CANARY" not in format_error(ExceptionGroup("both", [KeyError("x"), error]))


def test_the_causes_of_a_refused_argument_are_hidden_with_it() -> None:
    error = asyncpg.DataError("invalid input for query argument $1: 'CANARY' (what it is not)")
    error.__cause__ = ValueError("CANARY is not one")
    assert "CANARY" not in format_error(error)
    assert "ValueError: [redacted]" in format_error(error)


def test_causes_may_go_round() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__context__ = second, first
    assert "first" in format_error(first)


def test_values_in_messages_of_the_driver_and_of_sqlalchemy_are_hidden() -> None:
    assert "hunter" not in scrub("invalid input for query argument $1: 'hunter' (expected str, got int)")
    assert "hunter" not in scrub("[SQL: select $1]\n[parameters: ('hunter',)]\n(Background on this error)")
