"""Facts and work: the base classes of everything that is stored to be acted on later."""

from typing import ClassVar

import msgspec

EVENTS: dict[str, type["Event"]] = {}
"""Every declared event by its type."""

JOBS: dict[str, type["Job"]] = {}
"""Every declared job by its name."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that happened, named in the past tense, declared in a domain's contract.

    A subclass sets `type` (`account.registered`) and `about`, the field that names what the fact is about.
    The stored subject is `{kind}:{id}`, where kind is the first part of the type. Payloads carry identifiers and
    numbers only. Stored events are read back for months: add optional fields, never rename or remove one.
    """

    type: ClassVar[str]
    about: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = EVENTS.setdefault(cls.type, cls)
        if known.__qualname__ != cls.__qualname__:
            message = f"event {cls.type} is declared twice: {known.__qualname__} and {cls.__qualname__}"
            raise TypeError(message)

    @property
    def subject(self) -> str:
        """What the fact is about, `{kind}:{id}`; events of one subject can be handled in order."""
        return f"{self.type.partition('.')[0]}:{getattr(self, self.about)}"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work to be done after the transaction commits, declared beside the code that does it.

    A subclass sets `name` (`mail.send`) and its arguments as fields: identifiers, never secrets.
    """

    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = JOBS.setdefault(cls.name, cls)
        if known.__qualname__ != cls.__qualname__:
            message = f"job {cls.name} is declared twice: {known.__qualname__} and {cls.__qualname__}"
            raise TypeError(message)
