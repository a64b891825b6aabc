"""The keys that access tokens are verified with."""

from typing import cast

import msgspec

from agon.domains.accounts.endpoints.tokens import make_first_key
from agon.domains.accounts.schemas import KeySetResponse
from agon.domains.accounts.service.composition import Accounts
from agon.platform.http.answers import Encoded
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ANYONE

_CACHED = {"Cache-Control": "public, max-age=60"}


@route(
    "GET",
    "/.well-known/jwks.json",
    operation="auth.key_set",
    summary="The public keys of access tokens",
    permission=ANYONE,
    limits=("public",),
)
async def key_set(edge: Edge, accounts: Injected[Accounts]) -> Answer[KeySetResponse]:
    """The key that signs comes first; older ones stay until their last token has expired."""
    keys = await accounts.published.all()
    if not keys:
        await make_first_key(edge, accounts)
        keys = await accounts.published.all()
    body = KeySetResponse([cast("dict[str, str]", key.public.as_dict(private=False)) for key in keys])
    return Encoded(msgspec.json.encode(body), headers=_CACHED)


ROUTES = [key_set]
