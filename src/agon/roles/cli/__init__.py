"""The `agon` command."""

from agon.roles.cli.application import main

__all__ = ["main"]
