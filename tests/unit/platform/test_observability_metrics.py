"""Metrics: declared once, bounded, cheap, and added up over processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from agon.platform.observability import metrics
from agon.platform.observability.exposition import forget_process, render
from agon.platform.observability.instruments import (
    METRICS,
    OTHER,
    REGISTRY,
    Aggregation,
    Counter,
    Gauge,
    Histogram,
    Kind,
)
from tests.unit.platform.observability_support import SHAPED, assert_hidden

NAMES = {
    "http_request_duration_seconds", "http_requests_total", "database_query_duration_seconds",
    "database_pool_connections", "database_pool_wait_seconds", "cache_requests_total", "load_status", "jobs_total",
    "job_duration_seconds", "job_queue_depth", "job_queue_age_seconds", "jobs_dead", "outbox_lag_seconds",
    "events_recorded_total", "rate_limited_total", "breaker_state", "breaker_transitions_total", "auth_failures_total",
    "auth_attempts_total", "password_hash_queue_depth", "mail_total", "audit_sealed_seq", "event_loop_lag_seconds",
}  # fmt: skip


def _value(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_everything_that_is_promised_is_declared() -> None:
    assert set(METRICS) >= NAMES
    assert METRICS["http_request_duration_seconds"].labels == ("method", "route", "status_code")
    assert METRICS["http_request_duration_seconds"].buckets == (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
    assert METRICS["database_query_duration_seconds"].labels == ("query_type",)
    assert METRICS["cache_requests_total"].labels == ("name", "hit")


def test_declarations_are_well_formed() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"[a-z][a-z_]+", metric.name)
        assert metric.meaning.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        for forbidden in ("path", "url", "account", "email", "ip", "id"):
            assert forbidden not in metric.labels


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match="http_requests_total is declared twice"):
        Counter("http_requests_total", "Again.")


def test_requests_are_counted_by_the_template_of_their_route() -> None:
    labels = {"method": "GET", "route": "/count/{id}", "status_code": "200"}
    before = _value("http_requests_total", labels)
    metrics.count_request("GET", "/count/{id}", 200, 0.07)
    metrics.count_request("GET", "/count/{id}", 200, 3)
    assert _value("http_requests_total", labels) == before + 2
    assert _value("http_request_duration_seconds_bucket", {**labels, "le": "0.05"}) == 0
    assert _value("http_request_duration_seconds_bucket", {**labels, "le": "0.1"}) == 1
    assert _value("http_request_duration_seconds_bucket", {**labels, "le": "5.0"}) == 2
    assert _value("http_request_duration_seconds_sum", labels) == pytest.approx(3.07)


def test_strange_methods_and_unknown_routes_share_a_label() -> None:
    labels = {"method": "other", "route": "unmatched", "status_code": "404"}
    before = _value("http_requests_total", labels)
    for method in ("BREW", "get", "\x00"):
        metrics.count_request(method, None, 404, 0.1)
    assert _value("http_requests_total", labels) == before + 3


def test_a_metric_does_not_grow_without_bound() -> None:
    counter = Counter("test_bounded_total", "For a test.", ("name",), most=3)
    for number in range(10):
        counter.add(f"name-{number}")
    counter.add("name-1")
    assert _value("test_bounded_total", {"name": "name-1"}) == 2
    assert _value("test_bounded_total", {"name": OTHER}) == 7
    assert REGISTRY.get_sample_value("test_bounded_total", {"name": "name-3"}) is None


_CANARY = Gauge("test_canary", "For a test.", ("name",), across=Aggregation.LATEST, most=100_000)


@given(SHAPED)
def test_labels_hold_no_secrets(secret: str) -> None:
    _CANARY.set(1, f"for {secret}")
    (family,) = [family for family in REGISTRY.collect() if family.name == "test_canary"]
    assert family.samples
    for sample in family.samples:
        assert_hidden(secret, sample.labels["name"])


def test_the_wrong_number_of_labels_is_a_fault() -> None:
    with pytest.raises(ValueError, match="the labels are"):
        metrics.CACHE_REQUESTS.add("only one")
    with pytest.raises(ValueError, match="not 1 values"):
        metrics.OUTBOX_LAG.observe(0.1, "none expected")


def test_counters_do_not_go_back() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        metrics.MAIL.add("sent", by=-1)


def test_gauges_and_histograms_without_labels() -> None:
    metrics.LOAD_STATUS.set(2)
    assert _value("load_status", {}) == 2
    histogram = Histogram("test_plain_seconds", "For a test.", buckets=(1.0, 2.0))
    histogram.observe(1.5)
    assert _value("test_plain_seconds_bucket", {"le": "1.0"}) == 0
    assert _value("test_plain_seconds_bucket", {"le": "2.0"}) == 1


def test_prometheus_can_read_both_formats() -> None:
    metrics.count_request("GET", "/render", 200, 0.1)
    body, content_type = render()
    assert content_type.startswith("text/plain; version=0.0.4")
    plain = {family.name for family in parse_plain(body.decode())}
    body, content_type = render("application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    opened = {family.name for family in parse_openmetrics(body.decode())}
    for names in (plain, opened):
        assert {"http_request_duration_seconds", "load_status", "python_info", "process_resident_memory_bytes"} <= names
    assert "_created" not in body.decode()


@given(st.text(max_size=60))
def test_any_accept_header_is_answered(accept: str) -> None:
    body, content_type = render(accept)
    assert body
    assert content_type


_WORKER = """
import os, sys
from agon.platform.observability import metrics
metrics.HTTP_REQUESTS.add("GET", "/x", "200", by=int(sys.argv[1]))
metrics.HTTP_REQUEST_DURATION.observe(0.07, "GET", "/x", "200")
metrics.DATABASE_POOL_CONNECTIONS.set(int(sys.argv[1]), "write", "idle")
metrics.LOAD_STATUS.set(int(sys.argv[1]) % 3)
metrics.JOBS_DEAD.set(int(sys.argv[1]))
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def _sample(body: bytes, name: str, **labels: str) -> float | None:
    for family in parse_plain(body.decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_processes_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(number)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in (4, 5)
    ]  # fmt: skip
    try:
        pids = [int(worker.stdout.readline()) for worker in workers if worker.stdout]
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        body, _ = render()
        assert _sample(body, "http_requests_total", method="GET", route="/x", status_code="200") == 9
        assert _sample(body, "http_request_duration_seconds_count", method="GET", route="/x", status_code="200") == 2
        assert _sample(body, "database_pool_connections", pool="write", state="idle") == 9
        assert _sample(body, "load_status") == 2
        assert _sample(body, "jobs_dead") in {4, 5}
        for pid in pids:
            assert (_sample(body, "process_resident_memory_bytes", pid=str(pid)) or 0) > 1_000_000
        forget_process(pids[1])
        body, _ = render()
        assert _sample(body, "process_resident_memory_bytes", pid=str(pids[0])) is not None
        assert _sample(body, "process_resident_memory_bytes", pid=str(pids[1])) is None
    finally:
        for worker in workers:
            worker.communicate("")
    assert _sample(body, "http_requests_total", method="GET", route="/x", status_code="200") == 9
    assert _sample(body, "database_pool_connections", pool="write", state="idle") == 4
    assert parse_openmetrics(render("application/openmetrics-text")[0].decode())


def test_forgetting_a_process_needs_no_shared_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    forget_process(1)
