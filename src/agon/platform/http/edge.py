"""What an endpoint is given: who asks, the means to read, and the one way to write."""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from agon.contracts.accounts import Principal
from agon.kernel.tx import ReadTx, Tx
from agon.platform.context import RequestContext, current
from agon.platform.database.database import Database
from agon.platform.http import idempotency
from agon.platform.http.answers import Encoded
from agon.platform.http.errors import AuthRequired, IdempotencyKeyRequired
from agon.platform.http.operations import Injected, Operation

T = TypeVar("T")
Answer = Response
"""What endpoints return: `Answer[T]` is a response whose body is a T."""

JSON = "application/json"


class RequestEdge:
    """One request's access to the database; an endpoint parses, calls one verb through it, and returns."""

    __slots__ = ("_database", "_request")

    def __init__(self, database: Database, request: Request[Any, Any, Any]) -> None:
        self._database = database
        self._request = request

    @property
    def context(self) -> RequestContext:
        return current()

    @property
    def principal(self) -> Principal:
        """Who asks.

        Raises:
            AuthRequired: nobody is signed in (the operation allows visitors, this use of it does not).
        """
        principal = current().principal
        if principal is None:
            raise AuthRequired
        return principal

    @property
    def viewer(self) -> Principal | None:
        """Who asks, or None for a visitor."""
        return current().principal

    async def read(self, verb: Callable[[ReadTx], Awaitable[T]]) -> Answer[T]:
        """Answer with what a read gives."""
        return self.answer(await self._database.fetch(verb))

    async def fetch(self, verb: Callable[[ReadTx], Awaitable[T]]) -> T:
        """Run a read whose result the endpoint goes on with."""
        return await self._database.fetch(verb)

    async def transact(self, verb: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a verb in one transaction, for endpoints that answer something else than its result."""
        return await self._database.transact(verb)

    async def write(self, verb: Callable[[Tx], Awaitable[T]]) -> Answer[T]:
        """Run a verb in one transaction and answer with its result, honouring the request's Idempotency-Key."""
        key = await self._key()
        if key is None:
            return self.answer(await self._database.transact(verb))
        answer = await self._database.transact(lambda tx: idempotency.once(tx, key, verb, self._encoded))
        headers = {**answer.headers, **({"Idempotent-Replayed": "true"} if answer.replayed else {})}
        media_type = headers.pop("Content-Type", JSON)
        return Encoded(answer.body, answer.status, media_type, headers)

    def answer(self, result: T) -> Answer[T]:
        """A result as the operation's answer."""
        status, body = self._encoded(result)
        return Encoded(body, status)

    def _encoded(self, result: object) -> tuple[int, bytes]:
        status: int = self._request.route_handler.status_code
        return status, b"" if status == HTTPStatus.NO_CONTENT else msgspec.json.encode(result)

    async def _key(self) -> idempotency.Key | None:
        """The request's key, where it has one that counts: answers that hold secrets are never recorded."""
        operation: Operation = self._request.route_handler.opt["operation"]
        given = self._request.headers.get("idempotency-key")
        if operation.method != "POST":
            return None
        if given is None:
            if operation.keyed:
                raise IdempotencyKeyRequired
            return None
        key = idempotency.checked(given)
        if operation.secret or self.viewer is None:
            return None
        digest = hashlib.sha256(await self._request.body()).digest()
        return idempotency.Key(self.principal.account_id, operation.id, self._request.scope["path"], key, digest)


EDGE = "edge"
"""What the parameter is called that is given the edge."""
Edge = Injected[RequestEdge]
"""The edge as a parameter of an endpoint."""
