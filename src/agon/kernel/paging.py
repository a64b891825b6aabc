"""Keyset paging: a page, and the cursor that leads to the next one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from agon.kernel.errors import DomainError, Refusal

T = TypeVar("T")

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100
_LONGEST_CURSOR = 512


class CursorInvalid(DomainError):
    code = "CURSOR_INVALID"
    refusal = Refusal.INVALID
    title = "The cursor is not one that this list gave out."


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


class PageRequest(msgspec.Struct, frozen=True):
    """How much of a list is wanted (1 to 100), and from where."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def after(self, kind: type[T]) -> T | None:
        """The key of the last item already seen, decoded as `kind` (a tuple type); None on the first page.

        Raises:
            CursorInvalid: the cursor was altered, or belongs to another list.
        """
        return None if self.cursor is None else decode_cursor(self.cursor, kind)


def encode_cursor(*key: object) -> str:
    """Write the sort key of a page's last item as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def decode_cursor(text: str, kind: type[T]) -> T:
    """Read a cursor back as `kind`, a tuple type such as `tuple[datetime, UUID]`.

    Raises:
        CursorInvalid: the text is not such a cursor.
    """
    try:
        if len(text) > _LONGEST_CURSOR:
            raise CursorInvalid
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise CursorInvalid from error


def page_of(rows: Sequence[Any], limit: int, key: Callable[[Any], tuple[object, ...]]) -> Page[Any]:
    """Make a page of up to `limit` rows from `limit + 1` rows that were asked for.

    The row too many says that there is a next page, without counting the list.
    """
    items = list(rows[:limit])
    return Page(items, encode_cursor(*key(items[-1])) if len(rows) > limit else None)
