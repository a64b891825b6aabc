"""Client addresses: whose they are, and what of them may be kept."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network


@lru_cache(maxsize=4096)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a text, an IPv4 one for the IPv6 form that wraps it; None where it is none."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=4096)
def prefix(text: str) -> str:
    """The part of an address that may be stored: /24 of IPv4, /48 of IPv6."""
    address = parsed(text)
    if address is None:
        return ""
    return str(ip_network((address, 48 if isinstance(address, IPv6Address) else 24), strict=False))


class TrustedProxies:
    """Networks whose word on the client's address is taken."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(each, strict=False) for each in networks]

    def trusts(self, text: str) -> bool:
        address = parsed(text)
        return address is not None and any(
            address in network
            for network in self._networks
            if isinstance(network, IPv6Network) == isinstance(address, IPv6Address)
        )

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The client's address: the peer's, or, behind trusted proxies, the last one that none of them has.

        Args:
            peer: the address that the connection comes from.
            forwarded_for: the values of X-Forwarded-For, first header first.
        """
        if not self._networks or not self.trusts(peer):
            return peer
        client = peer
        for hop in reversed(",".join(forwarded_for).split(",")):
            if parsed(hop) is None:
                return client
            client = str(parsed(hop))
            if not self.trusts(client):
                return client
        return client
