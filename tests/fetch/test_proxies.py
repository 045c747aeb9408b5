"""Over proxies: what they are told, what happens when they fail, and what never reaches them."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import socket
import ssl
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from certificates import Certificates
from proxy_servers import LittleProxy, LittleSocks, basic, running

from crawler.errors import BlockedAddress, ConfigError, FetchError, ProxyFailed, TLSFailed
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED_PORT = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def status(fetcher: HttpFetcher, url: str, **fields: Any) -> int:
    return (await fetcher.fetch(Request(url, **fields))).status


async def failure(fetcher: HttpFetcher, url: str, **fields: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(Request(url, **fields))
    return caught.value


@pytest.fixture
def here(certificates: Certificates) -> ssl.SSLContext:
    return certificates.server("somewhere", "DNS:somewhere.example,IP:127.0.0.1")


# What the proxy and the host are told.


async def test_http_goes_in_absolute_form_with_the_password_for_the_proxy_alone(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(OK)
    proxy = LittleProxy("ann", "s3cret")
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,), headers={"X-Key": "k"})
        assert await status(fetcher, f"http://site.example:{server.port}/a?b=c") == 200
    [head] = proxy.heads
    assert head.startswith(f"GET http://site.example:{server.port}/a?b=c HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {basic('ann', 's3cret')}\r\n" in head
    assert f"Host: site.example:{server.port}\r\n" in head
    assert "User-Agent: crawler/0.1\r\n" in head
    assert "X-Key: k\r\n" in head
    assert b"proxy-auth" not in server.requests[0].lower()


async def test_https_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it(
    raw_server: StartRaw,
    open_fetcher: OpenFetcher,
    certificates: Certificates,
    here: ssl.SSLContext,
) -> None:
    server = await raw_server(OK, tls=here)
    proxy = LittleProxy("ann", "s3cret")
    async with running(proxy):
        fetcher = open_fetcher(
            proxies=(proxy.url,),
            ca_file=str(certificates.ca),
            headers={"X-Api-Key": "k3y"},
            credentials={f"https://somewhere.example:{server.port}": "bearer t0ken"},
        )
        url = f"https://somewhere.example:{server.port}/secret/path"
        assert await status(fetcher, url, cookies={"c": "c00kie"}, headers={"Proxy-Authorization": "m1ne"}) == 200
    [head] = proxy.heads
    assert head.startswith(f"CONNECT somewhere.example:{server.port} HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {basic('ann', 's3cret')}\r\n" in head
    assert "User-Agent: crawler/0.1\r\n" in head
    for secret in ("k3y", "t0ken", "c00kie", "/secret/path", "m1ne"):
        assert secret not in head
    sent = server.requests[0].decode()
    assert "X-Api-Key: k3y\r\n" in sent
    assert "Authorization: Bearer t0ken\r\n" in sent
    assert "Cookie: c=c00kie\r\n" in sent
    assert "proxy-authorization" not in sent.lower()


async def test_no_proxy_sees_the_password_of_another(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    first, second = LittleProxy("ann", "f1rst", answer=b""), LittleProxy("bob", "s3cond")
    async with running(first, second):
        fetcher = open_fetcher(proxies=(first.url, second.url))
        seen = []
        for _ in range(3):  # the first one hangs up, and the repetition goes over the second
            try:
                seen.append(await status(fetcher, f"http://site.example:{server.port}/"))
            except ProxyFailed:
                seen.append(0)
    assert sorted(seen) == [0, 200, 200]
    assert {basic("ann", "f1rst") in head for head in first.heads} == {True}
    assert {basic("bob", "s3cond") in head for head in second.heads} == {True}
    assert not any(basic("bob", "s3cond") in head for head in first.heads)
    assert not any(basic("ann", "f1rst") in head for head in second.heads)
    assert not any(b"proxy-auth" in head.lower() for head in server.requests)


async def test_a_proxy_is_reached_over_tls(
    raw_server: StartRaw,
    open_fetcher: OpenFetcher,
    certificates: Certificates,
    here: ssl.SSLContext,
) -> None:
    plain, encrypted = await raw_server(OK), await raw_server(OK, tls=here)
    proxy = LittleProxy("ann", "s3cret")
    async with running(proxy, tls=certificates.server()):
        assert proxy.url.startswith("https://")
        fetcher = open_fetcher(proxies=(proxy.url,), ca_file=str(certificates.ca))
        assert await status(fetcher, f"http://site.example:{plain.port}/") == 200
        assert await status(fetcher, f"https://somewhere.example:{encrypted.port}/") == 200
    assert [head.split(" ", 1)[0] for head in proxy.heads] == ["GET", "CONNECT"]


async def test_what_is_allowed_for_a_host_is_not_allowed_for_the_proxy(
    raw_server: StartRaw,
    certificates: Certificates,
    here: ssl.SSLContext,
    open_fetcher: OpenFetcher,
) -> None:
    server = await raw_server(OK, tls=here)
    proxy = LittleProxy("ann", "s3cret")
    async with running(proxy, tls=certificates.server()):
        fetcher = open_fetcher(hosts={"somewhere.example": {"verify_tls": False}}, proxies=(proxy.url,))
        error = await failure(fetcher, f"https://somewhere.example:{server.port}/")
    assert (error.reason, proxy.heads) == ("proxy", [])
    assert "certificate" in error.detail


async def test_the_name_of_a_host_is_looked_up_by_the_proxy(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    proxy = LittleProxy()
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,))
        assert await status(fetcher, f"http://site.example:{server.port}/") == 200
        assert proxy.targets == [("site.example", server.port)]
        assert fetcher.address_of("site.example") == ""


# SOCKS.


@pytest.mark.parametrize("user", ["", "ann"])
async def test_socks_takes_names_and_passwords(
    raw_server: StartRaw,
    open_fetcher: OpenFetcher,
    certificates: Certificates,
    here: ssl.SSLContext,
    user: str,
) -> None:
    plain, encrypted = await raw_server(OK), await raw_server(OK, tls=here)
    proxy = LittleSocks(user, "s3cret")
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,), ca_file=str(certificates.ca))
        assert await status(fetcher, f"http://site.example:{plain.port}/") == 200
        assert await status(fetcher, f"https://somewhere.example:{encrypted.port}/") == 200
        assert proxy.targets == [("site.example", plain.port), ("somewhere.example", encrypted.port)]
        assert await status(fetcher, f"http://site.example:{plain.port}/2") == 200
    assert b"GET / HTTP/1.1" in plain.requests[0]
    assert b"User-Agent: crawler/0.1" in plain.requests[0]


async def test_a_wrong_certificate_behind_socks_is_the_host_s(
    raw_server: StartRaw, open_fetcher: OpenFetcher, here: ssl.SSLContext
) -> None:
    server = await raw_server(OK, tls=here)
    proxy = LittleSocks()
    async with running(proxy):
        error = await failure(open_fetcher(proxies=(proxy.url,)), f"https://somewhere.example:{server.port}/")
    assert isinstance(error, TLSFailed)


@pytest.mark.parametrize(
    ("reply", "is_ill", "said"), [(1, True, "General"), (5, False, "refused"), (4, False, "unreachable")]
)
async def test_what_socks_says_of_the_host_does_not_make_the_proxy_ill(
    open_fetcher: OpenFetcher, reply: int, is_ill: bool, said: str
) -> None:
    proxy, other = LittleSocks(reply=reply), LittleSocks(reply=2)
    async with running(proxy, other):
        fetcher = open_fetcher(proxies=(proxy.url, other.url))
        errors = [await failure(fetcher, "http://site.example:81/") for _ in range(4)]
    assert {(error.reason, error.retryable) for error in errors} == {("proxy", True)}
    assert said in errors[0].detail
    assert (len(proxy.targets), len(other.targets)) == ((1, 3) if is_ill else (2, 2))


async def test_a_wrong_password_for_socks_is_told_without_it(open_fetcher: OpenFetcher) -> None:
    proxy = LittleSocks("ann", "right")
    async with running(proxy):
        url = proxy.url.replace("right", "wr0ng")
        error = await failure(open_fetcher(proxies=(url,)), "http://site.example/")
    assert error.reason == "proxy"
    assert "wr0ng" not in str(error)
    assert "authentication" in error.detail


async def test_without_the_library_for_socks_it_is_told_what_to_install(
    open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **named: Any) -> Any:
        if name == "aiohttp_socks":
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r'pip install "crawler\[socks\]"'):
        open_fetcher(proxies=("socks5://127.0.0.1:1080",))


# When a proxy fails.


BROKEN = {
    "refuses connections": None,
    "hangs up": b"",
    "says no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "is overloaded": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "wants a password": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_proxy_that_does_not_work_is_never_the_host_s_fault_and_rests(
    raw_server: StartRaw,
    open_fetcher: OpenFetcher,
    certificates: Certificates,
    here: ssl.SSLContext,
    case: str,
) -> None:
    server = await raw_server(OK, tls=here)
    broken, well = LittleProxy("ann", "s3cret", answer=BROKEN[case]), LittleProxy()
    async with running(broken, well):
        if BROKEN[case] is None:
            await broken.stop()
        fetcher = open_fetcher(proxies=(broken.url, well.url), ca_file=str(certificates.ca))
        url = f"https://somewhere.example:{server.port}/"
        outcomes: list[Any] = []
        for _ in range(6):
            try:
                outcomes.append(await status(fetcher, url))
            except FetchError as error:
                outcomes.append(error)
    [error] = [outcome for outcome in outcomes if outcome != 200]
    assert (type(error), error.reason, error.retryable, error.url) == (ProxyFailed, "proxy", True, url)
    assert f"127.0.0.1:{broken.port}" in error.detail
    shown = "".join(traceback.format_exception(error))
    assert "s3cret" not in shown
    assert basic("ann", "s3cret") not in shown
    assert "407" in error.detail or case != "wants a password"


@pytest.mark.parametrize("case", ["refuses connections", "hangs up", "wants a password"])
async def test_the_same_holds_for_plain_http(raw_server: StartRaw, open_fetcher: OpenFetcher, case: str) -> None:
    server = await raw_server(OK)
    broken, well = LittleProxy(answer=BROKEN[case]), LittleProxy()
    async with running(broken, well):
        if BROKEN[case] is None:
            await broken.stop()
        fetcher = open_fetcher(proxies=(broken.url, well.url))
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(await status(fetcher, f"http://site.example:{server.port}/"))
            except ProxyFailed as error:
                outcomes.append(error.reason)
    assert sorted(outcomes, key=str) == [200, 200, 200, "proxy"]


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 503 Busy\r\n\r\n", b""])
@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_proxy_that_speaks_before_it_is_asked_is_a_failure_of_the_proxy(
    raw_server: StartRaw, open_fetcher: OpenFetcher, said: bytes, hangs_up: bool
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if not hangs_up:
            await reader.read()

    server = await raw_server(talk)
    fetcher = open_fetcher(proxies=(server.url,), timeout=5, connect_timeout=0.5)
    with pytest.raises(ProxyFailed):
        await fetcher.fetch(Request("https://site.example/"))


async def test_a_407_is_no_page(open_fetcher: OpenFetcher) -> None:
    proxy = LittleProxy("ann", "right")
    async with running(proxy):
        error = await failure(open_fetcher(proxies=(proxy.url.replace("right", "wr0ng"),)), "http://site.example/")
    assert isinstance(error, ProxyFailed)
    assert "407: it takes a user name and a password" in error.detail
    assert "wr0ng" not in str(error)


async def test_a_407_of_a_host_is_the_host_s_own(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(BROKEN["wants a password"])
    assert await status(open_fetcher(), server.url) == 407


async def test_a_host_that_cannot_be_reached_does_not_make_its_proxy_ill(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    proxy = LittleProxy()
    dead = free_port()
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url, REFUSED_PORT))
        reasons = [(await failure(fetcher, f"https://dead.example:{dead}/")).detail for _ in range(4)]
    assert sum("502" in reason for reason in reasons) == 3  # the fourth went to the other one, which rests since


async def test_a_wrong_certificate_behind_a_proxy_is_the_host_s(
    raw_server: StartRaw, open_fetcher: OpenFetcher, here: ssl.SSLContext
) -> None:
    server = await raw_server(OK, tls=here)
    proxy = LittleProxy()
    async with running(proxy):
        error = await failure(open_fetcher(proxies=(proxy.url,)), f"https://somewhere.example:{server.port}/")
    assert isinstance(error, TLSFailed)
    assert len(proxy.heads) == 1


async def test_a_silent_proxy_is_a_failure_of_the_proxy(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await raw_server(say_nothing)
    fetcher = open_fetcher(proxies=(f"http://127.0.0.1:{server.port}",), connect_timeout=0.1)
    error = await failure(fetcher, "https://site.example/")
    assert (error.reason, "in time" in error.detail) == ("proxy", True)


async def test_if_all_proxies_are_ill_they_are_tried_all_the_same(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(OK)
    proxy = LittleProxy()
    port = free_port()
    fetcher = open_fetcher(proxies=(f"http://127.0.0.1:{port}",))
    url = f"http://site.example:{server.port}/"
    assert (await failure(fetcher, url)).reason == "proxy"
    await proxy.start(port=port)
    assert await status(fetcher, url) == 200
    await proxy.stop()


# Rotation and sessions.


async def test_requests_go_round_and_sessions_stay(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    proxies = [LittleProxy(), LittleProxy(), LittleProxy()]
    url = f"http://site.example:{server.port}/"
    async with running(*proxies):
        fetcher = open_fetcher(proxies=tuple(proxy.url for proxy in proxies))
        for _ in range(6):
            await status(fetcher, url)
        assert [len(proxy.heads) for proxy in proxies] == [2, 2, 2]
        for _ in range(6):
            await status(fetcher, url, session="ann")
    assert sorted(len(proxy.heads) for proxy in proxies) == [2, 2, 8]


async def test_one_host_has_a_proxy_of_its_own(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    proxy = LittleProxy()
    async with running(proxy):
        fetcher = open_fetcher(hosts={"site.example": {"proxies": (proxy.url,)}})
        assert await status(fetcher, server.url) == 200
        assert proxy.heads == []
        assert await status(fetcher, f"http://www.site.example:{server.port}/") == 200
        assert len(proxy.heads) == 1
        assert fetcher.address_of("127.0.0.1") == "127.0.0.1"
        assert fetcher.address_of("www.site.example") == ""


# What is refused.


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://10.0.0.1/", "http://[::ffff:7f00:1]/", "http://2130706433/",
     "http://169.254.169.254/latest", "http://a.localhost/", "https://printer.local/", "http://127.1/"],
)  # fmt: skip
async def test_a_private_host_is_not_asked_for_at_a_proxy(open_fetcher: OpenFetcher, url: str) -> None:
    proxy = LittleProxy()
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,), allow_private_hosts=False)
        error = await failure(fetcher, url)
    assert isinstance(error, BlockedAddress)
    assert proxy.connections == 0


async def test_a_request_that_may_reach_private_hosts_may_over_a_proxy_too(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(OK)
    proxy = LittleProxy()
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,), allow_private_hosts=False)
        assert (await fetcher.fetch(Request(server.url), inside=True)).status == 200
    assert len(proxy.heads) == 1


async def test_a_host_of_its_own_way_does_not_lend_the_proxy_s_freedom(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    """The proxy may be at a private address; a host that is asked without it may not."""
    server = await raw_server(OK)
    proxy = LittleProxy()
    async with running(proxy):
        fetcher = open_fetcher(hosts={"127.0.0.1": {"proxies": ()}}, proxies=(proxy.url,), allow_private_hosts=False)
        assert await status(fetcher, f"http://site.example:{server.port}/") == 200
        assert isinstance(await failure(fetcher, server.url), BlockedAddress)


async def test_no_variable_of_the_environment_names_a_proxy(
    raw_server: StartRaw, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = LittleProxy()
    server = await raw_server(OK)
    async with running(proxy):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert await status(open_fetcher(), server.url) == 200
    assert proxy.connections == 0


async def test_a_wrong_proxy_is_a_mistake_of_the_configuration(open_fetcher: OpenFetcher) -> None:
    with pytest.raises(ConfigError, match=r"proxies: .* is no URL of a proxy"):
        open_fetcher(proxies=("nonsense",))


async def test_no_password_is_logged(
    raw_server: StartRaw, open_fetcher: OpenFetcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = LittleProxy("ann", "s3cret", answer=b"")
    async with running(broken):
        fetcher = open_fetcher(proxies=(broken.url,))
        with contextlib.suppress(FetchError):
            await status(fetcher, "https://site.example/")
    assert "s3cret" not in caplog.text
