"""Value types that settings share.

Messages never repeat the value: the loader shows it where it is not secret. They are predicates ("is not …") that the
loader puts behind the value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr


class Environment(StrEnum):
    """Where the program runs; decides defaults and what is refused."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        # the library's message repeats parts of the value, which may be a password
        parts = None
    if parts is None or any(character.isspace() for character in value):
        message = "is not a URL"
        raise ValueError(message)
    return parts


def _web_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "is not an http or https address"
        raise ValueError(message)
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = "must not hold a user, a query or a fragment"
        raise ValueError(message)
    return value.rstrip("/")


def _origin(value: str) -> str:
    if _split(_web_url(value)).path or value.endswith("/"):
        message = "must not have a path or a slash at its end"
        raise ValueError(message)
    return value.lower()


def _origin_or_any(value: str) -> str:
    return value if value == "*" else _origin(value)


def _host_pattern(value: str) -> str:
    name = value.removeprefix("*.")
    if value != "*" and (not name or any(character.isspace() or character in "/:*@" for character in name)):
        message = "is not a host name, `*.` and a host name, or `*`"
        raise ValueError(message)
    return value.lower()


def _listen_address(value: str) -> str:
    odd = any(character.isspace() or character in "/@?#[]" for character in value)
    if not odd and ":" in value:
        try:
            ip_address(value)
        except ValueError:
            odd = True
    if odd:
        message = "is not an address or a host name"
        raise ValueError(message)
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError:
        message = "is not a network (an address, or a prefix such as 10.0.0.0/8 without host bits)"
        raise ValueError(message) from None


def _home(value: Path) -> Path:
    try:
        return value.expanduser()
    except RuntimeError:
        message = "names the home of an unknown user"
        raise ValueError(message) from None


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _mailbox(value: str) -> str:
    local, _, host = value.rpartition("@")
    if not local.strip() or not host.strip(" >") or any(ord(character) < ord(" ") for character in value):
        message = "is not a mail address, or a name and an address in angle brackets"
        raise ValueError(message)
    return value


def _secret_url(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        if _split(value.get_secret_value()).scheme not in schemes:
            message = "does not begin with " + " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(message)
        return value

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value looks like, in words; one and several."""

    one: str
    many: str


GUESSABLE = "is a default, a placeholder or too easy to guess"
HOW_TO_MAKE_ONE = "`openssl rand -base64 32` makes one"

_SECRET_CHARACTERS = 32
_SECRET_VARIETY = 10
_PLACEHOLDERS = ("change", "default", "development", "example", "insecure", "placeholder", "replace", "your-", "your_")


def guessable(secret: SecretStr) -> bool:
    """Whether a secret looks like one that somebody else may know: short, monotonous or a placeholder."""
    text = secret.get_secret_value()
    return (
        len(text) < _SECRET_CHARACTERS
        or len(set(text)) < _SECRET_VARIETY
        or any(placeholder in text.lower() for placeholder in _PLACEHOLDERS)
    )


any_case: Any = BeforeValidator(_lower)
"""For choices: `INFO` is as good as `info`."""

WebUrl = Annotated[str, AfterValidator(_web_url), Shape("http or https address", "http or https addresses")]
Origin = Annotated[str, AfterValidator(_origin), Shape("origin (scheme, host, port)", "origins (scheme, host, port)")]
OriginOrAny = Annotated[str, AfterValidator(_origin_or_any), Shape("origin or `*`", "origins, or `*`")]
HostPattern = Annotated[str, AfterValidator(_host_pattern), Shape("host name", "host names")]
ListenAddress = Annotated[str, AfterValidator(_listen_address), Shape("address or host name", "addresses")]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), Shape("network", "networks")]
LocalPath = Annotated[Path, AfterValidator(_home), Shape("path", "paths")]
Mailbox = Annotated[str, AfterValidator(_mailbox), Shape("mail address", "mail addresses")]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_secret_url("postgresql", "postgres")), Shape("PostgreSQL URL", "")]
ValkeyUrl = Annotated[SecretStr, AfterValidator(_secret_url("redis", "rediss")), Shape("Redis URL", "")]
SecretWebUrl = Annotated[SecretStr, AfterValidator(_secret_url("https", "http")), Shape("http or https address", "")]
