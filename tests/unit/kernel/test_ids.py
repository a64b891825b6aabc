"""Identifiers sort by the time they were made."""

from hypothesis import given
from hypothesis import strategies as st

from agon.kernel.ids import new_id

TIMES = st.integers(min_value=0, max_value=2**48 - 1)


@given(TIMES)
def test_an_id_is_a_uuid_of_version_7_with_its_time(milliseconds: int):
    made = new_id(milliseconds)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == milliseconds


@given(TIMES, TIMES)
def test_later_ids_sort_later(one: int, other: int):
    if one != other:
        assert (new_id(one) < new_id(other)) == (one < other)


def test_ids_of_one_moment_differ():
    assert len({new_id(1) for _ in range(10_000)}) == 10_000
