"""Pages made from the code: written where they are missing or stale, and told apart from those that are current."""

import json
from pathlib import Path

import pytest

from tools import generate_docs


def test_a_page_is_written_once_and_then_current(tmp_path: Path) -> None:
    assert generate_docs.main(["--check"], tmp_path) == 1
    assert not (tmp_path / "docs").exists()

    assert generate_docs.main([], tmp_path) == 0
    assert generate_docs.main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("name", generate_docs.PAGES)
def test_a_page_changed_by_hand_is_stale(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate_docs.main([], tmp_path)
    with (tmp_path / name).open("a") as page:
        page.write("Something else.\n")
    capsys.readouterr()

    assert generate_docs.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out == f"{name} is out of date: run make docs\n"


def test_pages_say_what_the_code_declares(tmp_path: Path) -> None:
    generate_docs.main([], tmp_path)

    errors = (tmp_path / "docs/reference/errors.md").read_text()
    assert '| <a id="CURSOR_INVALID"></a>`CURSOR_INVALID` | 400 |' in errors
    events = (tmp_path / "docs/reference/events.md").read_text()
    assert "| `role.granted` | `account_id`, `role`, `scope` |" in events
    assert "/api/v1/auth/login" in json.loads((tmp_path / "docs/reference/openapi.json").read_text())["paths"]
    assert "AGON_PORT" in (tmp_path / "docs/reference/settings.md").read_text()
