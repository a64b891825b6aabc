"""Where values come from, and which place wins."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agon.platform.settings.catalogue import Setting, catalogue
from agon.platform.settings.model import Settings
from agon.platform.settings.problems import SettingsError
from agon.platform.settings.values import Environment

LAYERS = ("flag", "environment", "special", "common")


class Case(NamedTuple):
    path: str
    variable: str
    given: tuple[Any, Any, Any, Any]
    """One distinct value for each layer, as TOML or a flag would hold it."""


CASES = (
    Case("http.port", "AGON_PORT", (8101, 8102, 8103, 8104)),
    Case("log.level", "AGON_LOG_LEVEL", ("debug", "info", "warning", "error")),
    Case("tracing.sample_ratio", "AGON_TRACING_SAMPLE_RATIO", (0.1, 0.2, 0.3, 0.4)),
    Case("base_url", "AGON_BASE_URL", tuple(f"http://{layer}.example.org" for layer in LAYERS)),
    Case("http.allowed_hosts", "AGON_HTTP_ALLOWED_HOSTS", tuple([f"a.{one}", f"b.{one}"] for one in LAYERS)),
)


def toml_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def write_toml(file: Path, values: Mapping[str, Any]) -> None:
    """Dotted keys, which TOML reads as tables."""
    text = "".join(f"{path} = {toml_value(value)}\n" for path, value in values.items())
    file.write_text(text, encoding="utf-8")


def value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
@pytest.mark.parametrize("present", [each for each in product([False, True], repeat=4) if any(each)])
def test_the_first_place_that_gives_a_value_wins(
    case: Case, present: tuple[bool, bool, bool, bool], tmp_path: Path
) -> None:
    flag, environment, special, common = (
        value if given else None for value, given in zip(case.given, present, strict=True)
    )
    environ = {"AGON_ENVIRONMENT": "test"}
    if environment is not None:
        environ[case.variable] = ",".join(environment) if isinstance(environment, list) else str(environment)
    if special is not None:
        write_toml(tmp_path / "agon.test.toml", {case.path: special})
    if common is not None:
        write_toml(tmp_path / "agon.toml", {case.path: common})

    settings = Settings.load({case.path: flag}, environ, tmp_path)

    winner = next(value for value in (flag, environment, special, common) if value is not None)
    assert value_at(settings, case.path) == (tuple(winner) if isinstance(winner, list) else winner)


@pytest.mark.parametrize("present", [each for each in product([False, True], repeat=4) if any(each)])
def test_a_secret_file_stands_between_the_environment_and_the_settings_files(
    present: tuple[bool, bool, bool, bool], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from-file\n", encoding="utf-8")
    flag, file, special, common = present
    if special:
        write_toml(tmp_path / "agon.test.toml", {"accounts.pepper": "from-special"})
    if common:
        write_toml(tmp_path / "agon.toml", {"accounts.pepper": "from-common"})
    environ = {"AGON_ENVIRONMENT": "test"} | ({"AGON_ACCOUNTS_PEPPER_FILE": str(tmp_path / "secret")} if file else {})

    settings = Settings.load({"accounts.pepper": "from-flag" if flag else None}, environ, tmp_path)

    names = ("from-flag", "from-file", "from-special", "from-common")
    winner = next(name for name, given in zip(names, present, strict=True) if given)
    assert settings.accounts.pepper is not None
    assert settings.accounts.pepper.get_secret_value() == winner


def test_layers_add_up_within_a_group(tmp_path: Path) -> None:
    write_toml(tmp_path / "agon.toml", {"http.port": 8104, "http.drain_seconds": 4})
    settings = Settings.load({"http.host": "::1"}, {"AGON_PORT": "8102"}, tmp_path)
    assert (settings.http.host, settings.http.port, settings.http.drain_seconds) == ("::1", 8102, 4)


@pytest.mark.parametrize("chosen_by", ["flag", "environment", "file"])
def test_the_environment_chooses_the_second_file_wherever_it_is_given(chosen_by: str, tmp_path: Path) -> None:
    write_toml(tmp_path / "agon.test.toml", {"http.port": 8103})
    write_toml(tmp_path / "agon.toml", {"environment": "test"} if chosen_by == "file" else {})
    settings = Settings.load(
        {"environment": Environment.TEST} if chosen_by == "flag" else {},
        {"AGON_ENVIRONMENT": "TEST"} if chosen_by == "environment" else {},
        tmp_path,
    )
    assert settings.environment is Environment.TEST
    assert settings.http.port == 8103


def test_the_file_of_another_environment_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "agon.production.toml").write_text("this is [not TOML", encoding="utf-8")
    assert Settings.load(environ={}, directory=tmp_path).http.port == 8000


def test_the_file_of_an_environment_may_not_name_another(tmp_path: Path) -> None:
    write_toml(tmp_path / "agon.test.toml", {"environment": "production"})
    with pytest.raises(SettingsError, match=r"agon\.test\.toml: environment: is not test") as caught:
        Settings.load(environ={"AGON_ENVIRONMENT": "test"}, directory=tmp_path)
    assert len(caught.value.problems) == 1


def test_files_are_looked_for_in_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, working = tmp_path / "named", tmp_path / "working"
    named.mkdir()
    working.mkdir()
    write_toml(named / "agon.toml", {"http.port": 8101})
    write_toml(working / "agon.toml", {"http.port": 8102})
    monkeypatch.chdir(working)
    assert Settings.load(environ={}).http.port == 8102
    assert Settings.load(environ={"AGON_CONFIG_DIR": str(named)}).http.port == 8101
    assert Settings.load(environ={"AGON_CONFIG_DIR": str(named)}, directory=working).http.port == 8102


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AGON_CONFIG_DIR: does not name a folder"):
        Settings.load(environ={"AGON_CONFIG_DIR": str(tmp_path / "missing")})


def test_the_environment_of_the_process_is_read_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGON_PORT", "8102")
    assert Settings.load(directory=tmp_path).http.port == 8102
    assert Settings.load(environ={}, directory=tmp_path).http.port == 8000


def test_variables_of_other_programs_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOG", "HTTP", "ENVIRONMENT", "DATABASE", "agon_port"):
        monkeypatch.setenv(name, "nonsense")
    assert Settings.load(directory=tmp_path) == Settings.load(environ={}, directory=tmp_path)
    assert Settings().environment is Environment.DEVELOPMENT


def test_lists_in_variables_are_separated_by_commas(tmp_path: Path) -> None:
    environ = {"AGON_HTTP_TRUSTED_PROXIES": " 10.0.0.0/8, ,fd00::/8 ", "AGON_HTTP_CORS_ORIGINS": ""}
    settings = Settings.load(environ=environ, directory=tmp_path)
    assert [str(network) for network in settings.http.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.http.cors_origins == ()


def test_each_value_knows_where_it_came_from(tmp_path: Path) -> None:
    write_toml(tmp_path / "agon.toml", {"http.port": 8104, "log.level": "error"})
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    environ = {"AGON_PORT": "8102", "AGON_ACCOUNTS_PEPPER_FILE": str(tmp_path / "secret")}
    settings = Settings.load({"http.host": "::1"}, environ, tmp_path)
    origins = {"http.host": "flag http.host", "http.port": "AGON_PORT", "log.level": "agon.toml: log.level"}
    origins |= {"accounts.pepper": "AGON_ACCOUNTS_PEPPER_FILE", "http.hsts": "default"}
    assert {path: settings.origin(path) for path in origins} == origins


SAMPLES = {
    "accounts.pepper": "s",
    "accounts.signing_key": "s",
    "http.metrics_token": "s",
    "mail.username": "agon",
    "mail.password": "s",
    "sentry.dsn": "https://key@errors.example.org/1",
}
COMPANIONS = {
    "database.read_url": {"AGON_DATABASE_URL": "postgresql://db/agon"},
    "mail.host": {"AGON_MAIL_TRANSPORT": "smtp"},
    "mail.username": {"AGON_MAIL_PASSWORD": "s"},
    "mail.password": {"AGON_MAIL_USERNAME": "agon"},
}


def sample(setting: Setting) -> str:
    if setting.example is not None:
        return setting.example
    default = setting.field.default
    return SAMPLES[setting.path] if default is None else str(default)


@pytest.mark.parametrize("setting", catalogue(Settings).values(), ids=lambda setting: setting.path)
def test_every_setting_can_be_given_by_variable_and_in_a_file(setting: Setting, tmp_path: Path) -> None:
    companions = COMPANIONS.get(setting.path, {})
    value = sample(setting)
    by_variable = Settings.load(environ={setting.variable: value} | companions, directory=tmp_path)
    write_toml(tmp_path / "agon.toml", {setting.path: [value] if setting.many else value})
    by_file = Settings.load(environ=companions, directory=tmp_path)
    assert by_variable.origin(setting.path) == setting.variable
    assert by_file.origin(setting.path) == f"agon.toml: {setting.path}"
    assert value_at(by_variable, setting.path) == value_at(by_file, setting.path)
