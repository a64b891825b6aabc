"""What the tests of observability share: captured log lines, and secrets to plant."""

import base64
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import structlog
from hypothesis import strategies as st
from structlog.contextvars import clear_contextvars

from agon.platform.observability.lines import LINES, LogFormat
from agon.platform.observability.logs import configure_logs


class CapturedLogs:
    def __init__(self) -> None:
        self.stream = io.BytesIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    def forget(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()
        clear_contextvars()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def only(self) -> dict[str, Any]:
        (line,) = self.lines
        return line


@contextmanager
def captured_logs(level: str = "debug", line_format: LogFormat = LogFormat.JSON) -> Iterator[CapturedLogs]:
    """Configure logs to be written into memory, and put everything back afterwards."""
    root = logging.getLogger()
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    before = [(each, each.level, list(each.handlers), each.propagate) for each in (root, *loggers)]
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    structlog_before, lines_before = structlog.get_config(), dict(vars(LINES))
    captured = CapturedLogs()
    configure_logs(level=level, line_format=line_format, role="api", version="1.2.3", stream=captured.stream)
    try:
        yield captured
    finally:
        clear_contextvars()
        logging.captureWarnings(capture=False)
        structlog.configure(**structlog_before)
        vars(LINES).update(lines_before)
        sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks
        for each, each_level, handlers, propagate in before:
            each.setLevel(each_level)
            each.handlers[:] = handlers
            each.propagate = propagate


def _random_bytes(low: int, high: int) -> st.SearchStrategy[bytes]:
    return st.tuples(st.integers(0, 2**64), st.integers(low, high)).map(lambda two: Random(two[0]).randbytes(two[1]))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


TOKENS = st.one_of(
    _random_bytes(24, 96).map(_base64url),
    _random_bytes(24, 96).map(lambda raw: base64.b64encode(raw).decode()),
    _random_bytes(16, 64).map(bytes.hex),
    _random_bytes(20, 40).map(lambda raw: base64.b32encode(raw).decode()),
)
"""Long random texts, as base64url, Base64, hexadecimal and Base32."""

JSON_WEB_TOKENS = st.tuples(st.integers(0, 10**6), _random_bytes(8, 64)).map(
    lambda two: ".".join(
        (
            _base64url(b'{"alg":"RS256","typ":"JWT"}'),
            _base64url(b'{"sub":"%d"}' % two[0]),
            _base64url(two[1]),
        )
    )
)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).filter(lambda ip: not ip.is_loopback and not ip.is_unspecified).map(str),
    st.ip_addresses(v=6).filter(lambda ip: ip.is_global).flatmap(lambda ip: st.sampled_from([str(ip), ip.exploded])),
)
EMAILS = st.emails()
SHAPED = st.one_of(
    TOKENS,
    JSON_WEB_TOKENS,
    ADDRESSES,
    EMAILS,
    _random_bytes(12, 24).map(lambda raw: f"whsec_{base64.b64encode(raw).decode()}"),
)
"""Secrets and personal data that are known by their look."""

PASSPHRASES = st.tuples(st.integers(0, 2**64), st.integers(1, 4)).map(
    lambda two: " ".join(Random(two[0] + n).randbytes(4).hex() for n in range(two[1]))
)
"""Secrets without a look of their own, known by their names only; with spaces in them."""

SECRET_NAMES = st.sampled_from(
    [
        "password", "new_password", "Authorization", "cookie", "Set-Cookie", "refresh_token", "accessToken", "api_key",
        "X-Api-Key", "client_secret", "signature", "totp_code", "recovery_code", "recoveryCodes", "dsn", "otp",
        "csrf_token", "private_key",
    ]
)  # fmt: skip


def traces_of(secret: str) -> list[str]:
    """What must not be found of a secret: all of a short one, no sixteen characters of a long one."""
    if len(secret) < 24 or "@" in secret or ":" in secret:
        return [secret]
    return [secret[start : start + 16] for start in range(len(secret) - 15)]


def assert_hidden(secret: str, text: str) -> None:
    for part in traces_of(secret):
        assert part not in text, f"{part!r} of {secret!r} in {text!r}"
