"""What every operation answers, as the paths of all keys in its JSON: no key more, none less, whoever asks."""

from typing import Any

from tests.functional.matrix import Caller

Keys = frozenset[str]

PROBLEM = frozenset({"code", "detail", "request_id", "status", "title", "type"})
"""Of every refusal in the matrix; none of them has fields or limits to tell of."""
NOT_JSON = frozenset({"(not JSON)"})
A_DOCUMENT = frozenset({"(an OpenAPI document)"})
NOTHING: Keys = frozenset()

_OWN_ACCOUNT = {"account_id", "created_at", "email", "email_verified", "locale", "roles[]", "username"}
_REFRESHED = {"access_token", "expires_in", "refresh_token"}
_GRANT = {"granted_at", "granted_by", "role", "scope"}
_PARTS = ("bus", "cache", "database", "mail")
_TOKENS = frozenset(_REFRESHED | {f"user.{key}" for key in _OWN_ACCOUNT})
_HEALTH = {"status", "timestamp", *(f"components.{part}.status" for part in _PARTS)}

SHAPES: dict[str, Keys] = {
    "auth.grant_role": frozenset(_GRANT),
    "auth.key_set": frozenset(f"keys[].{key}" for key in ("alg", "e", "kid", "kty", "n", "use")),
    "auth.list_roles": frozenset({"next_cursor", *(f"items[].{key}" for key in _GRANT)}),
    "auth.login": _TOKENS,
    "auth.logout": NOTHING,
    "auth.logout_all": NOTHING,
    "auth.read_account": frozenset(_OWN_ACCOUNT),
    "auth.refresh": frozenset(_REFRESHED),
    "auth.register": _TOKENS,
    "auth.revoke_role": NOTHING,
    "auth.setup": _TOKENS,
    "auth.validate": frozenset(
        {"aud", "email", "exp", "iat", "iss", "jti", "roles[]", "sid", "sub", "user_id"},
    ),
    "documentation.area": NOT_JSON,
    "documentation.asset": NOT_JSON,
    "documentation.errors": NOT_JSON,
    "documentation.openapi": A_DOCUMENT,
    "documentation.overview": NOT_JSON,
    "health.details": frozenset({*_HEALTH, *(f"components.{part}.duration_ms" for part in _PARTS)}),
    "health.live": frozenset({"status"}),
    "health.metrics": NOT_JSON,
    "health.ready": frozenset({"status"}),
    "health.report": frozenset(_HEALTH),
    "setup.page": NOT_JSON,
    "setup.style": NOT_JSON,
    "setup.submit": NOT_JSON,
}

FOR_SOME: dict[tuple[str, Caller], Keys] = {}
"""Where a kind of caller is shown something else than the others."""


def keys_of(value: Any, path: str = "") -> Keys:
    """The paths of all keys: `user.email`, `items[].role`; an empty list or object is named by itself."""
    if isinstance(value, dict) and value:
        return NOTHING.union(*(keys_of(each, f"{path}.{key}" if path else key) for key, each in value.items()))
    if isinstance(value, list):
        return NOTHING.union(*(keys_of(each, f"{path}[]") for each in value)) or frozenset({f"{path}[]"})
    return frozenset({path}) if path else NOTHING
