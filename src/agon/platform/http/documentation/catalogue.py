"""The error catalogue: every code that an answer can carry, what it means, and what to do about it."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import msgspec

from agon.kernel.errors import ERRORS, DomainError, Refusal
from agon.platform.http.openapi.refusals import CREDENTIALS, EDGE_WIDE, VALIDATION, Coded, coded, is_common
from agon.platform.http.problems import STATUS


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One code; `operations` are the ids of those that declare it, none for what the edge answers anywhere."""

    code: str
    status: int
    title: str
    about: str
    advice: str
    operations: tuple[str, ...] = ()

    @property
    def area(self) -> str:
        """The first word of the code: `AUTH` of `AUTH_EMAIL_TAKEN`."""
        return self.code.partition("_")[0]


_BY_REFUSAL: dict[Refusal, str] = {
    Refusal.INVALID: "Mend what the detail, or `errors`, names and send it again. As it is, it will always be refused.",
    Refusal.UNAUTHENTICATED: "Sign in and send it again with the new access token.",
    Refusal.INSUFFICIENT: "See to what is missing first; the answer says how much.",
    Refusal.FORBIDDEN: "Trying again does not help: another account may do this, or a condition has to be met first.",
    Refusal.MISSING: "Check the id. What you may not see is answered in the same way as what does not exist.",
    Refusal.CONFLICT: "Read the current state and decide anew.",
    Refusal.GONE: "It will not come back: ask for a new one.",
    Refusal.TOO_LARGE: "Send less: in parts, or without what is not needed.",
    Refusal.UNSUPPORTED: "Send the kind of content that the operation takes.",
    Refusal.LIMITED: "Wait for the seconds of `Retry-After`, and slow down: `limit` says how much is allowed.",
    Refusal.UNAVAILABLE: "Nothing is wrong with the request. Try again after `Retry-After`, with growing pauses; a "
    "POST with its Idempotency-Key.",
}
_BY_CODE: dict[str, str] = {
    "AUTH_REQUIRED": "Send `Authorization: Bearer …` with an access token.",
    "AUTH_TOKEN_EXPIRED": "Get a new access token with the refresh token, and send the request again.",
    "AUTH_TOKEN_INVALID": "Get a new access token with the refresh token; where that is refused too, sign in again.",
    "AUTH_FORBIDDEN": "The account lacks the role that the operation names. Roles are granted by administrators.",
    "BODY_TOO_LARGE": "Bodies are limited to 1 MB; uploads have operations of their own.",
    "CURSOR_INVALID": "Begin the list anew without a cursor. Cursors belong to one list and are passed on unchanged.",
    "HEADERS_TOO_LARGE": "All headers together may have 32 KiB. Cookies are the usual reason.",
    "HOST_INVALID": "Use the address that the operator publishes, or have it added to the allowed hosts.",
    "HTTPS_REQUIRED": "Use https; the Location header has the address.",
    "IDEMPOTENCY_IN_PROGRESS": "Wait a second and send it again with the same key: you get the first call's answer.",
    "IDEMPOTENCY_KEY_INVALID": "Use a UUID: any 1 to 255 printable ASCII characters will do.",
    "IDEMPOTENCY_KEY_REQUIRED": "Make a key for each intended effect, a UUID for example, and send it with every try.",
    "IDEMPOTENCY_KEY_REUSED": "A key stands for one request. Make a new one for another request.",
    "INTERNAL_ERROR": "Try again later. If it stays, tell the operator the `request_id`.",
    "MEDIA_TYPE_UNSUPPORTED": "Send JSON with `Content-Type: application/json`.",
    "METHOD_NOT_ALLOWED": "The `Allow` header has the methods of this address.",
    "NOT_FOUND": "Check the path; all paths of the API begin with `/api/v1`.",
    "REQUEST_INVALID": "The request breaks HTTP itself. Check what builds it.",
    "VALUE_INVALID": "Leave out NUL characters and control characters, and keep numbers and times in a sane range.",
}


def catalogue(
    declared: Mapping[str, type[DomainError]] = ERRORS, description: Mapping[str, Any] | None = None
) -> list[Entry]:
    """Every code, in the order of the alphabet.

    Args:
        declared: every declared refusal by its code.
        description: of the API, for the operations that declare a code and the areas' codes for malformed input.
    """
    known = {each.code: each for each in EDGE_WIDE} | {code: coded(error) for code, error in declared.items()}
    uses: dict[str, list[str]] = {}
    for operation in _operations(description or {}):
        for code in operation["x-error-codes"]:
            uses.setdefault(code, []).append(operation["operationId"])
    for code in uses.keys() - known.keys():  # an area's malformed input, without a class of its own
        known[code] = Coded(STATUS[Refusal.INVALID].value, code, "The input is not valid.")
    return [_entry(known[code], declared.get(code), uses.get(code, [])) for code in sorted(known)]


def as_markdown(declared: Mapping[str, type[DomainError]] = ERRORS) -> str:
    """The catalogue as a page of the reference."""
    lines = [
        "# Errors",
        "",
        "What a refused request may answer, as `application/problem+json` (RFC 9457), by its `code`. An area that has",
        f"no `<AREA>{VALIDATION}` here answers malformed input with one nevertheless.",
        "",
        "This page is generated by `make docs`.",
        "",
        "| Code | Status | Meaning | What to do |",
        "| --- | --- | --- | --- |",
    ]
    for each in catalogue(declared):
        meaning = " ".join(f"{each.title} {each.about}".split())
        lines.append(f'| <a id="{each.code}"></a>`{each.code}` | {each.status} | {meaning} | {each.advice} |')
    return "\n".join(lines) + "\n"


def _operations(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [operation for path in description.get("paths", {}).values() for operation in path.values()]


def _entry(refusal: Coded, error: type[DomainError] | None, operations: list[str]) -> Entry:
    shown = () if is_common(refusal.code) else tuple(operations)
    advice = _BY_CODE.get(refusal.code)
    if advice is None and refusal.code.startswith(CREDENTIALS):
        advice = _BY_CODE["AUTH_TOKEN_INVALID"]
    if advice is None:
        advice = _BY_REFUSAL[Refusal.INVALID if error is None else error.refusal]
    about = error.__dict__.get("__doc__") if error is not None else None  # its own, not that of a base class
    return Entry(
        code=refusal.code,
        status=refusal.status,
        title=refusal.title,
        about=cleandoc(about or ""),
        advice=advice,
        operations=shown,
    )
