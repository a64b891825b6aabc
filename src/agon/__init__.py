"""Agon, the open, self-hosted platform for competition."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when it is asked for: the looking takes longer than all else here."""
    if name != "__version__":
        message = f"module 'agon' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("agon")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0"
