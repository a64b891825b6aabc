"""Agon, the open, self-hosted platform for competition."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("agon")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
