"""What every way of signing in ends with: a login session and its first refresh token."""

from datetime import timedelta

import msgspec

from agon.contracts.accounts import LoginSessionId
from agon.domains.accounts.repository import sessions
from agon.domains.accounts.service.account import Account
from agon.kernel.ids import new_id
from agon.kernel.tx import Tx
from agon.platform import crypto
from agon.platform.context import current


class SignedIn(msgspec.Struct, frozen=True):
    """A sign-in that holds; its access token is signed after the commit."""

    account: Account
    session_id: LoginSessionId
    refresh_token: str
    new_device: bool = False
    """Whether it comes from a device that the account does not know, while it knows others."""


def mark_digest(device: str | None) -> bytes | None:
    """What is stored of the mark that a device keeps."""
    return None if device is None else crypto.digest(device)


async def begin_session(tx: Tx, account: Account, device: str | None, refresh_lifetime: timedelta) -> SignedIn:
    """Begin a login session from this device; `device` is its mark, where it keeps one."""
    knows_others = await sessions.has_devices(tx, account.id)
    device_id, made = None, new_id()
    digest = mark_digest(device)
    if digest is not None:
        device_id = await sessions.saw_device(tx, made, account.id, digest)
    session_id = LoginSessionId(new_id())
    context = current()
    await sessions.add(
        tx, session_id, account.id, device_id, ip_prefix=context.ip_prefix, user_agent=context.user_agent
    )
    token = crypto.token()
    await sessions.add_refresh_token(tx, crypto.digest(token), session_id, tx.now + refresh_lifetime)
    new_device = knows_others and (device_id is None or device_id == made)
    return SignedIn(account, session_id, token, new_device)
