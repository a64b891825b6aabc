"""Requests whose bodies are decoded strictly, once, into the type that the endpoint declares."""

from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from litestar import Request
from litestar.connection.base import empty_receive, empty_send
from litestar.handlers import HTTPRouteHandler

from agon.kernel.errors import ValidationFailed
from agon.platform.http.asgi import Message, Receive
from agon.platform.http.errors import RequestInvalid
from agon.platform.http.problems import field_error


@lru_cache(maxsize=1024)
def _decoder(handler: HTTPRouteHandler) -> msgspec.json.Decoder[Any]:
    hints = get_type_hints(handler.fn, include_extras=True)
    return msgspec.json.Decoder(hints.get("data", Any))


def _whole(receive: Receive) -> Any:
    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestInvalid("The request ended before its body did.")
        return message

    return received


class StrictRequest(Request[Any, Any, Any]):
    """Litestar reads JSON loosely (`"1"` passes for 1) and in two steps; here it is typed from the start.

    A client that leaves in the middle of its body is its own fault: Litestar would make it one of the server's.
    """

    def __init__(self, scope: Any, receive: Any = empty_receive, send: Any = empty_send) -> None:
        super().__init__(scope, _whole(receive), send)

    async def json(self) -> Any:
        """The body as the endpoint's type.

        Raises:
            ValidationFailed: it is not JSON, or not of that type; the field is named.
        """
        body = await self.body()
        try:
            return _decoder(self.scope["route_handler"]).decode(body)
        except msgspec.ValidationError as error:
            raise ValidationFailed(errors=(field_error(str(error)),)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValidationFailed("The body of the request is not valid JSON.") from error
