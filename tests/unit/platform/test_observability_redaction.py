"""Redaction by name and by shape, on values and texts chosen one by one, and on any."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.platform.observability.patterns import LONGEST_TEXT, scrub
from agon.platform.observability.redaction import is_secret_name, redact, redact_value
from tests.unit.platform.observability_support import (
    ADDRESSES,
    EMAILS,
    PASSPHRASES,
    SECRET_NAMES,
    SHAPED,
    TOKENS,
    assert_hidden,
)

ID = "018f2b1e-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "postgresql://bob:pa/s@s@db.example.com:5432/x failed",
            "postgresql://[redacted]@db.example.com:5432/x failed",
        ),
        ("redis://:hunter2@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("https://bob:pw@host/x", "https://[redacted]@host/x"),
        ("GET /ws?ticket=abc&page=2", "GET /ws?ticket=[redacted]&page=2"),
        ("/callback?code=abc&state=xyz", "/callback?code=[redacted]&state=[redacted]"),
        ("code=abc&page=3", "code=[redacted]&page=3"),
        (
            "Login(email='bob@example.org', password='hun ter2', x=1)",
            "Login(email='[email]', password=[redacted], x=1)",
        ),
        ("{'password': 'x\\'y', 'b': 1}", "{'password': [redacted], 'b': 1}"),
        ('{"refresh_token": "abc", "b": 1}', '{"refresh_token": [redacted], "b": 1}'),
        ('{\\"api_key\\": \\"abc\\"}', '{\\"api_key\\": [redacted]'),
        ("recovery_codes=['abc', 'def']", "recovery_codes=[redacted]"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: [redacted]\nHost: x"),
        ("password: correct horse\nnext", "password: [redacted]\nnext"),
        ("[(b'authorization', b'Basic x'), (b'host', b'h')]", "[(b'authorization', [redacted]), (b'host', b'h')]"),
        ("Bearer abc.def", "Bearer [token]"),
        ("Basic dXNlcjpwYXNz", "Basic [token]"),
        ("signed whsec_MfKQ9r8GKYqrTwjU", "signed [token]"),
        ("mail to mailto:bob@example.org.", "mail to [email]"),
        ("bob%40example.org", "[email]"),
        ('"bob smith"@example.org', "[email]"),
        ("/accounts/bob@example.org?a=1", "/accounts/[email]?a=1"),
        ("https://x.example/reset/Zm9vYmFyMDEyMzQ1Njc4OWFiY2RlZg/now", "https://x.example/reset/[token]/now"),
        ("peer 192.168.10.5:443.", "peer [ip]:443."),
        ("from 10.0.0.1.", "from [ip]."),
        ("at [2001:db8::1]:443", "at [[ip]]:443"),
        ("client:2001:db8:0:0:0:0:0:1", "client[ip]"),
        ("::ffff:10.0.0.1", "[ip]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", "[redacted]\nrest"),
        ("otp=123456 dsn: http://x", "otp=[redacted] dsn: [redacted]"),
    ],
)
def test_what_is_secret_in_a_text_is_hidden_and_the_rest_stays(text: str, expected: str) -> None:
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "request",
        ID,
        f"account-{ID} left",
        f"/api/v1/accounts/{ID}/sessions",
        "agon.example/accounts/000000000000000/sessions/list",
        "/api/v1/tournaments/{tournament_id}/participants/by-account",
        "tournament_registration_account_id_fkey",
        "DeferredConnectionAcquireTimeoutError in opentelemetry-exporter-otlp-proto-http",
        "/work/agon/src/agon/platform/observability/patterns.py:12",
        "at 12:34:56.789 on 2025-11-21T12:34:56Z",
        "aa:bb:cc:dd:ee:ff",
        "listening on 127.0.0.1:8000, [::1]:8000 and 0.0.0.0:80",
        "std::vector items[::2]",
        "token_id=5 email_verified=True token_type=bearer",
        "the refresh token was reused",
        "version 1.2.3, basic authentication",
        "@dataclass a @ b",
        "-" * 60,
        'duplicate key value violates unique constraint "account_email_key"',
        "৳ বাংলা টুর্নামেন্ট",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "new_password", "passwordHash", "token", "refresh_token", "accessToken", "X-Api-Key",
        "authorization", "Set-Cookie", "cookies", "totp_code", "recovery_code", "recoveryCodes", "client_secret",
        "signature", "dsn", "database_dsn", "email", "e_mail_address", "ip", "client_ip", "clientIP", "jwt", "params",
        "arguments", "csrf", "otp",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "event", "account_id", "token_id", "token_type", "token_rpc", "email_verified", "status", "route", "zip",
        "description", "recipient", "tournament_id", "author", "ticket_id", "mail", "key", "code", "", "…",
    ],
)  # fmt: skip
def test_names_that_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


class _Color(StrEnum):
    RED = "red"


class _Login(msgspec.Struct):
    username: str
    password: str


@dataclasses.dataclass
class _Mail:
    recipient: str
    reset_token: str


class _Mute:
    def __str__(self) -> str:
        raise ValueError("bob@example.org")


def test_values_keep_their_form_and_lose_their_secrets() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert redact(
        {
            "account_id": UUID(ID),
            "at": moment,
            "took": timedelta(milliseconds=1500),
            "amount": Decimal("1.10"),
            "color": _Color.RED,
            "login": _Login("bob", "hunter2"),
            "mail": _Mail("bob@example.org", "abc"),
            "headers": [("Authorization", "Bearer x"), (b"cookie", b"a"), ("host", "h")],
            "raw": b"abc",
            "error": ValueError("password=hunter2"),
            "kind": _Login,
            "unlucky": _Mute(),
            "password": None,
            "token": 5,
            "totp_enabled": True,
            "by_client": {"10.1.2.3": 4, 7: "x"},
            "trace_id": "0123456789abcdef" * 2,
            "digest": "0123456789abcdef" * 2,
        }
    ) == {
        "account_id": UUID(ID),
        "at": moment,
        "took": 1.5,
        "amount": Decimal("1.10"),
        "color": "red",
        "login": {"username": "bob", "password": "[redacted]"},
        "mail": {"recipient": "[email]", "reset_token": "[redacted]"},
        "headers": [["Authorization", "[redacted]"], ["[6 bytes]", "[redacted]"], ["host", "h"]],
        "raw": "[3 bytes]",
        "error": "ValueError: password=[redacted]",
        "kind": "_Login",
        "unlucky": "[_Mute has no text: ValueError]",
        "password": None,
        "token": "[redacted]",
        "totp_enabled": True,
        "by_client": {"[ip]": 4, "7": "x"},
        "trace_id": "0123456789abcdef" * 2,
        "digest": "[token]",
    }


def test_what_is_too_much_is_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert "[too deep]" in str(redact(endless))
    assert redact({"many": list(range(1000))})["many"] == [*range(100), "900 more"]
    wide = redact({str(number): number for number in range(150)})
    assert len(wide) == 101
    assert wide["..."] == "50 more"


def test_a_long_text_is_cut_between_words_and_shows_nothing_unseen() -> None:
    secret = "ab12" * 8
    text = "word " * (LONGEST_TEXT // 5 - 2) + secret + " " + "tail " * 100
    shown = scrub(text)
    assert "ab12" not in shown
    assert "tail" not in shown
    assert shown.endswith("more characters]")
    assert scrub("x" * (LONGEST_TEXT + 1)) == "[redacted]"


@given(SHAPED, st.sampled_from(["{}", "got {} again", "'{}'", "({})", "[{}]", "x={}", "x: {},", '"{}"', "{}.", "<{}>"]))
@settings(max_examples=400)
def test_shapes_are_hidden_wherever_they_stand(secret: str, frame: str) -> None:
    assert_hidden(secret, scrub(frame.format(secret)))


@given(
    SECRET_NAMES.filter(lambda name: name != "dsn"),
    PASSPHRASES,
    st.sampled_from(["{}='{}'", '"{}": "{}"', "{{'{}': '{}'}}", "X(a=1, {}='{}', b=2)", "('{}', '{}')", '--{}="{}"']),
)
@settings(max_examples=200)
def test_what_stands_beside_the_name_of_a_secret_is_hidden(name: str, secret: str, frame: str) -> None:
    shown = scrub(frame.format(name, secret))
    for word in secret.split():
        assert word not in shown


@given(st.sampled_from(["password", "passphrase", "Authorization", "Cookie"]), PASSPHRASES)
def test_the_rest_of_the_line_goes_where_nothing_says_where_the_secret_ends(name: str, secret: str) -> None:
    shown = scrub(f"{name}: {secret}\nnext line")
    for word in secret.split():
        assert word not in shown
    assert shown.endswith("\nnext line")


@given(st.sampled_from(["http", "https", "postgresql", "redis"]), TOKENS, ADDRESSES | st.just("db.example.org"))
def test_credentials_in_urls_are_hidden(scheme: str, secret: str, host: str) -> None:
    short = secret.replace("/", "x")[:12]
    assert short not in scrub(f"cannot reach {scheme}://agon:{short}@{host}/agon")


@given(EMAILS)
def test_an_address_in_a_path_does_not_take_the_path_with_it(email: str) -> None:
    address = email.replace("/", "-").replace("?", "-").replace("=", "-").replace("&", "-")
    shown = scrub(f"https://agon.example/accounts/{address}")
    assert shown.startswith("https://agon.example/accounts/")
    assert address not in shown


@given(SHAPED, SECRET_NAMES, st.sampled_from(["{0}: {1} and {1}", "{{'{0}': '{1}', 'b': '{1}'}}", "/x?{0}={1}&page=2"]))
def test_scrubbing_twice_is_scrubbing_once(secret: str, name: str, frame: str) -> None:
    once = scrub(frame.format(name, secret))
    assert scrub(once) == once


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
_NESTED = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(_NESTED, SECRET_NAMES, PASSPHRASES, st.integers(0, 5))
@settings(max_examples=200)
def test_names_of_secrets_are_found_at_any_depth(value: object, name: str, secret: str, depth: int) -> None:
    planted: object = {name: secret, "beside": value}
    for level in range(depth):
        planted = [value, planted] if level % 2 else {"inner": planted, "other": value}
    assert secret not in str(redact_value(planted))


@pytest.mark.parametrize(
    "piece",
    [
        "token", "eyJ", ":", "a", 'invalid: "', "a://", "DETAIL: ", "password='", "a@", "&token", "-", "Bearer ",
        "basic ", "1.", "a:", "-----BEGIN PRIVATE KEY", 'value "', "query argument $1: ", "passw", "%40", '"', "=", " ",
    ],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """Time grows with the length at most: a bound far above what is measured (up to 60 ms), far below a square."""
    text = (piece * LONGEST_TEXT)[:LONGEST_TEXT]
    began = time.process_time()
    scrub(text)
    assert time.process_time() - began < 2.0
