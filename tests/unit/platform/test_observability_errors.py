"""Error tracking: what is sent, what is not, through the client's own machinery up to the wire."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from agon.contracts.accounts import AccountId, LoginSessionId, Principal
from agon.kernel.ids import new_id
from agon.platform.context import RequestContext, enter
from agon.platform.observability.errors import configure_error_tracking, stop_error_tracking
from agon.platform.observability.lines import LINES
from tests.unit.platform.observability_support import PASSPHRASES, SECRET_NAMES, SHAPED, assert_hidden, captured_logs

DSN = "https://0123456789abcdef@errors.example/1"
SENT: list[dict[str, Any]] = []

log = structlog.get_logger("agon.test")


class Wire(Transport):
    """What would go to the service, as it would be written."""

    def capture_envelope(self, envelope: Envelope) -> None:
        SENT.extend(json.loads(item.get_bytes()) for item in envelope.items)


@pytest.fixture
def tracking() -> Iterator[list[dict[str, Any]]]:
    SENT.clear()
    with captured_logs():
        configure_error_tracking(DSN, environment="test", version="1.2.3", transport=Wire)
        yield SENT
        stop_error_tracking()


def _log_error(error: Exception) -> None:
    held = repr(error)
    try:
        raise error
    except Exception:
        log.exception("failed", note=len(held))


def test_it_is_off_without_a_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_DSN", DSN)
    for nothing in (None, ""):
        configure_error_tracking(nothing, environment="test", version="1", transport=Wire)
        assert LINES.on_error is None


async def test_an_error_is_sent_with_what_helps_to_find_its_cause(tracking: list[dict[str, Any]]) -> None:
    account = AccountId(new_id())
    principal = Principal(account, LoginSessionId(new_id()), frozenset())
    enter(RequestContext(request_id="r-1", route="/x/{id}", client_ip="10.1.2.3", principal=principal))
    _log_error(ValueError("broken"))
    (event,) = tracking
    assert (event["release"], event["environment"], event["level"]) == ("agon@1.2.3", "test", "error")
    assert event["tags"] == {
        "role": "api", "logger": "agon.test", "route": "/x/{id}", "request_id": "r-1", "event": "failed",
    }  # fmt: skip
    assert event["user"] == {"id": str(account)}
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "broken")
    frame = error["stacktrace"]["frames"][-1]
    assert frame["function"] == "_log_error"
    assert "vars" not in frame
    assert "context_line" not in frame
    assert len(event["event_id"]) == 32
    for name in ("server_name", "request", "breadcrumbs", "extra", "modules"):
        assert name not in event
    assert "10.1.2.3" not in json.dumps(event)


def test_only_errors_are_sent(tracking: list[dict[str, Any]]) -> None:
    log.error("no exception")
    log.warning("only a warning", exc_info=ValueError("x"))
    assert tracking == []
    logging.getLogger("library").error("failed", exc_info=ValueError("y"))
    sys.excepthook(ValueError, ValueError("z"), None)
    assert [event["level"] for event in tracking] == ["error", "fatal"]


def test_what_the_client_says_of_itself_is_not_sent(tracking: list[dict[str, Any]]) -> None:
    logging.getLogger("sentry_sdk.errors").error("cannot send", exc_info=ValueError("x"))
    logging.getLogger("urllib3.connectionpool").error("refused", exc_info=ValueError("x"))
    assert tracking == []


@given(SHAPED)
def _by_shape(secret: str) -> None:
    SENT.clear()
    _log_error(ValueError(f"saw {secret}", {"a": [secret]}))
    log.bind(note=secret).error(f"for {secret}", exc_info=KeyError(secret))
    assert len(SENT) == 2
    assert_hidden(secret, json.dumps(SENT, ensure_ascii=False))


@given(SECRET_NAMES, PASSPHRASES)
def _by_name(name: str, secret: str) -> None:
    SENT.clear()
    _log_error(ValueError({name: secret}))
    template = f"{name} %s"
    logging.getLogger("library").error(template, secret, exc_info=ValueError(f"{name}={secret!r}"))
    assert len(SENT) == 2
    text = json.dumps(SENT)
    for word in secret.split():
        assert word not in text


@pytest.mark.usefixtures("tracking")
def test_no_secret_leaves_with_an_error() -> None:
    _by_shape()
    _by_name()


def test_after_the_end_nothing_is_sent(tracking: list[dict[str, Any]]) -> None:
    stop_error_tracking()
    _log_error(ValueError("late"))
    assert tracking == []
    stop_error_tracking()


def test_a_dsn_that_is_none_is_told_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="is not one") as caught:
        configure_error_tracking("hunter2://nowhere", environment="test", version="1", transport=Wire)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert LINES.on_error is None


def test_a_missing_client_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(RuntimeError, match=r"install agon\[sentry\]"):
        configure_error_tracking(DSN, environment="test", version="1")
