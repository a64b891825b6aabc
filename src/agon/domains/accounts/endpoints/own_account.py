"""What the account that asks may see of itself."""

from typing import Any

from litestar import Request

from agon.domains.accounts.schemas import ClaimsResponse, OwnAccountResponse
from agon.domains.accounts.service import account
from agon.domains.accounts.service.composition import Accounts
from agon.kernel.tx import ReadTx
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import SIGNED_IN


@route(
    "GET",
    "/api/v1/auth/validate",
    operation="auth.validate",
    summary="What the access token says",
    permission=SIGNED_IN,
    limits=("reads",),
)
async def validate(request: Request[Any, Any, Any], edge: Edge, accounts: Injected[Accounts]) -> Answer[ClaimsResponse]:
    """The claims of a token that is good at this moment; `roles` are those of the moment it was signed."""
    token = request.headers["authorization"].partition(" ")[2].strip()
    claims = await accounts.authenticator.claims(token)
    return edge.answer(
        ClaimsResponse(
            claims.user_id,
            claims.email,
            claims.iat,
            claims.exp,
            claims.sub,
            claims.sid,
            claims.jti,
            claims.iss,
            claims.aud,
            claims.roles,
        )
    )


@route(
    "GET",
    "/api/v1/auth/account",
    operation="auth.read_account",
    summary="One's own account",
    permission=SIGNED_IN,
    limits=("reads",),
)
async def read_account(edge: Edge) -> Answer[OwnAccountResponse]:
    """Nobody else is shown this."""
    account_id = edge.principal.account_id

    async def read(tx: ReadTx) -> OwnAccountResponse:
        return OwnAccountResponse.of(await account.own(tx, account_id))

    return await edge.read(read)


ROUTES = [validate, read_account]
