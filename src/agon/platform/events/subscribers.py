"""Who is told of which fact."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec

from agon.kernel.events import Event
from agon.kernel.tx import Tx

E = TypeVar("E", bound=Event)
Handle = Callable[[Tx, Any], Awaitable[None]]


class Subscriber(msgspec.Struct, frozen=True):
    """A handler of facts, run once in effect for each, in a transaction of its own after the fact's commit.

    `name` is `{domain}.{verb}` and is stored: renaming one makes it a new subscriber. An `ordered` subscriber
    handles the events of one subject in the order in which they were stored; a failing event then holds back the
    later ones of its subject, and of no other.
    """

    name: str
    events: tuple[type[Event], ...]
    handle: Handle
    ordered: bool = False

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


def subscriber(
    name: str, event: type[E], handle: Callable[[Tx, E], Awaitable[None]], *, ordered: bool = False
) -> Subscriber:
    """Subscribe a handler to one type of event."""
    return Subscriber(name, (event,), handle, ordered)


class Subscriptions:
    """Every subscriber of this installation, by name and by the type of event."""

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self.by_name: dict[str, Subscriber] = {}
        self._names_by_type: dict[str, list[str]] = {}
        for each in subscribers:
            if each.name in self.by_name:
                message = f"subscriber {each.name} is declared twice"
                raise ValueError(message)
            self.by_name[each.name] = each
            for event in each.events:
                self._names_by_type.setdefault(event.type, []).append(each.name)

    def names_for(self, event_type: str) -> list[str]:
        return self._names_by_type.get(event_type, [])
