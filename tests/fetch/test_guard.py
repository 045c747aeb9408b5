from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.fetch.guard import PRIVATE, Guard, is_private_host, is_public
from crawler.urls.url import address

PRIVATE_ADDRESSES = {
    "this machine": ["127.0.0.1", "127.255.255.254", "0.0.0.0", "::1", "::", "::127.0.0.1"],
    "private networks": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0", "fe80::1%", "fec0::1"],
    "cloud metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::ffff:a9fe:a9fe"],
    "SIIT": ["::ffff:0:127.0.0.1", "::ffff:0:0.0.0.0", "::ffff:0:0.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::", "64:ff9b::1", "64:ff9b:1::8.8.8.8"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002::", "2002:0:1::"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": [
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
    ],
}
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("ip", [ip for group in PRIVATE_ADDRESSES.values() for ip in group])
def test_private_addresses_are_not_public_in_any_wrapping(ip: str) -> None:
    assert is_public(ip) is False


@pytest.mark.parametrize("ip", PUBLIC_ADDRESSES)
def test_public_addresses_are_public(ip: str) -> None:
    assert is_public(ip) is True


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_wraps_an_ipv4_one_is_what_it_wraps(ip: object) -> None:
    plain = is_public(str(ip))
    for wrapping in ("::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "::{}"):
        assert is_public(wrapping.format(ip)) is plain


@pytest.mark.parametrize(
    "hostname",
    [
        "localhost",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        "127.0.0.1",
        "[::1]",
        "10.1.2.3",
        "[fe80::1]",
    ],
)
def test_hosts_that_are_private_by_their_name(hostname: str) -> None:
    assert is_private_host(hostname) is True


@pytest.mark.parametrize(
    "hostname", ["example.com", "8.8.8.8", "[2606:4700::1111]", "mylocalhost", "local", "10.example", ""]
)
def test_hosts_that_are_not_private_by_their_name(hostname: str) -> None:
    assert is_private_host(hostname) is False


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "LOCALHOST",
        "[::ffff:127.0.0.1]",
    ],
)
def test_loopback_in_disguise_is_recognized_once_the_url_is_parsed(host: str) -> None:
    parsed = address(f"http://{host}/")
    assert parsed is not None
    assert is_private_host(parsed.hostname) is True


def info_of(ip: str) -> tuple[object, ...]:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, 80))


def test_a_socket_to_a_private_address_is_refused() -> None:
    with pytest.raises(OSError, match=PRIVATE) as caught:
        Guard(allows_private=False)(info_of("10.0.0.1"))
    assert caught.value.errno == errno.EACCES


@pytest.mark.parametrize(("allows", "ip"), [(False, "8.8.8.8"), (True, "10.0.0.1")])
def test_a_socket_that_may_be_is_of_the_family_asked(allows: bool, ip: str) -> None:
    with Guard(allows)(info_of(ip)) as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)


def test_a_private_seed_opens_the_private_addresses() -> None:
    guard = Guard(allows_private=False)
    guard.trust("example.com")
    assert guard.allows_private is False
    guard.trust("localhost")
    guard.trust("example.com")
    assert guard.allows_private is True
