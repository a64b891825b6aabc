"""What counts as one client."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

UNKNOWN = "unknown"
_IPV6_CLIENT_BITS = 64


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """The key that a client's requests are counted by.

    An IPv4 address counts as itself, also when written as IPv6 (`::ffff:192.0.2.1`). An IPv6 address counts by its
    /64: that is what one customer is given, who can use any address in it (RFC 6177). What is no address counts as
    `unknown`, so that all of that share one limit.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(IPv6Network((int(parsed), _IPV6_CLIENT_BITS), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)
