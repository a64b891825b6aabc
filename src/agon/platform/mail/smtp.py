"""Mail by SMTP."""

import asyncio
import ssl
from enum import StrEnum

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
)

from agon.kernel.clock import Clock
from agon.platform.mail.message import MailRefused, MailUnavailable, Message, Sender, checked_address

TIMEOUT_SECONDS = 10.0
_WHOLE_SECONDS_FACTOR = 3
_PERMANENT = 500


class Tls(StrEnum):
    """How the connection is encrypted."""

    NONE = "none"  # only for a relay on the same machine
    STARTTLS = "starttls"  # required, not merely tried
    IMPLICIT = "implicit"


class SmtpTransport:
    """Hands mails to a mail server, each on a connection of its own.

    Args:
        host: the server.
        port: usually 587 with STARTTLS, 465 with implicit TLS.
        sender: in whose name.
        clock: dates them.
        tls: how the connection is encrypted.
        username: for a server that asks; needs encryption.
        password: likewise.
        timeout: seconds for each step of the conversation; the whole may take three times as long.
        tls_context: the certificates to trust, where not the machine's own.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        clock: Clock,
        tls: Tls = Tls.STARTTLS,
        username: str | None = None,
        password: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        if username is not None and tls is Tls.NONE:
            text = "a mail password is only sent over an encrypted connection"
            raise ValueError(text)
        self._host = host
        self._port = port
        self._sender = Sender(sender, clock)
        self._tls = tls
        self._username = username
        self._password = password
        self._timeout = timeout
        self._tls_context = tls_context

    async def send(self, message: Message) -> None:
        mail = self._sender.compose(message)
        recipient = checked_address(message.to)
        try:
            async with asyncio.timeout(self._timeout * _WHOLE_SECONDS_FACTOR), self._client() as client:
                await client.send_message(mail, sender=self._sender.address, recipients=[recipient])
        except SMTPRecipientsRefused as error:
            raise _refusal("recipient", error.recipients[0].code) from error
        except SMTPSenderRefused as error:
            raise _refusal("sender", error.code) from error
        except SMTPDataError as error:
            raise _refusal("content", error.code) from error
        except (SMTPException, OSError) as error:
            if isinstance(error, SMTPNotSupported) and not recipient.isascii():
                text = "the server does not take addresses outside ASCII"
                raise MailRefused(text) from error
            text = f"the mail server cannot be used: {type(error).__name__}"
            raise MailUnavailable(text) from error

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout,
            username=self._username,
            password=self._password,
            use_tls=self._tls is Tls.IMPLICIT,
            start_tls=self._tls is Tls.STARTTLS,
            tls_context=self._tls_context,
        )


def _refusal(what: str, code: int) -> MailRefused | MailUnavailable:
    """By the reply's code (RFC 5321, section 4.2.1). Not its text, which often holds the recipient's address."""
    if code >= _PERMANENT:
        return MailRefused(f"the server refused the {what} ({code})")
    return MailUnavailable(f"the server does not take the {what} now ({code})")
