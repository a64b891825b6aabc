"""What libraries log, what Python warns of, and what nobody caught: all of it as log lines."""

import gc
import io
import logging
import sys
import threading
import warnings
from typing import Any, NoReturn
from uuid import UUID

import pytest

from agon.platform.observability.logs import configure_logs
from tests.unit.platform.observability_support import captured_logs


def _fail(message: str = "broken") -> NoReturn:
    raise ValueError(message)


def test_libraries_log_the_same_lines() -> None:
    with captured_logs("info") as logs:
        logging.getLogger("alembic.runtime").info("Running upgrade %s -> %s", "0001", "0002")
        logging.getLogger("alembic.runtime").debug("unheard")
        try:
            _fail()
        except ValueError:
            logging.getLogger("pgqueuer").exception("job %d failed", 7)
    first, second = logs.lines
    assert (first["event"], first["logger"], first["level"]) == (
        "Running upgrade 0001 -> 0002",
        "alembic.runtime",
        "info",
    )
    assert (second["event"], second["level"], second["error"]) == ("job 7 failed", "error", "ValueError")
    assert first["role"] == "api"


@pytest.mark.parametrize(
    ("template", "arguments", "event"),
    [
        ("plain 100%", (), "plain 100%"),
        ("%s and %d", ("one", 2), "one and 2"),
        ("%s", (UUID(int=0),), "00000000-0000-0000-0000-000000000000"),
        ("%(name)s", ({"name": "x"},), "x"),
        ("login %(password)s of %(name)s", ({"password": "hunter2", "name": "bob"},), "login [redacted] of bob"),
        ("body %s", ({"password": "hunter2"},), "body {'password': [redacted]}"),
        ("password %s of %d", ("hunter2", 5), "password [redacted] of 5"),
        ("raw %s", (b"hunter2",), "raw [7 bytes]"),
        ("too few %s %s", ("one",), "too few %s %s (arguments do not fit: TypeError)"),
        ("%d", ("word",), "%d (arguments do not fit: TypeError)"),
    ],
)
def test_arguments_of_records_lose_their_secrets_with_their_names(template: str, arguments: Any, event: str) -> None:
    with captured_logs() as logs:
        logging.getLogger("library").warning(template, *arguments)
    assert logs.only["event"] == event


def test_loggers_that_print_secrets_are_quiet_and_others_keep_no_handlers_of_their_own() -> None:
    uvicorn = logging.getLogger("uvicorn.error")
    with captured_logs("debug") as logs:
        uvicorn.addHandler(logging.StreamHandler(io.StringIO()))
        configure_logs(level="debug", role="api", version="1", stream=logs.stream)
        assert uvicorn.handlers == []
        uvicorn.info('%s - "WebSocket %s" [accepted]', "10.1.2.3:5", "/ws?ticket=abc")
        logging.getLogger("uvicorn.access").critical("GET /ws?ticket=abc")
        logging.getLogger("websockets.server").debug("> Authorization: x")
        logging.getLogger("httpx").info("GET https://x")
        logging.getLogger("httpcore.http11").debug("headers")
        logging.getLogger("sqlalchemy.engine.Engine").info("[cached] ('value',)")
        assert logs.text == ""
        assert not logging.getLogger("uvicorn.access").hasHandlers()
        uvicorn.warning("Invalid HTTP request received.")
        uvicorn.error("Exception in ASGI application\n")
    assert [line["logger"] for line in logs.lines] == ["uvicorn.error", "uvicorn.error"]


def test_warnings_are_lines() -> None:
    with warnings.catch_warnings(), captured_logs() as logs:
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    assert (logs.only["logger"], logs.only["level"]) == ("py.warnings", "warning")
    assert "old way" in logs.only["event"]


def test_errors_that_nobody_caught_are_lines() -> None:
    class Unclosable:
        def __del__(self) -> None:
            _fail("in del")

    with captured_logs() as logs:
        sys.excepthook(ValueError, ValueError("at the top"), None)
        thread = threading.Thread(target=_fail, args=("in a thread",), name="worker-1")
        thread.start()
        thread.join()
        Unclosable()
        gc.collect()
    top, in_thread, in_del = logs.lines
    assert (top["level"], top["event"]) == ("critical", "uncaught error")
    assert "at the top" in top["exception"]
    assert (in_thread["thread"], in_thread["error"]) == ("worker-1", "ValueError")
    assert "in del" in in_del["exception"]
    assert "__del__" in in_del["where"]


def test_an_interrupt_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with captured_logs() as logs:
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert logs.text == ""
    assert "KeyboardInterrupt" in capsys.readouterr().err
