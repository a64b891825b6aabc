"""Mail templates: one per mail and language, rendered as HTML and as text.

A template has two blocks, `subject` and `body`, and builds its body of the parts that `parts.html` and `parts.text`
define alike: `paragraph`, `button` and `facts`.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from agon.platform.mail.message import Message

FOLDER = Path(__file__).parent / "templates"
FALLBACK = "en"
LANGUAGES = tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))
_PARTS = ("paragraph", "button", "facts")
_BLANK_LINES = re.compile(r"\n\s*\n")


class Content(msgspec.Struct, frozen=True):
    """A rendered mail."""

    subject: str
    text: str
    html: str

    def to(self, address: str, *, headers: dict[str, str] | None = None, id: str | None = None) -> Message:  # noqa: A002 - Message's own word
        """Address it; `headers` and `id` as in `Message`."""
        return Message(to=address, subject=self.subject, text=self.text, html=self.html, headers=headers or {}, id=id)


def render(template: str, language: str, **values: object) -> Content:
    """Render a mail.

    Args:
        template: its name, as `new_device`.
        language: the recipient's, as a tag (`bn`, `bn-BD`); English where there is no translation.
        values: what the template names; one that is missing is an error.
    """
    known = _language(template, language)
    path = f"{known}/{template}.jinja"
    common = {"language": known, "layout": "layout.html", **values}
    html = _environment("html").get_template(path).render(common)
    text_template = _environment("text").get_template(path)
    text = text_template.render(common | {"layout": "layout.text"})
    subject = " ".join(_block(text_template, "subject", common).split())
    return Content(subject, _BLANK_LINES.sub("\n\n", text.strip()) + "\n", html)


def _language(template: str, language: str) -> str:
    for candidate in (language, language.partition("-")[0]):
        if candidate in LANGUAGES and (FOLDER / candidate / f"{template}.jinja").is_file():
            return candidate
    return FALLBACK


@cache
def _environment(form: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=form == "html",  # noqa: S701 - the other form is plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["one_line"] = lambda text: " ".join(str(text).split())
    parts: Any = environment.get_template(f"parts.{form}").module
    environment.globals.update({name: getattr(parts, name) for name in _PARTS})
    return environment


def _block(template: Template, name: str, values: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(values)))
