"""What depends on the environment: defaults, and what production refuses."""

from pathlib import Path

import pytest

from agon.platform.settings.model import Settings
from agon.platform.settings.problems import SettingsError

PEPPER = "b3Vd0xkq8R2mJf7LwZc1TnYh5sGpUeKa9iXo4QvBtDM="


@pytest.fixture
def sound(tmp_path: Path) -> dict[str, str]:
    """The least that production asks for."""
    (tmp_path / "keyring.json").write_text("{}", encoding="utf-8")
    return {
        "AGON_ENVIRONMENT": "production",
        "AGON_BASE_URL": "https://agon.example.org:8443",
        "AGON_ACCOUNTS_PEPPER": PEPPER,
        "AGON_ACCOUNTS_KEYRING_FILE": str(tmp_path / "keyring.json"),
    }


def refused(environ: dict[str, str], directory: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ=environ, directory=directory)
    return [problem.name for problem in caught.value.problems]


def test_a_sound_production_starts(sound: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.load(environ=sound, directory=tmp_path)
    assert settings.production
    assert settings.secure_cookies


@pytest.mark.parametrize("missing", ["AGON_BASE_URL", "AGON_ACCOUNTS_PEPPER", "AGON_ACCOUNTS_KEYRING_FILE"])
def test_what_production_needs_stops_the_start_when_it_is_missing(
    missing: str, sound: dict[str, str], tmp_path: Path
) -> None:
    del sound[missing]
    assert refused(sound, tmp_path) == [missing]


@pytest.mark.parametrize(
    ("unsafe", "name"),
    [
        ({"AGON_BASE_URL": "http://agon.example.org"}, "AGON_BASE_URL"),
        ({"AGON_HTTP_CORS_ORIGINS": "*"}, "AGON_HTTP_CORS_ORIGINS"),
        ({"AGON_ACCOUNTS_BCRYPT_COST": "11"}, "AGON_ACCOUNTS_BCRYPT_COST"),
        ({"AGON_ACCOUNTS_KEYRING_FILE": "/missing/keyring.json"}, "AGON_ACCOUNTS_KEYRING_FILE"),
        ({"AGON_ACCOUNTS_REQUIRE_VERIFICATION": "true"}, "AGON_ACCOUNTS_REQUIRE_VERIFICATION"),
        ({"AGON_MAIL_TRANSPORT": "smtp", "AGON_MAIL_HOST": "smtp.example.org"}, "AGON_MAIL_SENDER"),
        ({"AGON_HTTP_METRICS_TOKEN": "prometheus"}, "AGON_HTTP_METRICS_TOKEN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unsafe_stops_production_and_only_production(
    unsafe: dict[str, str], name: str, sound: dict[str, str], tmp_path: Path
) -> None:
    assert refused(sound | unsafe, tmp_path) == [name]
    for environment in ("development", "test"):
        Settings.load(environ=sound | unsafe | {"AGON_ENVIRONMENT": environment}, directory=tmp_path)


@pytest.mark.parametrize(
    "pepper",
    [
        "changeme",
        "short-but-Random-9x",
        "a" * 44,
        "0123012301230123012301230123012301230123",
        "please-CHANGE-me-to-a-long-random-value-0123456789",
        "agon-default-pepper-0123456789-abcdefghijklm",
        "your_secret_pepper_0123456789_abcdefghijklmn",
    ],
)
def test_a_default_or_guessable_key_stops_production(pepper: str, sound: dict[str, str], tmp_path: Path) -> None:
    assert refused(sound | {"AGON_ACCOUNTS_PEPPER": pepper}, tmp_path) == ["AGON_ACCOUNTS_PEPPER"]


@pytest.mark.parametrize(
    ("environment", "defaults"),
    [
        ("development", (0, False, "console", ())),
        ("test", (5, False, "json", ())),
        ("production", (5, True, "json", ("agon.example.org",))),
    ],
)
def test_defaults_follow_the_environment(
    environment: str, defaults: tuple[object, ...], sound: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings.load(environ=sound | {"AGON_ENVIRONMENT": environment}, directory=tmp_path)
    http = settings.http
    assert (http.shutdown_grace_seconds, http.hsts, settings.log.format, http.allowed_hosts) == defaults


def test_defaults_that_depend_on_the_environment_can_be_set(sound: dict[str, str], tmp_path: Path) -> None:
    environ = sound | {"AGON_HTTP_HSTS": "false", "AGON_LOG_FORMAT": "console", "AGON_HTTP_ALLOWED_HOSTS": "*"}
    settings = Settings.load({"http.shutdown_grace_seconds": 1}, environ, tmp_path)
    assert (settings.http.shutdown_grace_seconds, settings.http.hsts, settings.log.format) == (1, False, "console")
    assert settings.http.allowed_hosts == ("*",)


def test_keys_are_kept_in_the_data_directory_outside_production(tmp_path: Path) -> None:
    settings = Settings.load({"data_dir": tmp_path / "data"}, {}, tmp_path)
    assert settings.accounts.keyring_file == tmp_path / "data" / "keyring.json"
    assert settings.mail.folder == tmp_path / "data" / "mail"


@pytest.mark.parametrize(
    ("listen", "base_url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"http.port": 9000}, "http://127.0.0.1:9000"),
        ({"http.host": "0.0.0.0"}, "http://localhost:8000"),
        ({"http.host": "::"}, "http://localhost:8000"),
        ({"http.host": "::1", "http.port": 1}, "http://[::1]:1"),
        ({"base_url": "HTTPS://Agon.Example.ORG"}, "https://agon.example.org"),
    ],
)
def test_the_public_address_is_where_it_listens_unless_it_is_given(
    listen: dict[str, object], base_url: str, tmp_path: Path
) -> None:
    settings = Settings.load(listen, {}, tmp_path)
    assert settings.base_url == base_url
    assert settings.accounts.issuer == base_url
    assert settings.secure_cookies == base_url.startswith("https")


def test_the_home_of_the_user_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.load(environ={"AGON_DATA_DIR": "~/agon"}, directory=tmp_path)
    assert settings.data_dir == tmp_path / "agon"
    assert settings.mail.folder == tmp_path / "agon" / "mail"
