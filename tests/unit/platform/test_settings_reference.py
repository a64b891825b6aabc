"""The declarations as documentation: complete, consistent and as committed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agon.platform.settings.catalogue import CONFIG_DIR_VARIABLE, Setting, catalogue
from agon.platform.settings.declare import Group
from agon.platform.settings.describe import as_markdown, describe, public_dump
from agon.platform.settings.model import Settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
SETTINGS = catalogue(Settings)
PROMISED = {
    "http.host": "AGON_HOST",
    "http.port": "AGON_PORT",
    "data_dir": "AGON_DATA_DIR",
    "log.level": "AGON_LOG_LEVEL",
    "log.format": "AGON_LOG_FORMAT",
    "environment": "AGON_ENVIRONMENT",
    "database.url": "AGON_DATABASE_URL",
    "http.media_base_url": "AGON_MEDIA_BASE_URL",
    "accounts.signing_key": "AGON_SIGNING_KEY",
}


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), (
        "write describe.as_markdown() to docs/reference/settings.md"
    )


def test_the_page_names_every_setting_once() -> None:
    page = as_markdown()
    assert [page.count(f"\n| `{path}` |") for path in SETTINGS] == [1] * len(SETTINGS)
    assert page.count("\n| `") == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.path)
def test_every_setting_is_described(setting: Setting) -> None:
    description = setting.field.description or ""
    assert description[:1].isupper() or description.startswith("`")
    assert description.endswith(".")
    numeric = setting.shape.startswith(("whole number", "number"))
    ends = ("_seconds", "_ms", "_days", "_hours", "_minutes", "_bytes", "_size", "_entries", "_limit", "_threads")
    unitless = ("port", "_cost", "concurrency", "max_attempts", "_ratio")
    assert not numeric or setting.unit or setting.path.endswith((*ends, *unitless))


def test_every_group_says_what_it_is_for() -> None:
    groups = [field.annotation for field in Settings.model_fields.values()]
    assert [one for one in groups if isinstance(one, type) and issubclass(one, Group) and not one.__doc__] == []


def test_names_follow_the_scheme_and_those_promised_are_kept() -> None:
    assert PROMISED.items() <= {path: one.variable for path, one in SETTINGS.items()}.items()
    shorter = {path for path, one in SETTINGS.items() if one.variable != "AGON_" + path.upper().replace(".", "_")}
    assert shorter == {"http.host", "http.port", "http.media_base_url", "accounts.signing_key"}


def test_no_two_settings_share_a_variable() -> None:
    names = [one.variable for one in SETTINGS.values()]
    names += [name for one in SETTINGS.values() if (name := one.file_variable) is not None]
    names.append(CONFIG_DIR_VARIABLE)
    assert len(names) == len(set(names))


def test_every_default_is_valid(tmp_path: Path) -> None:
    settings = Settings.load(environ={}, directory=tmp_path)
    again = Settings.load({path: _value(settings, path) for path in SETTINGS}, {}, tmp_path)
    assert again.model_dump() == settings.model_dump()


def test_every_setting_is_described_with_its_names_type_and_default() -> None:
    described = {one.path: one for one in describe()}
    assert list(described) == list(SETTINGS)
    port, pepper = described["http.port"], described["accounts.pepper"]
    assert (port.variable, port.shape, port.default, port.secret) == (
        "AGON_PORT",
        "whole number from 1 to 65535",
        "`8000`",
        False,
    )
    assert (pepper.file_variable, pepper.secret, pepper.group) == ("AGON_ACCOUNTS_PEPPER_FILE", True, "accounts")
    assert described["http.cors_origins"].shape == "list of origins, or `*`"
    assert described["log.level"].shape == "`debug`, `info`, `warning` or `error`"
    assert described["limits.login"].shape == "whole number from 0 (attempts a minute)"


def test_what_doctor_shows_holds_every_setting(tmp_path: Path) -> None:
    dump = public_dump(Settings.load({"http.allowed_hosts": ["a.org", "b.org"]}, {}, tmp_path))
    assert list(dump) == list(SETTINGS)
    assert dump["http.allowed_hosts"].value == "a.org, b.org"
    assert dump["accounts.pepper"].value == "not set"
    assert dump["http.hsts"].value == "false"
    assert dump["environment"].value == "development"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = Settings.load(environ={}, directory=tmp_path)
    with pytest.raises(ValidationError):
        settings.http.port = 1
    with pytest.raises(ValidationError):
        settings.http = settings.http


def _value(settings: Settings, path: str) -> object:
    value: object = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value
