"""Telling an account's owner of a sign-in from a device that the account does not know."""

from typing import ClassVar

from agon.contracts.accounts import AccountId, AccountLoggedIn, LoginSessionId
from agon.domains.accounts.repository import sessions
from agon.domains.accounts.rows import NewDeviceRow
from agon.kernel.events import Job
from agon.kernel.tx import ReadTx, Tx


class MailNewDevice(Job, frozen=True, kw_only=True):
    """Mail the owner of an account about a session."""

    name: ClassVar[str] = "accounts.mail_new_device"
    account_id: AccountId
    session_id: LoginSessionId


async def notify(tx: Tx, event: AccountLoggedIn) -> None:
    """Have a mail sent about a sign-in from a new device; one mail for each session."""
    if event.new_device:
        job = MailNewDevice(account_id=event.account_id, session_id=event.session_id)
        tx.enqueue(job, key=f"{job.name}:{event.session_id}")


async def details(tx: ReadTx, job: MailNewDevice) -> NewDeviceRow | None:
    """What the mail says; None where there is nobody left to tell."""
    return await sessions.new_device(tx, job.account_id, job.session_id)
