"""How mail leaves this installation."""

from agon.kernel.clock import Clock
from agon.platform.breakers import Breaker, Breakers
from agon.platform.mail.files import FileTransport
from agon.platform.mail.message import MailRefused, MailUnavailable, Message, Transport
from agon.platform.mail.smtp import SmtpTransport, Tls
from agon.platform.observability import metrics
from agon.platform.settings.model import Settings
from agon.platform.settings.operation import MailEncryption, MailTransport

_TLS = {
    MailEncryption.NONE: Tls.NONE,
    MailEncryption.STARTTLS: Tls.STARTTLS,
    MailEncryption.TLS: Tls.IMPLICIT,
}


class CountedMail:
    """A transport behind a breaker, its outcomes counted."""

    def __init__(self, transport: Transport, breaker: Breaker) -> None:
        self._transport = transport
        self._breaker = breaker

    async def send(self, message: Message) -> None:
        try:
            await self._breaker.call(lambda: self._transport.send(message))
        except MailRefused:
            metrics.MAIL.add("refused")
            raise
        except MailUnavailable:
            metrics.MAIL.add("unavailable")
            raise
        metrics.MAIL.add("sent")


def make_mail(settings: Settings, breakers: Breakers, clock: Clock) -> Transport:
    """The transport of the settings."""
    breaker = breakers.get("mail", ignored=(MailRefused,))
    return CountedMail(_transport(settings, clock), breaker)


def _transport(settings: Settings, clock: Clock) -> Transport:
    mail = settings.mail
    if mail.transport is MailTransport.FILE or mail.host is None:
        return FileTransport(mail.folder, sender=mail.sender, clock=clock)
    return SmtpTransport(
        mail.host,
        mail.port,
        sender=mail.sender,
        clock=clock,
        tls=_TLS[mail.tls],
        username=mail.username,
        password=None if mail.password is None else mail.password.get_secret_value(),
    )
