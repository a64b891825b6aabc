"""Access: who is asking, may they, and are they within their limits; run for every route, before its handler."""

from datetime import timedelta
from typing import Protocol

from agon.contracts.accounts import Authenticator, Principal
from agon.kernel.clock import Clock
from agon.kernel.errors import DomainError
from agon.platform.context import RequestContext, current
from agon.platform.http.asgi import App, Receive, Scope, Send
from agon.platform.http.errors import AuthForbidden, AuthRequired, MediaTypeUnsupported, RateLimited
from agon.platform.http.operations import Operation
from agon.platform.limits.addresses import client_key
from agon.platform.observability import metrics

PER_ADDRESS = frozenset({"login", "auth", "anonymous", "public"})
"""Categories that count by client address whoever is signed in; the others count by account."""
_JSON = b"application/json"
_FORM = b"application/x-www-form-urlencoded"


class Allowance(Protocol):
    """What a limit says to one hit; times in seconds."""

    @property
    def allowed(self) -> bool: ...
    @property
    def limit(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def reset_seconds(self) -> float: ...
    @property
    def retry_after(self) -> float: ...


class Limiter(Protocol):
    async def hit(self, category: str, key: str) -> Allowance: ...


class Access:
    """Carries out what each operation declares."""

    def __init__(self, authenticator: Authenticator, limiter: Limiter, clock: Clock) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._clock = clock

    def middleware(self, app: App) -> App:
        """Wrap a route."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                operation: Operation | None = scope["route_handler"].opt.get("operation")
                if operation is not None:
                    await self._admit(scope, operation)
            await app(scope, receive, send)

        return guarded

    async def _admit(self, scope: Scope, operation: Operation) -> None:
        context = current()
        context.route = operation.path
        token = _bearer(scope) if operation.permission.reads_credentials else None
        if token is not None:
            await self._identify(scope, context, token)
        await self._limit(scope, operation, context)
        permission = operation.permission
        if not permission.allows(context.principal):
            raise AuthRequired if context.principal is None else AuthForbidden
        if permission.privileged and context.principal is not None:
            context.principal = await self._authenticator.confirm(context.principal)
            if not permission.allows(context.principal):
                raise AuthForbidden
        if operation.takes_body and _media_type(scope) != (_FORM if operation.form else _JSON):
            raise MediaTypeUnsupported

    async def _identify(self, scope: Scope, context: RequestContext, token: str) -> None:
        try:
            principal = await self._authenticator.authenticate(token)
        except DomainError as refusal:
            metrics.AUTH_FAILURES.add(refusal.code)
            await self._count(scope, ("anonymous",), context, None, None)
            raise
        context.principal = principal
        context.actor = f"account:{principal.account_id}"

    async def _limit(self, scope: Scope, operation: Operation, context: RequestContext) -> None:
        await self._count(scope, operation.limits, context, context.principal, operation)

    async def _count(
        self,
        scope: Scope,
        categories: tuple[str, ...],
        context: RequestContext,
        principal: Principal | None,
        operation: Operation | None,
    ) -> None:
        """Count the request; the tightest of its limits is the one that it is told of."""
        tightest: Allowance | None = None
        for category in categories:
            allowance = await self._hit(category, context, principal)
            if tightest is None or not allowance.allowed or allowance.remaining < tightest.remaining:
                tightest = allowance
            if not allowance.allowed:
                metrics.RATE_LIMITED.add(category)
                break
        if tightest is None:
            return
        scope["state"]["limit_headers"] = _limit_headers(tightest)
        if not tightest.allowed:
            raise self._refusal(tightest, operation)

    async def _hit(self, category: str, context: RequestContext, principal: Principal | None) -> Allowance:
        if category in PER_ADDRESS:
            return await self._limiter.hit(category, client_key(context.client_ip))
        if principal is None:
            return await self._limiter.hit("anonymous", client_key(context.client_ip))
        return await self._limiter.hit(category, str(principal.account_id))

    def _refusal(self, allowance: Allowance, operation: Operation | None) -> DomainError:
        error = operation.limited_as if operation is not None else RateLimited
        reset = max(0.0, allowance.reset_seconds)
        reset_at = self._clock.now() + timedelta(seconds=reset)
        data = {"limit": allowance.limit, "remaining": 0, "reset_at": reset_at}
        return error(data=data, retry_after=allowance.retry_after or reset)


def _limit_headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit", str(allowance.limit).encode()),
        (b"x-ratelimit-remaining", str(max(0, allowance.remaining)).encode()),
        (b"x-ratelimit-reset", str(max(0, round(allowance.reset_seconds))).encode()),
    ]


def _bearer(scope: Scope) -> str | None:
    """The access token of the request, None without an Authorization header.

    Raises:
        AuthRequired: the header is there and is not a bearer token.
    """
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise AuthRequired
            return token.strip()
    return None


def _media_type(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower()
    return b""
