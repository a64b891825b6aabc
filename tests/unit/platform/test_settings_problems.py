"""What stops a start: every problem at once, each with the name, what is wrong and what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.platform.settings import sources
from agon.platform.settings.catalogue import CONFIG_DIR_VARIABLE, catalogue
from agon.platform.settings.load import Rules, load
from agon.platform.settings.model import Settings
from agon.platform.settings.problems import Problem, SettingsError

VARIABLES = [setting.variable for setting in catalogue(Settings).values()]
FILE_VARIABLES = [name for one in catalogue(Settings).values() if (name := one.file_variable) is not None]


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[Problem]]:
    def load(environ: dict[str, str] | None = None, toml: str = "", **overrides: object) -> list[Problem]:
        (tmp_path / "agon.toml").write_text(toml, encoding="utf-8")
        flags = {name.replace("__", "."): value for name, value in overrides.items()}
        with pytest.raises(SettingsError) as caught:
            Settings.load(flags, environ or {}, tmp_path)
        return list(caught.value.problems)

    return load


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("AGON_DATABSE_URL", "AGON_DATABASE_URL"),
        ("AGON_PROT", "AGON_PORT"),
        ("AGON_LOGLEVEL", "AGON_LOG_LEVEL"),
        ("AGON_ACCOUNTS_PEPER_FILE", "AGON_ACCOUNTS_PEPPER_FILE"),
        ("AGON_CONFIGDIR", "AGON_CONFIG_DIR"),
    ],
)
def test_an_unknown_variable_is_named_with_the_one_meant(
    wrong: str, meant: str, problems: Callable[..., list[Problem]]
) -> None:
    assert problems({wrong: "x"}) == [Problem(wrong, "is not a setting", f"Did you mean {meant}?")]


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", max_size=30))
def test_no_other_name_with_the_prefix_passes(name: str) -> None:
    variable = f"AGON_{name}"
    if variable in {*VARIABLES, *FILE_VARIABLES, CONFIG_DIR_VARIABLE}:
        return
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ={variable: "x"}, directory=Path("/"))
    assert [problem.name for problem in caught.value.problems] == [variable]


@pytest.mark.parametrize(
    ("toml", "name", "remedy"),
    [
        ("prot = 1", "agon.toml: prot", "Did you mean http.port or mail.port?"),
        ("port = 1", "agon.toml: port", "Did you mean http.port or mail.port?"),
        ("[database]\npool = 5", "agon.toml: database.pool", "Did you mean database.pool_size?"),
        ("[database]\npool-size = 5", "agon.toml: database.pool-size", "Did you mean database.pool_size?"),
        ("[acounts]\nbcrypt_cost = 5", "agon.toml: acounts", "Did you mean [accounts]?"),
        ("zzzzzz = 1", "agon.toml: zzzzzz", "Take it away; `agon settings` lists all."),
        ("http = 5", "agon.toml: http", "Begin a line with `[http]` and go on below it."),
    ],
)
def test_an_unknown_name_in_a_file_is_named(
    toml: str, name: str, remedy: str, problems: Callable[..., list[Problem]]
) -> None:
    found = problems(toml=toml)
    assert [(problem.name, problem.remedy) for problem in found] == [(name, remedy)]


def test_an_unknown_flag_is_named(problems: Callable[..., list[Problem]]) -> None:
    assert problems(http__prot=1) == [Problem("flag http.prot", "is not a setting", "Did you mean http.port?")]


def test_a_shadowed_layer_is_checked_for_unknown_names_too(problems: Callable[..., list[Problem]]) -> None:
    found = problems({"AGON_PORT": "8102"}, toml="[http]\nport = 8103\nprot = 8104")
    assert [problem.name for problem in found] == ["agon.toml: http.prot"]


def test_a_file_that_is_not_toml_is_named_with_the_line(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems(toml="[http]\nport = = 5")
    assert problem.name == "agon.toml"
    assert "line 2" in problem.problem


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "agon.toml").mkdir()
    with pytest.raises(SettingsError, match=r"agon\.toml: cannot be read"):
        Settings.load(environ={}, directory=tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "predicate"),
    [
        ("AGON_PORT", "abc", "'abc' should be a valid integer"),
        ("AGON_PORT", "0", "'0' should be greater than or equal to 1"),
        ("AGON_PORT", "65536", "'65536' should be less than or equal to 65535"),
        ("AGON_PORT", " ", "is empty"),
        ("AGON_ENVIRONMENT", "prod", "'prod' should be 'development', 'test' or 'production'"),
        ("AGON_LOG_FORMAT", "xml", "'xml' should be 'json' or 'console'"),
        ("AGON_HTTP_DRAIN_SECONDS", "nan", "'nan' should be a finite number"),
        ("AGON_HTTP_HSTS", "maybe", "'maybe' should be a valid boolean"),
        ("AGON_HOST", "http://x", "'http://x' is not an address or a host name"),
        ("AGON_HOST", "exa[mple", "'exa[mple' is not an address or a host name"),
        ("AGON_HOST", "localhost:8000", "'localhost:8000' is not an address or a host name"),
        ("AGON_BASE_URL", "example.org", "'example.org' is not an http or https address"),
        ("AGON_BASE_URL", "https://example.org/", "'https://example.org/' must not have a path or a slash at its end"),
        ("AGON_BASE_URL", "https://exam ple.org", "'https://exam ple.org' is not a URL"),
        ("AGON_BASE_URL", "https://example.org:x", "'https://example.org:x' is not a URL"),
        ("AGON_BASE_URL", "https://example.org?a=1", "'https://example.org?a=1' must not hold a user"),
        ("AGON_HTTP_CORS_ORIGINS", "https://a.org,null", "'null' is not an http or https address"),
        ("AGON_HTTP_FRAME_ANCESTORS", "*", "'*' is not an http or https address"),
        ("AGON_HTTP_TRUSTED_PROXIES", "10.0.0.1/8", "'10.0.0.1/8' is not a network"),
        ("AGON_HTTP_TRUSTED_PROXIES", "*", "'*' is not a network"),
        ("AGON_HTTP_ALLOWED_HOSTS", "https://example.org", "'https://example.org' is not a host name"),
        ("AGON_DATABASE_URL", "mysql://db/agon", "the value does not begin with postgresql:// or postgres://"),
        ("AGON_VALKEY_URL", "valkey.example.org:6379", "the value does not begin with redis:// or rediss://"),
        ("AGON_ACCOUNTS_PASSWORD_MINIMUM", "7", "'7' should be greater than or equal to 8"),
        ("AGON_ACCOUNTS_PASSWORD_MINIMUM", "16", "'16' should be less than or equal to 15"),
        ("AGON_ACCOUNTS_TOKEN_CACHE_SECONDS", "61", "'61' should be less than or equal to 60"),
        ("AGON_LIMITS_LOGIN", "-1", "'-1' should be greater than or equal to 0"),
        ("AGON_MAIL_SENDER", "nobody", "'nobody' is not a mail address"),
        ("AGON_MAIL_SENDER", "a@b.org\nBcc: x@y.org", "the value is not a mail address"),
        ("AGON_TRACING_SAMPLE_RATIO", "1.1", "'1.1' should be less than or equal to 1"),
        ("AGON_DATA_DIR", "~nobody-at-all/x", "'~nobody-at-all/x' names the home of an unknown user"),
    ],
)
def test_a_value_that_does_not_fit_is_shown_with_what_is_wrong(
    variable: str, value: str, predicate: str, problems: Callable[..., list[Problem]]
) -> None:
    (problem,) = problems({variable: value})
    assert problem.name == variable
    assert problem.problem.startswith(predicate)
    assert problem.remedy


def test_the_remedy_says_what_is_expected(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems({"AGON_PORT": "abc"})
    assert problem.remedy == "Expected: whole number from 1 to 65535, such as 8000. The port to listen on."


def test_a_wrong_type_in_a_file_is_named_by_its_place(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems(toml='[http]\ncors_origins = "https://a.org"')
    assert problem.name == "agon.toml: http.cors_origins"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"AGON_DATABASE_READ_URL": "postgresql://r/agon"}, "AGON_DATABASE_READ_URL"),
        ({"AGON_DATABASE_PGBOUNCER": "true"}, "AGON_DATABASE_PGBOUNCER"),
        ({"AGON_HTTP_METRICS_PORT": "8000"}, "AGON_HTTP_METRICS_PORT"),
        ({"AGON_HTTP_CORS_ORIGINS": "*,https://a.org"}, "AGON_HTTP_CORS_ORIGINS"),
        ({"AGON_MAIL_TRANSPORT": "smtp"}, "AGON_MAIL_HOST"),
        ({"AGON_MAIL_HOST": "smtp.example.org"}, "AGON_MAIL_HOST"),
        ({"AGON_MAIL_USERNAME": "agon"}, "AGON_MAIL_USERNAME"),
        ({"AGON_MAIL_PASSWORD": "agon"}, "AGON_MAIL_USERNAME"),
        ({"AGON_LOAD_STATUS_LOOP_LAG_CRITICAL_MS": "100"}, "AGON_LOAD_STATUS_LOOP_LAG_CRITICAL_MS"),
        ({"AGON_LOAD_STATUS_POOL_WAIT_DEGRADED_MS": "500"}, "AGON_LOAD_STATUS_POOL_WAIT_CRITICAL_MS"),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(
    environ: dict[str, str], name: str, problems: Callable[..., list[Problem]]
) -> None:
    assert [problem.name for problem in problems(environ)] == [name]


def test_all_problems_are_told_at_once(problems: Callable[..., list[Problem]]) -> None:
    environ = {
        "AGON_ENVIRONMENT": "production",
        "AGON_PORT": "abc",
        "AGON_TYPO": "x",
        "AGON_ACCOUNTS_PEPPER_FILE": "/missing",
        "AGON_HTTP_CORS_ORIGINS": "*",
    }
    found = {problem.name for problem in problems(environ, toml="[log]\nlevle = 1")}
    expected = {"AGON_PORT", "AGON_TYPO", "AGON_ACCOUNTS_PEPPER_FILE", "AGON_HTTP_CORS_ORIGINS"}
    assert found == expected | {"agon.toml: log.levle", "AGON_ACCOUNTS_KEYRING_FILE", "AGON_BASE_URL"}


def test_a_wrong_value_is_not_blamed_a_second_time(problems: Callable[..., list[Problem]]) -> None:
    environ = {"AGON_ENVIRONMENT": "production", "AGON_BASE_URL": "nonsense"}
    names = [problem.name for problem in problems(environ)]
    assert names.count("AGON_BASE_URL") == 1
    assert "AGON_ACCOUNTS_ISSUER" not in names


def test_the_message_names_each_problem_with_its_remedy(problems: Callable[..., list[Problem]]) -> None:
    found = problems({"AGON_PORT": "abc", "AGON_TYPO": "x"})
    message = str(SettingsError(found))
    assert message.startswith("2 settings need attention before Agon can start:\n  ")
    assert all(text in message for problem in found for text in (problem.name, problem.problem, problem.remedy))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGON_PORT", "tcp://10.96.0.12:8000"),
        ("AGON_PORT_8000_TCP", "tcp://10.96.0.12:8000"),
        ("AGON_PORT_8000_TCP_PROTO", "tcp"),
        ("AGON_SERVICE_HOST", "10.96.0.12"),
        ("AGON_API_SERVICE_PORT_HTTP", "8000"),
    ],
)
def test_what_kubernetes_adds_for_a_service_of_our_name_is_explained(
    name: str, value: str, problems: Callable[..., list[Problem]]
) -> None:
    assert [(one.name, one.remedy) for one in problems({name: value})] == [
        (name, "Set `enableServiceLinks: false` in the pod.")
    ]


def test_no_setting_looks_like_what_kubernetes_adds() -> None:
    assert [name for name in VARIABLES if sources._KUBERNETES_LINK.search(name)] == []


def test_choices_are_read_in_any_case(tmp_path: Path) -> None:
    assert Settings.load(environ={"AGON_LOG_LEVEL": "INFO"}, directory=tmp_path).log.level == "info"


def test_a_limit_of_zero_is_a_limit(tmp_path: Path) -> None:
    limits = [one for one in catalogue(Settings).values() if one.group == "limits"]
    settings = Settings.load({one.path: 0 for one in limits}, {}, tmp_path)
    assert set(settings.limits.model_dump().values()) == {0}
    assert {one.field.default for one in limits} == {5, 10, 100, 120, 150, 200, 600, 1000, 3000}


def test_a_default_worked_out_wrongly_is_reported_and_not_lost() -> None:
    rules = Rules[Settings](derive=lambda _: {"base_url": "nonsense"}, findings=lambda _: ())
    with pytest.raises(SettingsError) as caught:
        load(Settings, rules, overrides={"http.port": "abc"}, environ={}, directory=Path("/"))
    assert [problem.name for problem in caught.value.problems] == ["flag http.port", "AGON_BASE_URL"]


def test_an_address_that_cannot_be_taken_apart_is_reported_once(problems: Callable[..., list[Problem]]) -> None:
    found = problems({"AGON_ENVIRONMENT": "production", "AGON_BASE_URL": "https://[example.org"})
    assert [problem.problem for problem in found if problem.name == "AGON_BASE_URL"] == [
        "'https://[example.org' is not a URL"
    ]
