"""Signing in, staying signed in, signing out."""

from http import HTTPStatus

from litestar.params import JSONBody

from agon.domains.accounts.endpoints.tokens import access_token, secret_answer
from agon.domains.accounts.errors import (
    AuthBusy,
    AuthRateLimited,
    AuthValidationError,
    EmailUnverified,
    InvalidCredentials,
    TokenExpired,
    TokenInvalid,
)
from agon.domains.accounts.schemas import LoginRequest, RefreshedResponse, RefreshRequest, TokensResponse
from agon.domains.accounts.service import sessions
from agon.domains.accounts.service.composition import Accounts
from agon.domains.accounts.service.login import Attempt, Unverified
from agon.domains.accounts.service.refresh import Reused
from agon.kernel.errors import FieldError
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ANYONE, SIGNED_IN
from agon.platform.observability import metrics


@route(
    "POST",
    "/api/v1/auth/login",
    operation="auth.login",
    summary="Sign in with a password",
    permission=ANYONE,
    limits=("login", "auth"),
    status=200,
    errors=(InvalidCredentials, EmailUnverified, AuthBusy),
    limited_as=AuthRateLimited,
    secret=True,
    example={"email": "asha@example.com", "password": "a long walk by the river"},
)
async def login(data: JSONBody[LoginRequest], edge: Edge, accounts: Injected[Accounts]) -> Answer[TokensResponse]:
    """Takes `email` or `username`. A refusal does not tell whether there is such an account."""
    if (data.email is None) == (data.username is None):
        raise AuthValidationError(errors=(FieldError("email", "required", "Either email or username says who."),))
    attempt = Attempt(data.email, data.username, data.device)
    known = await edge.fetch(lambda tx: accounts.login.find(tx, attempt))
    right = await accounts.login.compare(known, data.password)
    outcome = await edge.transact(lambda tx: accounts.login.finish(tx, known, right=right))
    if outcome is None:
        metrics.AUTH_ATTEMPTS.add("refused")
        raise InvalidCredentials
    if isinstance(outcome, Unverified):
        metrics.AUTH_ATTEMPTS.add("unverified")
        raise EmailUnverified
    metrics.AUTH_ATTEMPTS.add("signed_in")
    token = await access_token(edge, accounts, outcome)
    return secret_answer(TokensResponse.of(outcome, token, accounts.tokens.seconds), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/refresh",
    operation="auth.refresh",
    summary="Renew the tokens of a session",
    permission=ANYONE,
    limits=("anonymous",),
    status=200,
    errors=(TokenInvalid, TokenExpired),
    secret=True,
)
async def refresh(
    data: JSONBody[RefreshRequest], edge: Edge, accounts: Injected[Accounts]
) -> Answer[RefreshedResponse]:
    """Gives a new access token and the next refresh token; the one sent is used up.

    The same request within 10 seconds gets the same refresh token again, in case the answer was lost. Later it ends
    the session, because somebody else may have the token.
    """
    outcome = await edge.transact(lambda tx: accounts.refresh.refresh(tx, data.refresh_token))
    if isinstance(outcome, Reused):
        raise TokenInvalid
    token = await access_token(edge, accounts, outcome)
    return secret_answer(RefreshedResponse(token, accounts.tokens.seconds, outcome.refresh_token), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/logout",
    operation="auth.logout",
    summary="End this session",
    permission=SIGNED_IN,
    limits=("writes",),
    status=204,
)
async def logout(edge: Edge) -> Answer[None]:
    """Its tokens are worth nothing from then on, on every server within a second."""
    return await edge.write(lambda tx: sessions.log_out(tx, edge.principal))


@route(
    "POST",
    "/api/v1/auth/logout-all",
    operation="auth.logout_all",
    summary="End every session of the account",
    permission=SIGNED_IN,
    limits=("writes",),
    status=204,
)
async def logout_all(edge: Edge) -> Answer[None]:
    """This one too."""
    return await edge.write(lambda tx: sessions.log_out_everywhere(tx, edge.principal))


ROUTES = [login, refresh, logout, logout_all]
