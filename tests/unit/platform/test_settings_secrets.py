"""Secrets: read from files too, and shown nowhere."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.platform.settings.catalogue import Setting, catalogue
from agon.platform.settings.describe import public_dump
from agon.platform.settings.model import Settings
from agon.platform.settings.problems import SettingsError
from agon.platform.settings.sources import Reader

SECRETS = [setting for setting in catalogue(Settings).values() if setting.secret]
CANARY = "Zk7canaryQx9"
PRODUCTION = {"AGON_ENVIRONMENT": "production"}
VALID = {
    "database.url": f"postgresql://agon:{CANARY}@db.example.org/agon",
    "database.read_url": f"postgresql://agon:{CANARY}@db.example.org/agon",
    "valkey.url": f"redis://:{CANARY}@valkey.example.org",
    "sentry.dsn": f"https://{CANARY}@errors.example.org/1",
}


def said(error: BaseException) -> str:
    """Everything that could end up in a log: message, representation, traceback and the errors behind it."""
    texts = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args)]
    behind = [one for one in (error.__cause__, error.__context__) if one is not None]
    return "\n".join([*texts, *map(said, behind)])


def refusal(environ: dict[str, str], directory: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ=environ, directory=directory)
    return caught.value


def test_what_is_secret() -> None:
    paths = {setting.path for setting in SECRETS}
    accounts = {"accounts.signing_key", "accounts.pepper"}
    assert paths == {*VALID, *accounts, "http.metrics_token", "mail.password"}


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.path)
def test_a_valid_secret_is_shown_nowhere(setting: Setting, tmp_path: Path) -> None:
    value = VALID.get(setting.path, CANARY)
    environ = {setting.variable: value}
    if setting.path == "database.read_url":
        environ["AGON_DATABASE_URL"] = value
    if setting.path == "mail.password":
        environ["AGON_MAIL_USERNAME"] = "agon"
    settings = Settings.load(environ=environ, directory=tmp_path)
    dump = public_dump(settings)
    shown = [repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json(), repr(dump)]
    assert all(CANARY not in text for text in shown)
    assert dump[setting.path].value == "set (secret)"
    assert dump[setting.path].origin == setting.variable


@pytest.mark.parametrize("place", ["variable", "file", "toml", "flag"])
@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.path)
def test_a_refused_start_shows_no_secret(setting: Setting, place: str, tmp_path: Path) -> None:
    values = [CANARY, VALID.get(setting.path, CANARY), f"odd://user:{CANARY}@[host:{CANARY}/#{CANARY}"]
    for value in values:
        (tmp_path / "secret").write_text(value, encoding="utf-8")
        table, name = setting.path.split(".")
        toml = f'[{table}]\n{name} = "{value}"\n' if place == "toml" else ""
        (tmp_path / "agon.toml").write_text(toml, encoding="utf-8")
        environ = PRODUCTION | {"AGON_TYPO": "x"}
        environ |= {setting.variable: value} if place == "variable" else {}
        environ |= {f"{setting.variable}_FILE": str(tmp_path / "secret")} if place == "file" else {}
        with pytest.raises(SettingsError) as caught:
            Settings.load({setting.path: value} if place == "flag" else {}, environ, tmp_path)
        assert CANARY not in said(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"AGON_DATABSE_URL": f"postgresql://agon:{CANARY}@db/agon"},
        {"AGON_ACCOUNTS_PEPPER_FILE": CANARY},
        {"AGON_ACCOUNTS_PEPPER_FILE": f"/{CANARY}\0"},
        {"AGON_ACCOUNTS_PEPPER": CANARY, "AGON_ACCOUNTS_PEPPER_FILE": f"/run/{CANARY}"},
        {"AGON_BASE_URL": f"https://agon:{CANARY}@example.org"},
        {"AGON_MEDIA_BASE_URL": f"https://agon:{CANARY}@example.org/x"},
        {"AGON_DATABASE_URL": f"postgresql://agon:{CANARY}@db:{CANARY}/agon"},
        {"AGON_DATABASE_URL": f"postgresql://agon:\u2100{CANARY}@db/agon"},
    ],
    ids="+".join,
)
def test_a_secret_in_the_wrong_place_is_not_shown_either(environ: dict[str, str], tmp_path: Path) -> None:
    assert CANARY not in said(refusal(environ, tmp_path))


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.path)
def test_what_is_read_hides_secrets_before_they_are_validated(setting: Setting) -> None:
    reader = Reader(catalogue(Settings))
    read = [reader.environment({setting.variable: CANARY}), reader.overrides({setting.path: CANARY})]
    assert all(layer[setting.path].origin for layer in read)
    assert CANARY not in repr(read)


def test_the_wrong_kind_of_value_in_a_file_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "agon.toml").write_text("[accounts]\npepper = 7351902846", encoding="utf-8")
    assert "7351902846" not in said(refusal({}, tmp_path))


@given(st.text(st.characters(codec="ascii", min_codepoint=33), min_size=12), st.sampled_from(SECRETS))
def test_no_secret_whatever_it_is_made_of_is_shown(secret: str, setting: Setting) -> None:
    quiet = said(refusal({**PRODUCTION, "AGON_TYPO": "x", setting.variable: "x" * 12}, Path("/")))
    error = refusal({**PRODUCTION, "AGON_TYPO": "x", setting.variable: secret}, Path("/"))
    assert secret not in said(error) or secret in quiet


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"value", "value"),
        (b"value\n", "value"),
        (b"value\r\n", "value"),
        (b"value\n\n", "value\n"),
        (b" value \n", " value "),
        ("wért\n".encode(), "wért"),
        (b"-----BEGIN-----\nabc\n-----END-----\n", "-----BEGIN-----\nabc\n-----END-----"),
    ],
)
def test_one_newline_at_the_end_of_a_secret_file_is_not_part_of_it(content: bytes, secret: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    settings = Settings.load(environ={"AGON_SIGNING_KEY_FILE": str(tmp_path / "secret")}, directory=tmp_path)
    assert settings.accounts.signing_key is not None
    assert settings.accounts.signing_key.get_secret_value() == secret


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file it names cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "the file it names is not text in UTF-8"),
    ],
)
def test_a_secret_file_that_gives_nothing_stops_the_start(content: bytes | None, problem: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    error = refusal(PRODUCTION | {"AGON_ACCOUNTS_PEPPER_FILE": str(tmp_path / "secret")}, tmp_path)
    about = [one for one in error.problems if "PEPPER" in one.name]
    assert [(one.name, one.problem) for one in about] == [("AGON_ACCOUNTS_PEPPER_FILE", problem)]


def test_a_folder_is_no_secret_file(tmp_path: Path) -> None:
    error = refusal({"AGON_ACCOUNTS_PEPPER_FILE": str(tmp_path)}, tmp_path)
    assert "cannot be read (Is a directory)" in str(error)


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.path)
def test_a_value_and_a_file_for_the_same_secret_are_refused(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(VALID.get(setting.path, CANARY), encoding="utf-8")
    environ = {setting.variable: VALID.get(setting.path, CANARY), f"{setting.variable}_FILE": str(tmp_path / "secret")}
    (problem,) = refusal(environ, tmp_path).problems
    assert problem.name == f"{setting.variable}_FILE"
    assert problem.remedy == f"Keep one of {setting.variable} and {setting.variable}_FILE."


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    (problem,) = refusal({"AGON_PORT_FILE": "/run/port"}, tmp_path).problems
    assert (problem.name, problem.remedy) == ("AGON_PORT_FILE", "Only secrets are read from files; set AGON_PORT.")
