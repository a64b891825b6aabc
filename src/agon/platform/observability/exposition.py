"""The metrics as Prometheus reads them, of this process or of all that share a directory."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, multiprocess
from prometheus_client import exposition as plain
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from agon.platform.observability import metrics
from agon.platform.observability.instruments import REGISTRY

_SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_OPENMETRICS = "application/openmetrics-text"
_write_openmetrics = cast("Callable[[CollectorRegistry], bytes]", openmetrics.generate_latest)  # pyright: ignore[reportUnknownMemberType]  untyped in the library

assert metrics.METRICS  # importing the declarations is what puts them into the registry

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def render(accept: str = "") -> tuple[bytes, str]:
    """The metrics and their content type, as OpenMetrics where the request's `Accept` names it.

    With `PROMETHEUS_MULTIPROC_DIR` set before the program starts, those of every process that shares the directory,
    added up as each is declared. Takes milliseconds for thousands of series: call it in a thread.
    """
    registry = _shared_registry() if shared_directory() else REGISTRY
    if _OPENMETRICS in accept:
        return _write_openmetrics(registry), openmetrics.CONTENT_TYPE_LATEST
    return plain.generate_latest(registry), plain.CONTENT_TYPE_PLAIN_0_0_4


def shared_directory() -> Path | None:
    """Where the processes keep their values together. The library reads the variable itself, when it is imported."""
    directory = os.environ.get(_SHARED_DIRECTORY)
    return Path(directory) if directory else None


def forget_process(pid: int) -> None:
    """Leave a process that has ended out of the gauges; its parent calls this. Its counters keep counting."""
    if shared_directory():
        multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType]  untyped in the library


class _Processes(Collector):
    """Memory, processor time and descriptors of each process that still counts, by its id."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid in sorted({file.stem.rpartition("_")[2] for file in self._directory.glob("gauge_live*.db")}):
            for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():
                known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    known.add_sample(sample.name, {**sample.labels, "pid": pid}, sample.value)
        return families.values()


def _shared_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    directory = shared_directory()
    assert directory is not None
    multiprocess.MultiProcessCollector(registry, path=str(directory))
    registry.register(_Processes(directory))
    PlatformCollector(registry=registry)
    return registry
