"""Ending login sessions."""

from agon.contracts.accounts import AccountId, LoginSessionId, Principal
from agon.contracts.audit import AuditAction
from agon.domains.accounts.repository import sessions
from agon.domains.accounts.service.authenticator import account_tag, session_tag
from agon.kernel.audit import AuditEntry
from agon.kernel.tx import Tx


async def log_out(tx: Tx, principal: Principal) -> None:
    """End the session that asks."""
    if await end(tx, principal.session_id):
        _audit(tx, AuditAction.ACCOUNT_LOGOUT, principal.account_id, {"session_id": str(principal.session_id)})


async def log_out_everywhere(tx: Tx, principal: Principal) -> None:
    """End every session of the account that asks."""
    ended = await end_all(tx, principal.account_id)
    if ended:
        _audit(tx, AuditAction.ACCOUNT_LOGOUT_ALL, principal.account_id, {"sessions": ended})


async def end(tx: Tx, session_id: LoginSessionId) -> bool:
    """End a session, on every node within a second; False where it had ended."""
    tx.invalidate(session_tag(session_id))
    return await sessions.revoke(tx, session_id)


async def end_all(tx: Tx, account_id: AccountId) -> int:
    """End every session of an account, on every node within a second; returns how many there were."""
    tx.invalidate(account_tag(account_id))
    return await sessions.revoke_all(tx, account_id)


def _audit(tx: Tx, action: AuditAction, account_id: AccountId, after: dict[str, object]) -> None:
    tx.audit(AuditEntry(action=action, target_type="account", target_id=str(account_id), after=after))
