"""Settings of running it: jobs, mail, logs, traces, error tracking and retention."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import SecretStr

from agon.platform.settings.declare import Group, setting
from agon.platform.settings.problems import Finding
from agon.platform.settings.values import ListenAddress, LocalPath, Mailbox, SecretWebUrl, WebUrl, any_case


class JobSettings(Group):
    """Background work."""

    concurrency: int = setting(8, "How many jobs one worker runs at the same time.", minimum=1, maximum=1000)
    poll_seconds: float = setting(2, "How often to look for jobs when no wake-up came.", minimum=0.1, maximum=60)
    max_attempts: int = setting(
        8, "How often a job is tried before it is set aside as a dead letter.", minimum=1, maximum=100
    )
    crash_timeout_seconds: float = setting(
        6, "How long a worker may be silent before its jobs are given to another.", minimum=0.1
    )


class MailTransport(StrEnum):
    """Where mails go."""

    FILE = "file"
    SMTP = "smtp"


class MailEncryption(StrEnum):
    """How the connection to the SMTP server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class MailSettings(Group):
    """Outgoing mail: to a server, or into a folder where one can read it."""

    transport: Annotated[MailTransport, any_case] = setting(
        MailTransport.FILE, "`smtp` sends mails; `file` writes them into a folder."
    )
    host: ListenAddress | None = setting(None, "The SMTP server; needed for `smtp`.", example="smtp.example.org")
    port: int = setting(587, "The port of the SMTP server.", minimum=1, maximum=65535)
    username: str | None = setting(None, "The name to sign in with at the SMTP server.")
    password: SecretStr | None = setting(None, "The password to sign in with at the SMTP server.")
    tls: Annotated[MailEncryption, any_case] = setting(
        MailEncryption.STARTTLS,
        "`starttls` upgrades the connection (port 587), `tls` is encrypted from the start (port 465), `none` is not.",
    )
    sender: Mailbox = setting(
        "Agon <agon@localhost>", "The sender of mails; needed for `smtp`.", example="Agon <no-reply@example.org>"
    )
    folder: LocalPath = setting(
        Path(".agon/mail"), "The folder that `file` writes mails into.", default_text="`mail` in the data directory"
    )

    def findings(self, *, production: bool) -> Iterable[Finding]:
        smtp = self.transport is MailTransport.SMTP
        if smtp and self.host is None:
            yield Finding(
                ("mail.host", "mail.transport"),
                "is missing, and the transport is smtp",
                "Set AGON_MAIL_HOST to the SMTP server.",
            )
        if not smtp and self.host is not None:
            yield Finding(
                ("mail.host", "mail.transport"),
                "names an SMTP server, but the transport is file and nothing would be sent",
                "Set AGON_MAIL_TRANSPORT=smtp, or leave the host out.",
            )
        if (self.username is None) != (self.password is None):
            yield Finding(
                ("mail.username", "mail.password"),
                "needs a password, and a password needs a user name",
                "Give both AGON_MAIL_USERNAME and AGON_MAIL_PASSWORD_FILE, or neither.",
            )
        if smtp and production and self.sender == type(self).model_fields["sender"].default:
            yield Finding(
                ("mail.sender",),
                "is still the default, which no server accepts mail from",
                "Set AGON_MAIL_SENDER to an address of your own.",
            )


class LogLevel(StrEnum):
    """What is worth a line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line looks."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(Group):
    """Logs, on standard error."""

    level: Annotated[LogLevel, any_case] = setting(LogLevel.INFO, "The least important lines to write.")
    format: Annotated[LogFormat, any_case] = setting(
        LogFormat.JSON,
        "`json` is one object a line for machines, `console` is for people.",
        default_text="console in development, otherwise json",
    )


class TracingSettings(Group):
    """OpenTelemetry traces, off until there is an endpoint."""

    otlp_endpoint: WebUrl | None = setting(
        None, "The OTLP/HTTP endpoint that traces are sent to.", example="http://127.0.0.1:4318"
    )
    sample_ratio: float = setting(1.0, "The part of requests that is traced, from 0 to 1.", minimum=0, maximum=1)


class SentrySettings(Group):
    """Error tracking with the Sentry protocol, off until there is a DSN."""

    dsn: SecretWebUrl | None = setting(None, "The DSN that unexpected errors are sent to, scrubbed.")


class RetentionSettings(Group):
    """How long what grows is kept."""

    event_days: int = setting(400, "Events (facts that happened), after which their partition is dropped.", minimum=1)
    invalidation_minutes: int = setting(
        10, "Cache invalidations that other processes may still have to read.", minimum=1
    )
    job_log_days: int = setting(7, "The log of finished jobs.", minimum=1)
    idempotency_hours: int = setting(24, "Recorded answers of requests with an `Idempotency-Key`.", minimum=1)
