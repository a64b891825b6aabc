"""Describing routes where no server runs: for the command line and for tests."""

from collections.abc import Iterable, Iterator, Sequence
from typing import get_type_hints

from litestar import Litestar
from litestar.di import Dependency, Provide
from litestar.handlers import HTTPRouteHandler


def describable(routes: Sequence[HTTPRouteHandler]) -> Litestar:
    """An application of these routes that can be described, but not run: nothing is behind its parts.

    Args:
        routes: as made by `operations.route`.
    """
    return Litestar(
        route_handlers=list(routes),
        dependencies={name: _nothing() for name in sorted(set(_parts(routes)))},
        openapi_config=None,
        logging_config=None,
    )


def _nothing() -> Provide:
    return Provide(lambda: None, sync_to_thread=False)  # one each: Litestar refuses one provider under two names


def _parts(routes: Iterable[HTTPRouteHandler]) -> Iterator[str]:
    """The names of the parts that endpoints ask composition for."""
    for route in routes:
        for name, annotation in get_type_hints(route.fn, include_extras=True).items():
            if any(isinstance(each, Dependency) for each in getattr(annotation, "__metadata__", ())):
                yield name
