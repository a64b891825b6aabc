"""Every metric of Agon, declared here and nowhere else; listed by a command and in the documentation.

Labels take few values, known beforehand: a route's template, a query's name, never an id, an address or a path. Times
are seconds.
"""

from typing import Final

from agon.platform.observability.instruments import METRICS, Aggregation, Counter, Gauge, Histogram

__all__ = ["METRICS", "UNMATCHED_ROUTE", "count_request"]

UNMATCHED_ROUTE: Final = "unmatched"
"""The one label of all requests that match no route."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_ROUTES: Final = 5_000
_QUERY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_JOB_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_LAG_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0)

# HTTP
HTTP_REQUEST_DURATION: Final = Histogram(
    "http_request_duration_seconds",
    "From the first byte of a request to the end of its answer.",
    ("method", "route", "status_code"),
    most=_MOST_ROUTES,
)
HTTP_REQUESTS: Final = Counter(
    "http_requests_total", "Requests answered.", ("method", "route", "status_code"), most=_MOST_ROUTES
)
RATE_LIMITED: Final = Counter("rate_limited_total", "Requests refused by a rate limit.", ("category",))

# Database
DATABASE_QUERY_DURATION: Final = Histogram(
    "database_query_duration_seconds",
    "From sending a statement to having its rows, by the name of the query.",
    ("query_type",),
    buckets=_QUERY_BUCKETS,
    most=_MOST_ROUTES,
)
DATABASE_POOL_CONNECTIONS: Final = Gauge(
    "database_pool_connections", "Connections of a pool, idle and in use.", ("pool", "state"), across=Aggregation.SUM
)
DATABASE_POOL_WAIT: Final = Histogram(
    "database_pool_wait_seconds", "How long a connection was waited for.", ("pool",), buckets=_QUERY_BUCKETS
)

# Cache and load
CACHE_REQUESTS: Final = Counter("cache_requests_total", "Cached reads, by whether they hit.", ("name", "hit"))
LOAD_STATUS: Final = Gauge("load_status", "0 healthy, 1 degraded, 2 critical.", across=Aggregation.MAXIMUM)
EVENT_LOOP_LAG: Final = Gauge(
    "event_loop_lag_seconds", "How late the event loop ran what was due.", across=Aggregation.MAXIMUM
)
BREAKER_STATE: Final = Gauge("breaker_state", "0 closed, 1 half open, 2 open.", ("name",), across=Aggregation.MAXIMUM)
BREAKER_TRANSITIONS: Final = Counter(
    "breaker_transitions_total", "Changes of a breaker, by the state it changed to.", ("name", "state")
)

# Jobs and events
JOBS: Final = Counter("jobs_total", "Runs of jobs, by how they ended.", ("name", "outcome"))
JOB_DURATION: Final = Histogram("job_duration_seconds", "How long a job ran.", ("name",), buckets=_JOB_BUCKETS)
JOB_QUEUE_DEPTH: Final = Gauge("job_queue_depth", "Jobs that are due and wait.", ("name",), across=Aggregation.LATEST)
JOB_QUEUE_AGE: Final = Gauge(
    "job_queue_age_seconds", "How long the job that waits longest has been due.", across=Aggregation.LATEST
)
JOBS_DEAD: Final = Gauge("jobs_dead", "Jobs that failed for good and wait for a decision.", across=Aggregation.LATEST)
OUTBOX_LAG: Final = Histogram(
    "outbox_lag_seconds", "From the commit of an event to the start of a subscriber.", buckets=_LAG_BUCKETS
)
EVENTS_RECORDED: Final = Counter("events_recorded_total", "Events committed.", ("type",))

# Accounts, mail, audit
AUTH_ATTEMPTS: Final = Counter("auth_attempts_total", "Attempts to log in, by outcome.", ("outcome",))
AUTH_FAILURES: Final = Counter("auth_failures_total", "Credentials refused, by reason.", ("reason",))
PASSWORD_HASH_QUEUE_DEPTH: Final = Gauge(
    "password_hash_queue_depth", "Passwords that wait to be hashed.", across=Aggregation.SUM
)
MAIL: Final = Counter("mail_total", "Mails, by what became of them.", ("outcome",))
AUDIT_SEALED_SEQ: Final = Gauge(
    "audit_sealed_seq", "Up to which row the audit log is sealed.", across=Aggregation.LATEST
)


def count_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count an answered request.

    Args:
        method: as the client sent it; unknown ones share a label.
        route: the template of the route; None where none matched.
        status: of the answer; 0 where the client left before there was one.
        seconds: how long it took.
    """
    labels = (method if method in _METHODS else "other", route or UNMATCHED_ROUTE, str(status))
    HTTP_REQUESTS.add(*labels)
    HTTP_REQUEST_DURATION.observe(seconds, *labels)
