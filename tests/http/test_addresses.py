"""What is public and what is private, by its number or as it is written; and what the setting lets through."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.addresses import (
    PrivateHosts,
    is_private_host,
    is_public,
    kind_of,
    read_private_hosts,
    refusal,
)
from crawler.urls.url import address

PRIVATE_ADDRESSES = {
    "this machine": ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.255.255.255", "::1", "::", "::127.0.0.1"],
    "private network": [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "fd00::1",
        "fc00::1",
        "fec0::1",
        "64:ff9b:1::8.8.8.8",
    ],
    "local link": ["169.254.0.1", "fe80::1", "fe80::1%eth0", "fe80::1%", "febf::1"],
    "cloud metadata": [
        "169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
    "provider's network": ["100.64.0.1", "100.127.255.255"],
    "set aside for protocols": [
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.192",
        "192.0.0.255",
        "192.88.99.1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
    ],
    "set aside for measurements": ["198.18.0.1", "198.19.255.255"],
    "set aside for documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "1000::1", "4000::1", "5f00::1", "100::1", "fe00::1"],
}
WRAPPED = [
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::ffff:0:127.0.0.1", "::ffff:0:0.0.0.0",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::", "64:ff9b::1", "2002:7f00:1::", "2002:a00:1::1", "2002::",
    "2002:0:1::", "2002:a9fe:a9fe::", "2002:c0a8:101::1",
]  # fmt: skip
PUBLIC_ADDRESSES = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "172.15.0.1", "172.32.0.1",
    "192.0.1.1", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "168.63.129.15", "169.253.0.1",
    "2606:4700::1111", "2001:4860:4860::8888", "2001:200::1", "2a00::1", "2000::1", "3ffe::1", "3fff:1000::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "ip"), [(kind, ip) for kind, group in PRIVATE_ADDRESSES.items() for ip in group])
def test_a_private_address_is_told_by_its_kind(kind: str, ip: str) -> None:
    assert kind_of(ip) == kind


@pytest.mark.parametrize("ip", WRAPPED)
def test_a_private_address_is_private_in_any_wrapping(ip: str) -> None:
    assert is_public(ip) is False


@pytest.mark.parametrize("ip", PUBLIC_ADDRESSES)
def test_public_addresses_are_public(ip: str) -> None:
    assert kind_of(ip) == ""


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_wraps_an_ipv4_one_is_what_it_wraps(ip: ipaddress.IPv4Address) -> None:
    plain = kind_of(str(ip))
    for wrapping in ("::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "::{}"):
        assert kind_of(wrapping.format(ip)) == plain
    assert kind_of(str(ipaddress.IPv6Address((0x2002 << 112) | (int(ip) << 80)))) == plain


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_knows_to_be_private(ip: ipaddress.IPv4Address) -> None:
    if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        assert is_public(str(ip)) is False


@pytest.mark.parametrize("text", ["", "localhost", "256.1.1.1", "127.1", "x"])
def test_what_is_no_address_has_no_kind(text: str) -> None:
    with pytest.raises(ValueError, match="IP" if text else "''"):
        kind_of(text)


@pytest.mark.parametrize(
    "hostname",
    [
        "localhost", "localhost.", "a.localhost", "printer.local", "metadata.google.internal", "nas.lan", "nas.home",
        "x.corp", "router.home.arpa", "home.arpa", "x.intranet", "x.private", "localhost.localdomain", "wiki", "wiki.",
        "web1", "com", "127.0.0.1", "127.0.0.1.", "[::1]", "10.1.2.3", "[fe80::1]", "[::ffff:7f00:1]", "168.63.129.16",
    ],
)  # fmt: skip
def test_hosts_that_are_private_as_they_are_written(hostname: str) -> None:
    assert is_private_host(hostname) is True


@pytest.mark.parametrize(
    "hostname",
    ["example.com", "8.8.8.8", "[2606:4700::1111]", "local.example", "10.example", "a.b1", "wiki.corp.example",
     "localhost.example", "internal.example.com", "a.test", "", ".", "127.0.0.1.nip.io"],
)  # fmt: skip
def test_hosts_that_are_not_private_as_they_are_written(hostname: str) -> None:
    assert is_private_host(hostname) is False


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "0x7f.1", "017700000001", "①②⑦.⓪.⓪.①", "127。0。0。1", "LOCALHOST",
     "[::ffff:127.0.0.1]", "127.0.0.1.", "%31%32%37.0.0.1", "ⓛocalhost", "[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]"],
)  # fmt: skip
def test_loopback_in_disguise_is_recognized_once_the_url_is_parsed(host: str) -> None:
    parsed = address(f"http://{host}/")
    assert parsed is not None
    assert is_private_host(parsed.hostname) is True


# The setting.


def test_true_is_every_host_and_false_none() -> None:
    for hostname in ("127.0.0.1", "[::1]", "printer.local", "wiki.corp.example"):
        assert read_private_hosts(True).has(hostname) is True
        assert read_private_hosts(False).has(hostname) is False
        assert read_private_hosts([]).may_have(hostname) is False
    assert read_private_hosts(True).has_address("10.0.0.1") is True
    assert read_private_hosts(False) == read_private_hosts([]) == PrivateHosts()


SOME = read_private_hosts(
    ["10.0.0.0/8", "192.168.1.5", "fd00::/64", "::1", "wiki.corp.example", "Apps.Example", "nas", "lan"]
)


@pytest.mark.parametrize(
    ("ip", "expected"),
    [("10.0.0.1", True), ("10.255.255.255", True), ("::ffff:10.0.0.1", True), ("64:ff9b::10.0.0.1", True),
     ("192.168.1.5", True), ("192.168.1.4", False), ("192.168.1.6", False), ("11.0.0.1", False), ("127.0.0.1", False),
     ("::1", True), ("::", False), ("fd00::1", True), ("fd00:0:0:1::1", False), ("fd00::1%eth0", True)],
)  # fmt: skip
def test_exactly_the_listed_addresses_are_let_through(ip: str, expected: bool) -> None:
    assert SOME.has_address(ip) is expected


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [("wiki.corp.example", True), ("a.wiki.corp.example", True), ("wiki.corp.example.", True), ("corp.example", False),
     ("notwiki.corp.example", False), ("apps.example", True), ("x.apps.example", True), ("nas", True), ("nas.", True),
     ("x.nas", False), ("lan", True), ("x.lan", True), ("10.9.9.9", True), ("[::1]", True), ("[::2]", False),
     ("127.0.0.1", False), ("10.0.0.1.example", False)],
)  # fmt: skip
def test_a_listed_name_covers_its_sub_domains_unless_it_could_be_anybody_s_top_level_domain(
    hostname: str, expected: bool
) -> None:
    assert SOME.has(hostname) is expected


def test_a_name_may_turn_out_to_be_at_a_listed_address() -> None:
    assert SOME.may_have("printer.local") is True
    assert SOME.may_have("127.0.0.1") is False
    assert read_private_hosts(["nas"]).may_have("printer.local") is False


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("10.0.0.1/8", 'write "10.0.0.0/8" for the whole network'),
        ("10.0.0.0/33", 'write a network ("10.0.0.0/8"), an address'),
        ("http://wiki.corp.example/x", 'write its host alone, "wiki.corp.example"'),
        ("http://[::1]:80/", 'write its host alone, "::1"'),
        ("wiki:8080", "'wiki:8080' has a port: write the host without a port, \"wiki\""),
        ("a:80", 'write the host without a port, "a"'),
        ("[::1]:80", 'write the host without a port, "::1"'),
        ("10.0.0.1:80", 'write the host without a port, "10.0.0.1"'),
        ("*.corp.example", 'write "corp.example": it covers its sub-domains'),
        (".corp.example", 'write "corp.example": it covers its sub-domains'),
        ("*.10.0.0.1", "is no host: write a network"),
        ("*.local", 'write "local": it covers its sub-domains'),
        ("*.wiki", '"wiki" is one machine: write each host in full, as "a.wiki"'),
        ("user@wiki", 'write "wiki", without more, or a network'),
        ("a b", "is no host: write a network"),
        ("", "is no host: write a network"),
        ("*", "write allow_private_hosts = true"),
        ("wiki/x", "is no network: write a network"),
    ],
)
def test_an_entry_that_is_none_is_told_with_what_to_write(entry: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_private_hosts([entry])
    assert says in str(caught.value)


def test_all_entries_that_are_none_are_told() -> None:
    with pytest.raises(ValueError, match=r'"corp\.example": it covers .*; \'a:80\' has a port'):
        read_private_hosts(["*.corp.example", "10.0.0.0/8", "a:80"])


def test_a_refusal_says_which_address_why_and_what_permits_it() -> None:
    tail = ": no public page or public name may lead there; allow_private_hosts = "
    assert refusal("127.0.0.1") == f'127.0.0.1 is a private address (this machine){tail}["127.0.0.1"] permits it'
    assert refusal("[::1]") == f'::1 is a private address (this machine){tail}["::1"] permits it'
    assert refusal("nas.lan") == f'nas.lan is a private name{tail}["nas.lan"] permits it'
    assert refusal("wiki.corp.example", "10.0.0.5") == (
        f'wiki.corp.example is at 10.0.0.5, a private address (private network){tail}["wiki.corp.example"] permits it'
    )
