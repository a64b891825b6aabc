"""Roles, for administrators."""

from typing import Annotated
from uuid import UUID

from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from agon.contracts.accounts import GLOBAL_SCOPE, AccountId, Role
from agon.domains.accounts.errors import AccountNotFound, LastAdmin
from agon.domains.accounts.schemas import GrantRequest, GrantResponse
from agon.domains.accounts.service import roles
from agon.kernel.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT, Page, PageRequest
from agon.kernel.tx import Tx
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import route
from agon.platform.http.permissions import ADMIN

_PATH = "/api/v1/accounts/{account_id:uuid}/roles"


@route(
    "GET",
    _PATH,
    operation="auth.list_roles",
    summary="The roles that an account was granted",
    permission=ADMIN,
    limits=("reads",),
    errors=(AccountNotFound,),
)
async def list_roles(
    account_id: FromPath[UUID],
    edge: Edge,
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Answer[Page[GrantResponse]]:
    """Newest first. Every account is a player besides. Looking is audited."""
    page = PageRequest(limit, cursor)

    async def read(tx: Tx) -> Page[GrantResponse]:
        found = await roles.granted_roles(tx, AccountId(account_id), page)
        return Page([GrantResponse.of(grant) for grant in found.items], found.next_cursor)

    return await edge.write(read)


@route(
    "POST",
    _PATH,
    operation="auth.grant_role",
    summary="Grant a role",
    permission=ADMIN,
    limits=("writes",),
    status=200,
    errors=(AccountNotFound,),
    example={"role": "organizer", "scope": "global"},
)
async def grant_role(account_id: FromPath[UUID], data: JSONBody[GrantRequest], edge: Edge) -> Answer[GrantResponse]:
    """Granting what is held already changes nothing and answers the same."""
    actor = edge.principal.account_id

    async def grant(tx: Tx) -> GrantResponse:
        return GrantResponse.of(await roles.grant_role(tx, actor, AccountId(account_id), data.role, data.scope))

    return await edge.write(grant)


@route(
    "DELETE",
    _PATH + "/{role:str}",
    operation="auth.revoke_role",
    summary="Take a role away",
    permission=ADMIN,
    limits=("writes",),
    errors=(AccountNotFound, LastAdmin),
)
async def revoke_role(
    account_id: FromPath[UUID],
    role: FromPath[Role],
    edge: Edge,
    held_in: Annotated[str, QueryParameter(name="scope", max_length=64)] = GLOBAL_SCOPE,
) -> Answer[None]:
    """From the next request on. The last administrator stays one."""
    return await edge.write(lambda tx: roles.revoke_role(tx, AccountId(account_id), role, held_in))


ROUTES = [list_roles, grant_role, revoke_role]
