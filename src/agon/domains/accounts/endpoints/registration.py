"""New accounts."""

from http import HTTPStatus
from typing import cast

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from agon.domains.accounts.endpoints.tokens import access_token, secret_answer
from agon.domains.accounts.errors import (
    AuthBusy,
    AuthRateLimited,
    EmailTaken,
    LinkInvalid,
    RegistrationClosed,
    UsernameTaken,
    WeakPassword,
)
from agon.domains.accounts.schemas import RegisterRequest, SetupRequest, TokensResponse, VerificationPendingResponse
from agon.domains.accounts.service.composition import Accounts
from agon.domains.accounts.service.signed_in import SignedIn
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ANYONE

_WHO = {"email": "asha@example.com", "password": "a long walk by the river", "display_name": "Asha"}


@route(
    "POST",
    "/api/v1/auth/register",
    operation="auth.register",
    summary="Make an account",
    permission=ANYONE,
    limits=("auth",),
    status=201,
    errors=(RegistrationClosed, EmailTaken, UsernameTaken, WeakPassword, AuthBusy),
    limited_as=AuthRateLimited,
    secret=True,
    example=_WHO,
    responses={202: ResponseSpec(VerificationPendingResponse, description="The address has to be verified first.")},
)
async def register(data: JSONBody[RegisterRequest], edge: Edge, accounts: Injected[Accounts]) -> Answer[TokensResponse]:
    """Answers with the tokens of a first session.

    Where e-mail addresses have to be verified, the answer is 202 without tokens, the same for every address.
    """
    accounts.registration.check_open()
    applicant = await accounts.registration.applicant(
        email=data.email,
        password=data.password,
        display_name=data.display_name,
        username=data.username,
        device=data.device,
    )
    try:
        signed_in = await edge.transact(lambda tx: accounts.registration.register(tx, applicant))
    except EmailTaken:  # somebody else was quicker by a moment, which must not be told where addresses are verified
        if not accounts.policy.require_verification:
            raise
        signed_in = None
    if signed_in is None:
        pending = secret_answer(VerificationPendingResponse(), HTTPStatus.ACCEPTED)
        return cast("Answer[TokensResponse]", pending)
    return await _created(edge, accounts, signed_in)


@route(
    "POST",
    "/api/v1/auth/setup",
    operation="auth.setup",
    summary="Make the first administrator",
    permission=ANYONE,
    limits=("auth",),
    status=201,
    errors=(LinkInvalid, EmailTaken, UsernameTaken, WeakPassword, AuthBusy),
    limited_as=AuthRateLimited,
    secret=True,
    example={"token": "the secret of the link", **_WHO},
)
async def set_up(data: JSONBody[SetupRequest], edge: Edge, accounts: Injected[Accounts]) -> Answer[TokensResponse]:
    """Needs the secret of the setup link, which the server gives out while it has no administrator; it works once."""
    await edge.fetch(lambda tx: accounts.setup.check_token(tx, data.token))
    applicant = await accounts.registration.applicant(
        email=data.email, password=data.password, display_name=data.display_name, device=data.device
    )
    signed_in = await edge.transact(lambda tx: accounts.setup.set_up(tx, data.token, applicant))
    return await _created(edge, accounts, signed_in)


async def _created(edge: Edge, accounts: Accounts, signed_in: SignedIn) -> Answer[TokensResponse]:
    token = await access_token(edge, accounts, signed_in)
    return secret_answer(TokensResponse.of(signed_in, token, accounts.tokens.seconds), HTTPStatus.CREATED)


ROUTES = [register, set_up]
