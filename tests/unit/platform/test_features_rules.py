"""Whom a switch admits, and that a growing percentage never drops anyone."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.platform.features.declare import FEATURES, Feature
from agon.platform.features.rules import State, Switch, bucket

PERCENTAGES = st.integers(0, 100)


@given(st.text(), st.text(), PERCENTAGES, PERCENTAGES)
def test_a_growing_percentage_never_drops_anyone(feature: str, key: str, one: int, other: int):
    fewer, more = sorted((one, other))
    less, larger = (Switch(state=State.PERCENTAGE, percentage=each) for each in (fewer, more))
    assert larger.admits(feature, key) or not less.admits(feature, key)


@given(st.text(), st.text())
def test_nobody_is_in_at_nought_and_everybody_at_a_hundred(feature: str, key: str):
    assert not Switch(state=State.PERCENTAGE, percentage=0).admits(feature, key)
    assert Switch(state=State.PERCENTAGE, percentage=100).admits(feature, key)
    assert 0 <= bucket(feature, key) < 100


def test_a_key_stands_where_it_always_stood():
    """As `printf 'a\\0018f…' | sha256sum` says: its first 16 digits, as a number, modulo 100."""
    account = str(UUID("018f0000-0000-7000-8000-000000000001"))
    assert [bucket(name, account) for name in ("a", "b", "wallet.transfers")] == [59, 0, 46]


def test_keys_are_spread_evenly_and_differently_for_each_feature():
    counts = Counter(bucket("a", str(number)) for number in range(20_000))
    assert min(counts.values()) > 140
    assert max(counts.values()) < 260
    same = sum(bucket("a", str(number)) == bucket("b", str(number)) for number in range(20_000))
    assert same < 300


@pytest.mark.parametrize(
    ("switch", "with_key", "without"),
    [
        (Switch(state=State.ON), True, True),
        (Switch(state=State.OFF, percentage=100, members=frozenset({"k"})), False, False),
        (Switch(state=State.LIST, members=frozenset({"k"})), True, False),
        (Switch(state=State.LIST, members=frozenset({"other"}), percentage=100), False, False),
        (Switch(state=State.PERCENTAGE, percentage=99), bucket("f", "k") < 99, False),
        (Switch(state=State.PERCENTAGE, percentage=100), True, True),
    ],
)
def test_each_state_admits_whom_it_says(switch: Switch, with_key: bool, without: bool):
    assert switch.admits("f", "k") is with_key
    assert switch.admits("f", None) is without


def test_a_feature_is_declared_once():
    first = Feature(name="unit.lamp", owner="unit", default=True, description="A lamp.", gate="none")
    assert FEATURES["unit.lamp"] is first
    Feature(name="unit.lamp", owner="unit", default=True, description="A lamp.", gate="none")
    with pytest.raises(TypeError):
        Feature(name="unit.lamp", owner="unit", default=False, description="A lamp.", gate="none")
