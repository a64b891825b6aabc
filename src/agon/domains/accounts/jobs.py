"""What accounts does in the background."""

import structlog

from agon.domains.accounts.service.new_device import MailNewDevice, details
from agon.platform.database.database import Database
from agon.platform.jobs.handlers import JobHandler, job_handler
from agon.platform.mail.message import MailRefused, Transport
from agon.platform.mail.templates import render

_log = structlog.get_logger(__name__)


def job_handlers(database: Database, mail: Transport, sessions_link: str) -> list[JobHandler]:
    """What runs the jobs of accounts.

    Args:
        database: where accounts are.
        mail: the way to send mail.
        sessions_link: the address of the page where one's sessions are listed and ended.
    """

    async def mail_new_device(job: MailNewDevice) -> None:
        row = await database.fetch(lambda tx: details(tx, job))
        if row is None or row.email is None:
            return
        time = f"{row.created_at:%Y-%m-%d %H:%M} UTC"
        content = render("new_device", row.locale, username=row.username, time=time, link=sessions_link)
        try:
            await mail.send(content.to(row.email, id=f"new-device-{job.session_id}"))
        except MailRefused as refusal:  # trying again would not help
            _log.warning("mail_refused", template="new_device", account_id=str(job.account_id), reason=str(refusal))

    return [job_handler(MailNewDevice, mail_new_device)]
