"""Which addresses count as one client."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.platform.limits.addresses import client_key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:0db8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("192.0.2.7:1234", "unknown"),
        ("unix", "unknown"),
        ("192.0.2.07", "unknown"),
    ],
)
def test_an_address_has_one_key_however_it_is_written(address: str, key: str):
    assert client_key(address) == key


@settings(deadline=None)
@given(network=st.integers(min_value=0, max_value=2**64 - 1), hosts=st.sets(st.integers(0, 2**64 - 1), min_size=2))
def test_all_addresses_of_a_64_are_one_client(network: int, hosts: set[int]):
    addresses = [ipaddress.IPv6Address(network << 64 | host) for host in hosts]
    keys = {client_key(str(address)) for address in addresses if address.ipv4_mapped is None}
    assert len(keys) <= 1
    neighbour = ipaddress.IPv6Address((network ^ 1) << 64 | 1)
    assert client_key(str(neighbour)) not in keys


@settings(deadline=None)
@given(text=st.text(max_size=50))
def test_no_text_is_an_error(text: str):
    assert client_key(text)
