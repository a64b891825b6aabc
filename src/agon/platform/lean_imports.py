"""Imports without what a library would load beside itself, only because it is installed."""

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without(*modules: str) -> Generator[None]:
    """Let imports in the block fail for these modules, as if they were not installed; afterwards they can be imported.

    For libraries that try a module, go on without it, and take long to load what Agon does not use of them.
    """
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]  this is how the language spells it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
