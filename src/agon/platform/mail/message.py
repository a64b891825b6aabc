"""A mail to one recipient, and its form on the wire."""

import re
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Protocol

import msgspec

from agon.kernel.clock import Clock
from agon.kernel.ids import new_id

_LONGEST_ADDRESS = 254  # RFC 5321, section 4.5.3.1.3
_ATOM = r"[^\s@<>()\[\]\\,:;\".\x00-\x1f\x7f]+"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_ATOM}(?:\.{_ATOM})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_OWN_HEADERS = re.compile(
    r"from|to|cc|bcc|sender|reply-to|subject|date|message-id|auto-submitted|mime-version|content-.*", re.IGNORECASE
)


class MailRefused(Exception):
    """This mail will never be accepted; sending it again is of no use."""


class MailInvalid(MailRefused):
    """It cannot even be written: an address that is none, or a line break in a header."""


class MailUnavailable(Exception):
    """It could not be sent now; try again later."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent to one recipient.

    `headers` are further ones, such as `List-Unsubscribe`. `id` makes the Message-ID; with the same one whenever a job
    tries again, a mail that was sent twice can be recognised.
    """

    to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = {}
    id: str | None = None


class Transport(Protocol):
    """A way to send mail."""

    async def send(self, message: Message) -> None:
        """Hand the mail over.

        Raises:
            MailRefused: it will never be accepted.
            MailUnavailable: try again later.
        """
        ...


class Sender:
    """Writes messages as they go out, in the name of one address.

    Args:
        address: who sends: `no-reply@example.org` or `Agon <no-reply@example.org>`.
        clock: dates them.
    """

    def __init__(self, address: str, clock: Clock) -> None:
        name, plain = parseaddr(address)
        self.address = checked_address(plain)
        self._from = Address(display_name=_checked(name, "sender"), addr_spec=self.address)
        self._domain = self.address.rpartition("@")[2]
        self._clock = clock

    def compose(self, message: Message) -> EmailMessage:
        """The mail with all its headers (RFC 5322; Auto-Submitted: RFC 3834), text first and HTML beside it.

        Raises:
            MailInvalid: the recipient is no single address, or a header holds a line break or control character.
        """
        identifier = message.id or str(new_id())
        if not _MESSAGE_ID.fullmatch(identifier):
            text = "the message id holds characters that it may not"
            raise MailInvalid(text)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._from
        mail["To"] = checked_address(message.to)
        mail["Subject"] = _checked(message.subject, "subject")
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{identifier}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        for name, value in message.headers.items():
            if not _HEADER_NAME.fullmatch(name) or _OWN_HEADERS.fullmatch(name):
                text = f"the header {name!r} cannot be added"
                raise MailInvalid(text)
            mail[name] = _checked(value, name)
        try:
            mail.set_content(message.text, charset="utf-8")
            mail.add_alternative(message.html, subtype="html", charset="utf-8")
        except UnicodeEncodeError as error:
            text = "the text holds half a character"
            raise MailInvalid(text) from error
        return mail


def checked_address(address: str) -> str:
    """The address, its domain in ASCII (IDNA).

    Raises:
        MailInvalid: it is not one plain address.
    """
    if len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        text = "the address is not one plain e-mail address"  # without the address, which is not for logs
        raise MailInvalid(text)
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        text = "the address has a domain that is none"
        raise MailInvalid(text) from error


def _checked(value: str, what: str) -> str:
    if _CONTROL.search(value):
        text = f"the {what} holds a line break or another control character"
        raise MailInvalid(text)
    return value
