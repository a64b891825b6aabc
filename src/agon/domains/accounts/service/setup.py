"""The first administrator."""

from agon.contracts.accounts import GLOBAL_SCOPE, AccountId, Role
from agon.domains.accounts.errors import LinkInvalid
from agon.domains.accounts.repository import accounts, keys
from agon.domains.accounts.service.policy import Policy
from agon.domains.accounts.service.registration import Applicant, Registration
from agon.domains.accounts.service.roles import grant_role
from agon.domains.accounts.service.signed_in import SignedIn
from agon.kernel.tx import ReadTx, Tx
from agon.platform import crypto


class Setup:
    """Lets whoever runs the server make the first administrator, by a link or by a command."""

    def __init__(self, policy: Policy, registration: Registration) -> None:
        self._policy = policy
        self._registration = registration

    async def is_needed(self, tx: ReadTx) -> bool:
        """Whether there is no administrator yet."""
        return not await accounts.has_admin(tx)

    async def issue_token(self, tx: Tx) -> str | None:
        """A secret for the setup page, good once and for an hour; None where there is an administrator already."""
        if await accounts.has_admin(tx):
            return None
        token = crypto.token()
        await keys.add_setup_token(tx, crypto.digest(token), tx.now + self._policy.setup_lifetime)
        return token

    async def check_token(self, tx: ReadTx, token: str) -> None:
        """Refuse a secret that is not good, before anything costly is done for it.

        Raises:
            LinkInvalid: it is not.
        """
        if not await keys.setup_token_holds(tx, crypto.digest(token)) or await accounts.has_admin(tx):
            raise LinkInvalid

    async def set_up(self, tx: Tx, token: str, applicant: Applicant) -> SignedIn:
        """Make the first administrator and sign them in; uses up every setup link.

        Raises:
            LinkInvalid: the secret was used, has expired, or there is an administrator already.
            EmailTaken, UsernameTaken: there is an account with this name.
        """
        if not await keys.use_setup_token(tx, crypto.digest(token)) or await accounts.has_admin(tx):
            raise LinkInvalid
        account_id = await self.create_admin(tx, applicant)
        return await self._registration.sign_in(tx, account_id, applicant.device)

    async def create_admin(self, tx: Tx, applicant: Applicant) -> AccountId:
        """Make an administrator, whose address is taken as proven: only who runs the server gets here.

        Raises:
            EmailTaken, UsernameTaken: there is an account with this name.
        """
        account_id = await self._registration.add(tx, applicant, verified=True)
        await grant_role(tx, None, account_id, Role.ADMIN, GLOBAL_SCOPE)
        return account_id
