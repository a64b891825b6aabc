"""Log lines: their form, their context, and everything that ends in them."""

import asyncio
import io
import json
import logging
import re
import sys
from typing import Any, NoReturn
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars

from agon.contracts.accounts import AccountId, LoginSessionId, Principal
from agon.kernel.ids import new_id
from agon.platform.context import RequestContext, enter
from agon.platform.observability.lines import LINES, LogFormat
from agon.platform.observability.logs import configure_logs
from tests.unit.platform.observability_support import captured_logs

log = structlog.get_logger("agon.test")


def _fail(message: str = "broken") -> NoReturn:
    raise ValueError(message)


def test_a_line_says_when_what_and_who() -> None:
    with captured_logs() as logs:
        log.info("started", port=8000)
    line = logs.only
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "event": "started",
        "service": "agon",
        "role": "api",
        "version": "1.2.3",
        "logger": "agon.test",
        "port": 8000,
    }
    assert list(logs.only)[:3] == ["time", "level", "event"]


async def test_a_line_says_whose_request_it_belongs_to() -> None:
    account = AccountId(new_id())

    async def request() -> None:
        principal = Principal(account, LoginSessionId(new_id()), frozenset())
        enter(RequestContext(request_id="r-1", route="/x/{id}", client_ip="10.1.2.3", principal=principal))
        bind_contextvars(tournament_id="t-1")
        log.info("joined")

    with captured_logs() as logs:
        await asyncio.create_task(request())
        log.info("elsewhere")
    first, second = logs.lines
    assert (first["request_id"], first["route"], first["account_id"]) == ("r-1", "/x/{id}", str(account))
    assert first["tournament_id"] == "t-1"
    assert "10.1.2.3" not in logs.text
    assert not {"request_id", "route", "account_id", "tournament_id"} & set(second)


def test_fields_cannot_take_the_place_of_what_every_line_has() -> None:
    with captured_logs() as logs:
        log.info("role granted", role="admin", version=7, time="never", level="high")
    line = logs.only
    assert (line["role"], line["version"], line["level"]) == ("api", "1.2.3", "info")
    assert (line["role_"], line["version_"], line["time_"], line["level_"]) == ("admin", 7, "never", "high")


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", 6), ("info", 5), ("warning", 4), ("error", 3), ("critical", 1)],
)
def test_lines_below_the_level_are_not_written(level: str, written: int) -> None:
    with captured_logs(level) as logs:
        for name in ("debug", "info", "warning", "error", "exception", "critical"):
            getattr(log, name)(name)
    assert [line["event"] for line in logs.lines] == ["debug", "info", "warning", "error", "exception", "critical"][
        -written:
    ]


def test_the_level_may_be_a_number_and_change_later() -> None:
    with captured_logs("warning") as logs:
        log.log(20, "unheard")
        log.log(30, "heard")
        log.log(45, "between")
        LINES.threshold = 10
        log.log(5, "below all")
        log.debug("now heard")
    assert [(line["level"], line["event"]) for line in logs.lines] == [
        ("warning", "heard"),
        ("error", "between"),
        ("debug", "now heard"),
    ]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="no log level 'loud'"):
        configure_logs(level="loud", role="api", version="1")


def test_an_error_is_logged_with_its_trace_and_its_causes_but_without_variables() -> None:
    variable = f"unse{'en'}"
    with captured_logs() as logs:
        try:
            try:
                _fail("first")
            except ValueError as error:
                raise RuntimeError(f"second of {len(variable)}") from error
        except RuntimeError:
            log.exception("failed")
    line = logs.only
    assert (line["level"], line["error"]) == ("error", "RuntimeError")
    for part in ("ValueError: first", "RuntimeError: second of 6", "in _fail", "direct cause"):
        assert part in line["exception"]
    assert variable not in logs.text


@pytest.mark.parametrize("given_as", ["true", "error", "tuple", "nothing", "empty"])
def test_an_error_may_be_given_in_every_way(given_as: str) -> None:
    with captured_logs() as logs:
        try:
            _fail()
        except ValueError as error:
            ways: dict[str, Any] = {
                "true": True,
                "error": error,
                "tuple": sys.exc_info(),
                "nothing": None,
                "empty": (None, None, None),
            }
            log.warning("odd", exc_info=ways[given_as])
    assert logs.only.get("error") == (None if given_as in {"nothing", "empty"} else "ValueError")


def test_a_deep_trace_is_cut() -> None:
    def there(depth: int) -> None:
        back(depth - 1)

    def back(depth: int) -> None:
        _ = there(depth) if depth else _fail()

    with captured_logs() as logs:
        try:
            there(150)
        except ValueError:
            log.exception("deep")
    assert 30 <= logs.only["exception"].count("File ") <= 40
    assert "in _fail" in logs.only["exception"]


_ANY = st.characters()  # with half surrogate pairs, which no UTF-8 can hold


class _Unwritable:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@given(
    st.dictionaries(
        st.text(_ANY, max_size=10),
        st.one_of(
            st.text(_ANY),
            st.integers(),
            st.floats(),
            st.binary(),
            st.just(_Unwritable()),
            st.none(),
            st.complex_numbers(),
        ),
        max_size=5,
    ),
    st.text(_ANY),
)
def test_whatever_is_logged_gives_one_line_of_json(fields: dict[str, object], event: str) -> None:
    with captured_logs() as logs:
        log.info(event, **{f"x{name}": value for name, value in fields.items()})
        logging.getLogger("library").info("%s %r", event, fields)
    first, second = logs.stream.getvalue().split(b"\n")[:-1]
    assert json.loads(first)["event"] is not None
    assert "could not be made" not in first.decode() + second.decode()
    assert json.loads(second)["logger"] == "library"


class _Treacherous(dict[str, object]):
    def items(self) -> NoReturn:
        raise RuntimeError("bob@example.org")


def test_a_line_that_cannot_be_made_is_still_a_line_and_does_not_fail_the_caller() -> None:
    with captured_logs() as logs:
        log.info("saw", value=_Treacherous())
    line = logs.only
    assert (line["level"], line["event"], line["error"]) == ("error", "a log line could not be made", "RuntimeError")
    assert (line["role"], "bob" in logs.text) == ("api", False)


class _BrokenStream(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_counted_and_does_not_fail_the_caller() -> None:
    with captured_logs():
        configure_logs(role="api", version="1", stream=_BrokenStream())
        lost = LINES.lost
        log.info("lost")
        logging.getLogger("library").warning("lost too")
        assert LINES.lost == lost + 2


def test_without_a_stream_lines_go_to_standard_error(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with captured_logs():
        configure_logs(role="api", version="1")
        log.info("here")
    captured = capsysbinary.readouterr()
    assert b'"event":"here"' in captured.err
    assert captured.out == b""


def test_rows_for_people_cannot_be_forged() -> None:
    with captured_logs(line_format=LogFormat.CONSOLE) as logs:
        log.info("line\n2026 [error] forged\x1b[31m", value="a\r\nb", account_id=UUID(int=0), many=[1, "x"])
        try:
            _fail("one\ntwo\x1b[31m")
        except ValueError:
            log.exception("failed")
    rows = logs.text.splitlines()
    assert "\x1b" not in logs.text
    assert r"line\n2026 [error] forged\x1b[31m" in rows[0]
    assert r"value=a\r\nb" in rows[0]
    assert "account_id=00000000-0000-0000-0000-000000000000" in rows[0]
    assert '[1,"x"]' in rows[0]
    assert rows[1].split("]")[0].endswith("[error    ")
    assert "two\\x1b[31m" in logs.text
    assert "ValueError" in logs.text


def test_positional_arguments_are_kept_and_redacted() -> None:
    with captured_logs() as logs:
        write = log.info
        write("with", {"password": "hunter2"}, 5)
    assert logs.only["positional"] == [{"password": "[redacted]"}, 5]


def test_a_fault_in_the_error_hook_does_not_hide_the_error() -> None:
    def hook(error: BaseException, line: object) -> None:
        raise KeyError(line, error)

    with captured_logs() as logs:
        LINES.on_error = hook
        try:
            _fail()
        except ValueError:
            log.exception("failed")
            log.warning("only a warning", exc_info=True)
    first, second = logs.lines
    assert (first["error"], first["error_tracking"]) == ("ValueError", "failed: KeyError")
    assert "error_tracking" not in second
