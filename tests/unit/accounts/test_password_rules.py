"""Passwords: which are refused, and what bcrypt is given (property 1 of accounts)."""

import base64
import hashlib
import hmac
import unicodedata

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.domains.accounts.errors import WeakPassword
from agon.domains.accounts.rules.passwords import prehash, weaknesses
from agon.domains.accounts.service.passwords import HashOptions, Passwords, common_passwords

PEPPER = b"0123456789abcdef0123456789abcdef"
ANY_PASSWORD = st.text(min_size=8, max_size=256)


def codes(password: str, *, minimum: int = 8, email: str | None = None, username: str | None = None) -> list[str]:
    found = weaknesses(password, minimum=minimum, common=common_passwords(), email=email, username=username)
    return [error.code for error in found]


@pytest.fixture(scope="module")
def passwords():
    made = Passwords(PEPPER, HashOptions(cost=4))
    yield made
    made.close()


def test_the_bounds_are_counted_in_characters_after_normalisation():
    assert codes("xyzzyq1") == ["too_short"]
    assert codes("xyzzyqu1") == []
    assert codes("\N{PILE OF POO}" * 7) == ["too_short"]
    assert codes("\N{PILE OF POO}" * 8) == []
    assert codes("e\u0301" * 7) == ["too_short"]
    assert codes("e\u0301" * 256) == []
    assert codes("x" * 256) == []
    assert codes("x" * 257) == ["too_long"]
    assert codes("fourteen chars", minimum=15) == ["too_short"]
    assert codes("        ") == []
    assert codes("nul\x00nul\x00") == []


def test_the_whole_bundled_list_is_refused_in_any_case():
    listed = common_passwords()
    assert len(listed) == 8354
    assert {"password", "iloveyou", "1q2w3e4r5t", "#1stunna"} <= listed
    assert all("too_common" in codes(each) and "too_common" in codes(each.upper()) for each in listed)
    assert not any(each.startswith("# ") or len(each) < 8 for each in listed)


def test_names_are_no_passwords():
    assert codes("Asha@Example.com", email="asha@example.com") == ["same_as_name"]
    assert codes("ASHA_OF_THE_RIVER", username="asha_of_the_river") == ["same_as_name"]
    assert codes("asha@example.com!", email="asha@example.com") == []


def test_a_refusal_names_every_reason(passwords: Passwords):
    with pytest.raises(WeakPassword) as refused:
        passwords.check_strength("abc", email="abc", username=None)
    assert {error.code for error in refused.value.errors} == {"too_short", "same_as_name"}


@given(ANY_PASSWORD)
def test_bcrypt_is_given_the_keyed_hash_of_the_normalised_password(password: str):
    normal = unicodedata.normalize("NFC", password).encode()
    expected = base64.b64encode(hmac.digest(PEPPER, normal, hashlib.sha256))
    assert prehash(PEPPER, password) == expected
    assert len(expected) == 44


@given(password=ANY_PASSWORD, other=ANY_PASSWORD)
@settings(max_examples=100, deadline=None)
async def test_a_hash_verifies_with_the_library_against_the_password_and_no_other(
    passwords: Passwords, password: str, other: str
):
    stored = await passwords.hash(password)
    assert stored.startswith("$2b$04$")
    assert bcrypt.checkpw(prehash(PEPPER, password), stored.encode())
    assert await passwords.matches(unicodedata.normalize("NFD", password), stored, known_device=False)
    same = unicodedata.normalize("NFC", password) == unicodedata.normalize("NFC", other)
    assert await passwords.matches(other, stored, known_device=False) == same


@given(head=st.text(min_size=72, max_size=200), tails=st.lists(st.characters(), min_size=2, max_size=2, unique=True))
@settings(max_examples=100, deadline=None)
async def test_passwords_that_differ_beyond_72_bytes_are_different(passwords: Passwords, head: str, tails: list[str]):
    first, second = (unicodedata.normalize("NFC", head + tail) for tail in tails)
    stored = await passwords.hash(first)
    assert await passwords.matches(first, stored, known_device=True)
    assert await passwords.matches(second, stored, known_device=True) == (first == second)


async def test_nul_and_lone_surrogates_are_characters_like_others(passwords: Passwords):
    for password in ("nul\x00 then this", "nul\x00 then that", "\ud800 lone one", "\udfff lone two"):
        stored = await passwords.hash(password)
        assert await passwords.matches(password, stored, known_device=False)
        for other in (password[:-1] + "?", "?" + password[1:], password.replace("\x00", "")):
            assert await passwords.matches(other, stored, known_device=False) == (other == password)


def test_the_default_cost_is_twelve():
    assert HashOptions().cost == 12


async def test_another_pepper_knows_none_of_the_hashes(passwords: Passwords):
    other = Passwords(b"another pepper of thirty-two bytes", HashOptions(cost=4))
    try:
        stored = await passwords.hash("a long walk by the river")
        assert not await other.matches("a long walk by the river", stored, known_device=False)
    finally:
        other.close()
