"""What every endpoint that signs somebody in ends with."""

from typing import TypeVar

import msgspec

from agon.domains.accounts.service.composition import Accounts
from agon.domains.accounts.service.signed_in import SignedIn
from agon.domains.accounts.service.tokens import NoSigningKey
from agon.platform.http.answers import Encoded
from agon.platform.http.edge import Answer, Edge

B = TypeVar("B", bound=msgspec.Struct)

NO_STORE = {"Cache-Control": "no-store"}


async def access_token(edge: Edge, accounts: Accounts, signed_in: SignedIn) -> str:
    """Sign the access token of a sign-in that was committed; the very first one needs a key to be made."""
    try:
        return await accounts.access_token(signed_in)
    except NoSigningKey:
        await make_first_key(edge, accounts)
        return await accounts.access_token(signed_in)


async def make_first_key(edge: Edge, accounts: Accounts) -> None:
    """Make the key that signs, where there was never one."""
    await edge.transact(accounts.keys.ensure)
    accounts.published.forget()


def secret_answer(body: B, status: int) -> Answer[B]:
    """An answer that no cache may keep."""
    return Encoded(msgspec.json.encode(body), status, headers=NO_STORE)
