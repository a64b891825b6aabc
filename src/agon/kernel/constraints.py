"""Constraint names of the database and the refusals they stand for."""

from agon.kernel.errors import DomainError

CONSTRAINTS: dict[str, type[DomainError] | str] = {}
"""Every constraint by name: the refusal it means, or the reason why no input can violate it."""


def refuses(**errors: type[DomainError] | str) -> None:
    """Declare what violating a constraint means to a caller, in a domain's repository.

    Args:
        errors: constraint name → the refusal to raise, or, where no input can violate it, the reason why.
    """
    for name, error in errors.items():
        if CONSTRAINTS.setdefault(name, error) != error:
            message = f"constraint {name} is declared twice"
            raise TypeError(message)
