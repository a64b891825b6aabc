"""Pages and cursors."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.kernel.paging import CursorInvalid, PageRequest, decode_cursor, encode_cursor, page_of

KEY = tuple[datetime, UUID]
MOMENTS = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))


@given(MOMENTS, st.uuids())
def test_a_cursor_comes_back_as_the_key_it_was(moment: datetime, identifier: UUID):
    assert decode_cursor(encode_cursor(moment, identifier), KEY) == (moment, identifier)


@given(st.text(max_size=600))
def test_nothing_else_is_a_cursor(text: str):
    try:
        decode_cursor(text, KEY)
    except CursorInvalid:
        return
    assert isinstance(decode_cursor(text, KEY), tuple)


@pytest.mark.parametrize("text", ["", "!", "W10", encode_cursor(1), encode_cursor("a", "b"), "A" * 513, "ünï"])
def test_cursors_of_other_lists_are_refused(text: str):
    with pytest.raises(CursorInvalid):
        PageRequest(cursor=text).after(KEY)


def test_the_first_page_has_no_cursor():
    assert PageRequest().after(KEY) is None


@given(st.lists(st.integers(), unique=True).map(sorted), st.integers(min_value=1, max_value=10))
def test_pages_put_together_are_the_list(numbers: list[int], limit: int):
    seen: list[int] = []
    after: int | None = None
    while True:
        rest = [each for each in numbers if after is None or each > after]
        page = page_of(rest[: limit + 1], limit, lambda row: (row,))
        assert len(page.items) <= limit
        seen += page.items
        if page.next_cursor is None:
            break
        (after,) = decode_cursor(page.next_cursor, tuple[int])
    assert seen == numbers
