"""Forms: a page of this site may send them, a page of another may not."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from agon.kernel.errors import DomainError, Refusal


class CsrfInvalid(DomainError):
    code = "CSRF_INVALID"
    refusal = Refusal.FORBIDDEN
    title = "The request did not come from a page of this site."


def require_same_origin(request: Request[Any, Any, Any]) -> None:
    """Refuse a form that another site's page sent; browsers say so in Sec-Fetch-Site, older ones in Origin.

    Raises:
        CsrfInvalid: it came from elsewhere, or does not say where from.
    """
    fetched_from = request.headers.get("sec-fetch-site")
    if fetched_from is not None:
        if fetched_from != "same-origin":
            raise CsrfInvalid
        return
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc != request.headers.get("host"):
        raise CsrfInvalid
