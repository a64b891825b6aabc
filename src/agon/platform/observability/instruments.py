"""Metrics that are declared once, keep their children at hand, and cannot grow without bound."""

from enum import StrEnum
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, disable_created_metrics

from agon.platform.observability.patterns import scrub

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds."""
OTHER = "other"
"""The labels of whatever comes after a metric has as many children as it may have."""
_MOST_CHILDREN = 1_000

REGISTRY = CollectorRegistry()
METRICS: dict[str, "Metric"] = {}
"""Every declared metric by its name."""

Child = TypeVar("Child", prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)

disable_created_metrics()  # a second series for each one, which nothing reads


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Aggregation(StrEnum):
    """What a gauge shows where several processes are scraped as one; sum and maximum are of those still running."""

    SUM = "livesum"
    MAXIMUM = "livemax"
    LATEST = "mostrecent"


class Metric:
    """What is declared of a metric: its name, kind, labels, help and, of a histogram, buckets."""

    def __init__(
        self, kind: Kind, name: str, meaning: str, labels: tuple[str, ...], buckets: tuple[float, ...] = ()
    ) -> None:
        if name in METRICS:
            message = f"metric {name} is declared twice"
            raise ValueError(message)
        METRICS[name] = self
        self.kind = kind
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self.buckets = buckets

    def __repr__(self) -> str:
        return f"{self.kind}({self.name})"


class _Children(Generic[Child]):
    """The children of a metric by their labels; the first `most` combinations, and one for all others."""

    def __init__(self, parent: Child, labels: tuple[str, ...], most: int) -> None:
        self._parent = parent
        self._labels = labels
        self._most = most
        self.known: dict[tuple[str, ...], Child] = {} if labels else {(): parent}

    def make(self, values: tuple[str, ...]) -> Child:
        """The child with these labels, made and kept."""
        if len(values) != len(self._labels):
            message = f"the labels are {self._labels}, not {len(values)} values"
            raise ValueError(message)
        if len(self.known) >= self._most:
            values = (OTHER,) * len(self._labels)
        child = self.known.get(values)
        if child is None:
            child = self.known[values] = self._parent.labels(*(scrub(value) for value in values))
        return child


class Counter(Metric):
    """Counts what happened; its name ends in `_total`."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = (), *, most: int = _MOST_CHILDREN) -> None:
        super().__init__(Kind.COUNTER, name, meaning, labels)
        parent = prometheus_client.Counter(name, meaning, labels, registry=REGISTRY)
        self._children = _Children(parent, labels, most)

    def add(self, *labels: str, by: float = 1.0) -> None:
        child = self._children.known.get(labels)
        (self._children.make(labels) if child is None else child).inc(by)


class Gauge(Metric):
    """Shows how much there is now."""

    def __init__(
        self, name: str, meaning: str, labels: tuple[str, ...] = (), *, across: Aggregation, most: int = _MOST_CHILDREN
    ) -> None:
        super().__init__(Kind.GAUGE, name, meaning, labels)
        parent = prometheus_client.Gauge(name, meaning, labels, registry=REGISTRY, multiprocess_mode=across.value)
        self._children = _Children(parent, labels, most)

    def set(self, value: float, *labels: str) -> None:
        child = self._children.known.get(labels)
        (self._children.make(labels) if child is None else child).set(value)


class Histogram(Metric):
    """Counts measurements by size."""

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: tuple[str, ...] = (),
        *,
        buckets: tuple[float, ...] = DEFAULT_BUCKETS,
        most: int = _MOST_CHILDREN,
    ) -> None:
        super().__init__(Kind.HISTOGRAM, name, meaning, labels, buckets)
        parent = prometheus_client.Histogram(name, meaning, labels, registry=REGISTRY, buckets=buckets)
        self._children = _Children(parent, labels, most)

    def observe(self, value: float, *labels: str) -> None:
        child = self._children.known.get(labels)
        (self._children.make(labels) if child is None else child).observe(value)
