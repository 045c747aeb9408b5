"""Which hosts belong to the crawl."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.urls import scope as scope_module
from crawler.urls.scope import Scope
from crawler.urls.url import address


@pytest.mark.parametrize(
    ("allowed", "hostname", "admitted"),
    [
        ("example.com", "example.com", True),
        ("example.com", "shop.example.com", True),
        ("example.com", "a.b.example.com", True),
        ("example.com", "example.com.", True),
        ("example.com", "badexample.com", False),
        ("example.com", "example.com.evil.example", False),
        ("example.com", "com", False),
        ("shop.example.com", "example.com", False),
        ("*.example.com", "shop.example.com", True),
        (".example.com", "example.com", True),
        (" Example.COM. ", "example.com", True),
        ("example.com:8080", "example.com", True),
        ("https://example.com/shop", "shop.example.com", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "www.xn--bcher-kva.example", True),
        ("*", "anything.example", True),
        ("*", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.1", "127.0.0.1", False),
        ("1", "127.0.0.1", False),
        ("[::1]", "[::1]", True),
        ("1]", "[::1]", False),
        ("localhost", "localhost", True),
        ("no host at all", "example.com", False),
    ],
)
def test_a_host_covers_itself_and_its_sub_domains(allowed: str, hostname: str, admitted: bool) -> None:
    scope = Scope([allowed])
    assert [scope.admits(hostname), scope.admits(hostname)] == [admitted, admitted]


@given(st.ip_addresses(v=4), st.integers(1, 14))
def test_a_host_never_covers_the_end_of_an_ip_address(ip, cut: int) -> None:
    suffix = str(ip)[cut:].strip(".")
    found = address(f"http://{ip}/")
    assert found is not None
    scope = Scope([])
    scope.grow(suffix or "x")
    assert scope.admits(found.hostname) == (suffix == found.hostname)


@given(st.ip_addresses(v=6), st.integers(1, 20))
def test_nor_the_end_of_an_ipv6_address(ip, cut: int) -> None:
    hostname = f"[{ip}]"
    scope = Scope([])
    scope.grow(hostname[cut:] or "x")
    assert not scope.admits(hostname)


@pytest.mark.parametrize("allowed", [None, [], ()])
def test_without_hosts_a_scope_grows_by_the_seeds(allowed) -> None:
    scope = Scope(allowed)
    assert not scope.admits("shop.example.com")
    scope.grow("www.example.com")
    scope.grow("www.example.com")
    scope.grow("other.example.")
    hosts = ["shop.example.com", "example.com", "other.example", "www.other.example", "third.example"]
    assert [scope.admits(host) for host in hosts] == [True, True, True, True, False]


def test_a_scope_with_hosts_does_not_grow() -> None:
    scope = Scope(["example.com"])
    scope.grow("other.example")
    assert not scope.admits("other.example")


def test_the_site_www_com_is_not_all_of_com() -> None:
    scope = Scope()
    scope.grow("www.com")
    assert [scope.admits("www.com"), scope.admits("example.com")] == [True, False]


def test_endless_sub_domains_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope_module, "_CACHE", 10)
    scope = Scope(["example.com"])
    verdicts = [scope.admits(f"h{number}.{name}") for number in range(50) for name in ("example.com", "b.example")]
    assert (verdicts, len(scope._verdicts) <= 10) == ([True, False] * 50, True)
