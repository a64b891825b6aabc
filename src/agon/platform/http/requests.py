"""Requests whose bodies are decoded strictly, once, into the type that the endpoint declares."""

from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from agon.kernel.errors import ValidationFailed
from agon.platform.http.problems import field_error


@lru_cache(maxsize=1024)
def _decoder(handler: HTTPRouteHandler) -> msgspec.json.Decoder[Any]:
    hints = get_type_hints(handler.fn, include_extras=True)
    return msgspec.json.Decoder(hints.get("data", Any))


class StrictRequest(Request[Any, Any, Any]):
    """Litestar reads JSON loosely (`"1"` passes for 1) and in two steps; here it is typed from the start."""

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
