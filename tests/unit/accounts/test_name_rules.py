"""E-mail addresses, usernames and display names."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.domains.accounts.rules import names


@pytest.mark.parametrize(
    "email",
    ["asha@example.com", "a.b+c@sub.example.co", "o'hara@example.org", "x@xn--bcher-kva.example", "a" * 64 + "@e.io"],
)
def test_ordinary_addresses_are_taken(email: str):
    assert names.email_errors(email) == ()


@pytest.mark.parametrize(
    "email",
    [
        "",
        "asha",
        "@example.com",
        "asha@",
        "asha@localhost",
        "a sha@example.com",
        "asha@exa mple.com",
        "asha@example.com\n",
        "asha@example.com\r\nBcc: all@example.com",
        "a@b@example.com",
        "asha@-example.com",
        "asha@example..com",
        "аsha@example.com",  # a Cyrillic а
        "a" * 65 + "@example.com",
        "asha@" + "e" * 250 + ".com",
        '"asha"@example.com',
    ],
)
def test_others_are_not(email: str):
    assert [error.field for error in names.email_errors(email)] == ["email"]


@pytest.mark.parametrize("username", ["ash", "Asha_7", "a" * 30, "adminton", "team_rocket"])
def test_ordinary_usernames_are_taken(username: str):
    assert names.username_errors(username) == ()


@pytest.mark.parametrize("username", ["", "as", "a" * 31, "asha!", "আশা", "asha\n", "a-b-c", "аsha"])
def test_malformed_usernames_are_not(username: str):
    assert [error.code for error in names.username_errors(username)] == ["invalid"]


@pytest.mark.parametrize("username", ["admin", "Admin", "_admin_", "admin1", "agon", "Log_Out", "support99", "me_"])
def test_reserved_usernames_are_not_however_decorated(username: str):
    assert [error.code for error in names.username_errors(username)] == ["reserved"]


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [("  Asha   of  the river ", "Asha of the river"), ("Zoe\u0308", "Zo\u00eb"), ("আশা", "আশা"), ("   ", "")],
)
def test_display_names_are_tidied(given_name: str, kept: str):
    assert names.tidy_display_name(given_name) == kept


@pytest.mark.parametrize("name", ["Asha", "আশা রায়", "क्‍ष क्‍ष", "名人戦", "A" * 50, "💥💥💥", "O'Hara-Smith"])
def test_names_of_any_script_are_taken(name: str):
    assert names.display_name_errors(name) == ()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "length"),
        ("As", "length"),
        ("A" * 51, "length"),
        ("As\x00ha", "invalid"),
        ("As\u202eha", "invalid"),  # turns the text around
        ("As\nha", "invalid"),
        ("As\u2028ha", "invalid"),
        ("\u200d\u200d\u200d", "invalid"),
        ("\u0301\u0301\u0301", "invalid"),
        ("As\u00a0ha", "invalid"),  # looks like a space and is none
        ("As\ud800ha", "invalid"),
    ],
)
def test_names_that_cannot_be_seen_are_not(name: str, code: str):
    assert [error.code for error in names.display_name_errors(name)] == [code]


@given(st.text(max_size=60), st.integers())
def test_every_derived_username_is_acceptable(display_name: str, seed: int):
    derived = list(names.derived_usernames(display_name, random.Random(seed)))
    assert len(derived) >= 8
    assert len(set(derived)) == len(derived)
    assert all(names.username_errors(each) == () for each in derived)


@pytest.mark.parametrize(
    ("display_name", "first"),
    [("Zoë the Great", "Zoe_the_Great"), ("  asha  ", "asha"), ("A" * 50, "A" * 30), ("O'Hara", "O_Hara")],
)
def test_a_derived_username_is_near_the_display_name(display_name: str, first: str):
    assert next(names.derived_usernames(display_name, random.Random(1))) == first


@pytest.mark.parametrize("display_name", ["আশা", "Admin", "!!!", "Al"])
def test_where_it_cannot_be_it_is_a_numbered_newcomer(display_name: str):
    assert next(names.derived_usernames(display_name, random.Random(1))).startswith("newcomer_")
