"""The table of addresses that a page may not lead to."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.transport.addresses import AddressPolicy, port_refused

FORBIDDEN = {
    "V01": "127.0.0.1",
    "V06": "::1",
    "V07": "::ffff:127.0.0.1",
    "V08": "64:ff9b::7f00:1",
    "V09": "2002:7f00:1::",
    "V10": "169.254.169.254",
    "V11": "fd00:ec2::254",
    "V12": "100.64.0.1",
    "V13": "0.0.0.0",
    "V14": "224.0.0.1",
    "Azure": "168.63.129.16",
    "private 10": "10.1.2.3",
    "private 172": "172.31.255.255",
    "private 192": "192.168.1.1",
    "fake IP": "198.18.0.7",
    "broadcast": "255.255.255.255",
    "unspecified 6": "::",
    "v4-compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64 private": "64:ff9b::10.0.0.1",
    "local NAT64": "64:ff9b:1::1",
    "mapped metadata": "::ffff:169.254.169.254",
    "6to4 private": "2002:c0a8:0101::1",
    "Teredo to loopback": "2001:0:5353:5353::80ff:fffe",
    "Teredo by a private server": "2001:0:a00:1::a1b2:c3d4",
    "ORCHID": "2001:20::1",
    "documentation": "2001:db8::1",
    "link-local with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast 6": "ff02::1",
    "segment routing": "5f00::1",
    "not given out": "4000::1",
}


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_is_not_public_is_refused(address: str) -> None:
    """An address that is not public, in whatever wrapping, is refused with the range that forbids it."""
    refusal = AddressPolicy().refusal(address)
    assert refusal is not None
    assert refusal[1]


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "198.20.0.1",
        "2606:4700::1",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::f7f7:f7f7",
    ],
)
def test_what_is_public_is_permitted(address: str) -> None:
    """Public addresses are permitted, wrapped ones too: the refusals above are not for every address."""
    assert AddressPolicy().refusal(address) is None


def test_an_opened_range_permits_what_lies_in_it_and_nothing_else() -> None:
    """--allow-address opens its range, also for the wrapped forms of its addresses."""
    policy = AddressPolicy(["198.18.0.0/15", "fd00:1::/32", "10.0.0.9"])
    assert policy.refusal("198.19.255.255") is None
    assert policy.refusal("::ffff:198.18.0.1") is None
    assert policy.refusal("fd00:1::7") is None
    assert policy.refusal("10.0.0.9") is None
    assert policy.refusal("10.0.0.10") is not None
    assert policy.refusal("fd00:2::7") is not None


def test_a_range_that_is_none_is_refused_with_the_flag_and_the_value() -> None:
    """A wrong --allow-address names the flag, the value and what is allowed."""
    with pytest.raises(SettingError, match=r"--allow-address: '198\.18\.0\.0/33'.*such as 198\.18\.0\.0/15"):
        AddressPolicy(["198.18.0.0/33"])


@pytest.mark.parametrize("port", [1, 22, 25, 445, 3306, 5432, 6379, 11211])
def test_ports_of_other_services_are_refused(port: int) -> None:
    """V22: no web server is to be expected on the ports of other services."""
    assert port_refused(port)


@pytest.mark.parametrize("port", [80, 443, 3000, 8080, 8443, 40000])
def test_ports_of_web_servers_are_permitted(port: int) -> None:
    """Usual and high ports are permitted."""
    assert not port_refused(port)
