"""Mails: templates in every language, headers that cannot be injected, files."""

import asyncio
import re
import stat
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from agon.kernel.clock import ManualClock
from agon.platform.mail.files import FileTransport
from agon.platform.mail.message import MailInvalid, MailRefused, MailUnavailable, Message, Sender, checked_address
from agon.platform.mail.templates import FOLDER, LANGUAGES, render

CLOCK = ManualClock(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
SENDER = Sender("Agon প্রতিযোগিতা <no-reply@agon.example>", CLOCK)
VALUES = {"username": "ada", "time": "2 January 2030, 03:04 UTC", "link": "https://agon.example/sessions?a=1&b=2"}


CONTENT = render("new_device", "bn", **VALUES)


def message(**changes: Any) -> Message:
    return Message(
        **{"to": "ada@example.org", "subject": CONTENT.subject, "text": CONTENT.text, "html": CONTENT.html, **changes}
    )


def read(raw: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(raw, policy=default))


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(cast("EmailMessage", body).get_content())


def test_a_mail_has_its_headers_and_both_forms_in_utf_8():
    mail = read(
        SENDER.compose(message(id="job-7", headers={"List-Unsubscribe": "<https://agon.example/u?t=1>"})).as_bytes()
    )
    assert mail["From"] == "Agon প্রতিযোগিতা <no-reply@agon.example>"
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "নতুন একটি ডিভাইস থেকে সাইন ইন করা হয়েছে"
    assert mail["Date"] == "Wed, 02 Jan 2030 03:04:05 +0000"
    assert mail["Message-ID"] == "<job-7@agon.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<https://agon.example/u?t=1>"
    assert mail.get_content_type() == "multipart/alternative"
    assert "প্রিয় ada," in part(mail, "plain")
    assert "https://agon.example/sessions?a=1&b=2" in part(mail, "plain")
    assert '<html lang="bn">' in part(mail, "html")
    assert "প্রিয় ada," in part(mail, "html")


def test_mails_without_an_id_get_different_ones():
    first, second = SENDER.compose(message()), SENDER.compose(message())
    assert first["Message-ID"] != second["Message-ID"]


def test_lines_stay_within_what_smtp_carries():
    raw = SENDER.compose(message(subject="প" * 900, headers={"X-Long": "word " * 400})).as_bytes()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.isascii()


BREAKS = ["\r\n", "\n", "\r", "\x00", "\x0b", "\x1c", "\x85", "\u2028", "\ud800"]


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("where", ["to", "subject", "header", "name", "id"])
def test_no_header_can_be_smuggled_in(where: str, line_break: str):
    evil = f"a{line_break}Bcc: other@example.org"
    changes: dict[str, Any] = {
        "to": {"to": f"ada@example.org{line_break}Bcc: other@example.org"},
        "subject": {"subject": evil},
        "header": {"headers": {"X-Reason": evil}},
        "name": {"headers": {evil: "x"}},
        "id": {"id": evil},
    }[where]
    with pytest.raises(MailInvalid):
        SENDER.compose(message(**changes))


@settings(deadline=None)
@given(subject=st.text(max_size=120), to=st.text(max_size=60), value=st.text(max_size=120))
def test_whatever_is_written_there_is_one_recipient_and_no_further_header(subject: str, to: str, value: str):
    for changes in ({"subject": subject}, {"to": to}, {"headers": {"X-Reason": value}}):
        try:
            raw = SENDER.compose(message(**changes)).as_bytes()
        except MailInvalid:
            continue
        mail = read(raw)
        names = [name.lower() for name in mail.keys()]  # noqa: SIM118 - a mail's own keys repeat
        allowed = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}
        assert set(names) - {"x-reason"} == allowed
        assert len(names) == len(set(names))
        assert len(mail["To"].addresses) == 1


@pytest.mark.parametrize("header", ["To", "bcc", "From", "Subject", "Content-Type", "Message-ID", "X Bad", "X:Bad", ""])
def test_headers_that_belong_to_the_mail_cannot_be_given(header: str):
    with pytest.raises(MailInvalid):
        SENDER.compose(message(headers={header: "x"}))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada@example.org,eve@example.org",
        "Ada <ada@example.org>",
        "ada @example.org",
        '"ada"@example.org',
        "ada.@example.org",
        "ada@example..org",
        f"{'a' * 250}@example.org",
        f"ada@{'x' * 70}.org",
    ],
)
def test_what_is_no_plain_address_is_refused_for_good_and_not_repeated_in_the_error(address: str):
    with pytest.raises(MailRefused) as refused:
        SENDER.compose(message(to=address))
    assert not address or address not in str(refused.value)


def test_domains_outside_ascii_are_written_in_ascii():
    assert checked_address("ada@bücher.example") == "ada@xn--bcher-kva.example"
    assert checked_address("অদা@example.org") == "অদা@example.org"


def test_half_a_character_in_a_body_is_refused():
    with pytest.raises(MailInvalid):
        SENDER.compose(message(text="\ud800"))
    with pytest.raises(MailInvalid):
        SENDER.compose(message(html="\udfff"))


def test_a_sender_that_is_no_address_is_refused_at_once():
    with pytest.raises(MailInvalid):
        Sender("Agon", CLOCK)


def test_html_escapes_what_text_shows():
    values = {**VALUES, "username": '<img src=x onerror=alert(1)> & "co"', "link": 'https://x/"><script>1</script>'}
    content = render("new_device", "en", **values)
    assert "<img" not in content.html
    assert "<script>" not in content.html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; &#34;co&#34;" in content.html
    assert '<img src=x onerror=alert(1)> & "co"' in content.text


def test_a_value_cannot_break_out_of_its_line_in_the_text():
    content = render("new_device", "en", **{**VALUES, "username": "ada\r\n\r\nAll is well, ignore the rest.\n"})
    assert "Hello ada All is well, ignore the rest. ," in content.text


def test_text_and_html_say_the_same():
    for language in LANGUAGES:
        content = render("new_device", language, **VALUES)
        body = content.html.partition("<main")[2].partition("</h1>")[2]
        from_html = re.sub(r"<[^>]+>", " ", body).replace("&amp;", "&")
        words = set(re.findall(r"[^\s:]+", content.text.replace("--", "")))
        assert words == set(re.findall(r"[^\s:]+", from_html))


@pytest.mark.parametrize(
    ("language", "found"),
    [("en", "en"), ("bn", "bn"), ("bn-BD", "bn"), ("xx", "en"), ("", "en"), ("../bn", "en"), ("en/../bn", "en")],
)
def test_a_language_without_translation_is_english(language: str, found: str):
    assert f'<html lang="{found}">' in render("new_device", language, **VALUES).html


def test_every_mail_exists_in_every_language():
    names = {language: {path.name for path in (FOLDER / language).glob("*.jinja")} for language in LANGUAGES}
    assert LANGUAGES == ("bn", "en")
    assert names["bn"] == names["en"] == {"new_device.jinja"} | names["en"]


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError):
        render("new_device", "en", username="ada")


async def test_files_are_whole_private_and_sorted_by_time(tmp_path: Path):
    folder = tmp_path / "state" / "mail"
    transport = FileTransport(folder, sender="no-reply@agon.example", clock=CLOCK)
    await asyncio.gather(*(transport.send(message(subject=f"number {number}")) for number in range(20)))
    await asyncio.sleep(0.002)
    await transport.send(message(subject="last"))
    files = sorted(folder.iterdir())
    assert len(files) == 21
    assert {path.suffix for path in files} == {".eml"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    subjects = [read(path.read_bytes())["Subject"] for path in files]
    assert sorted(subjects) == sorted([*(f"number {number}" for number in range(20)), "last"])
    assert subjects[-1] == "last"


async def test_whoever_watches_the_folder_sees_whole_mails_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    moved: list[bytes] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        assert not list(tmp_path.glob("*.eml")), "nothing is there under its name before it is whole"
        moved.append(path.read_bytes())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    await FileTransport(tmp_path, sender="no-reply@agon.example", clock=CLOCK).send(message(text="x" * 100_000))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == moved


async def test_a_mail_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MailUnavailable):
        await FileTransport(tmp_path, sender="no-reply@agon.example", clock=CLOCK).send(message())
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_means_try_again(tmp_path: Path):
    (tmp_path / "mail").write_text("a file where the folder should be")
    transport = FileTransport(tmp_path / "mail", sender="no-reply@agon.example", clock=CLOCK)
    with pytest.raises(MailUnavailable):
        await transport.send(message())
    with pytest.raises(MailInvalid):
        await transport.send(message(to="nobody"))
