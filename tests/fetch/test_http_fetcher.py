from __future__ import annotations

import asyncio
import gzip
import inspect
import shutil
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import brotli
import msgspec
import pytest
from aiohttp import client_exceptions, web
from yarl import URL

from crawler.errors import (
    BlockedAddress,
    BodyTooLarge,
    ConnectFailed,
    Disconnected,
    DNSFailed,
    FetchError,
    FetchTimeout,
    InvalidRequest,
    MalformedResponse,
    TLSFailed,
    TruncatedBody,
)
from crawler.fetch.answer import MalformedBody
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.translate import translate
from crawler.request import Request
from crawler.response import Response

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def deflated(body: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", lambda body: deflated(body, -15)),
    "br": ("br", lambda body: brotli.compress(body, quality=1)),
    "zstd": ("zstd", zstd.compress),
}


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def keeping_on(reply: bytes) -> Callable[..., Awaitable[None]]:
    """A server that gives *reply* to each request of a connection, until the client hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()

    return talk


async def get(fetcher: HttpFetcher, url: str, **fields: Any) -> Response:
    return await fetcher.fetch(Request(url, **fields))


# What is sent.


@pytest.fixture
async def mirror(aiohttp_server: Any) -> str:
    """The URL of a server that answers with what it was sent, as JSON."""

    async def reflect(request: web.Request) -> web.Response:
        body = await request.read()
        seen = {
            "method": request.method,
            "target": request.raw_path,
            "headers": {name.lower(): request.headers.getall(name) for name in request.headers},
            "cookies": dict(request.cookies),
            "body": body.decode(),
        }
        response = web.json_response(seen)
        if "set" in request.query:
            response.set_cookie("session", request.query["set"], path="/")
        return response

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", reflect)
    return str((await aiohttp_server(app)).make_url("/"))


async def seen_by(fetcher: HttpFetcher, url: str, **fields: Any) -> dict[str, Any]:
    seen: dict[str, Any] = msgspec.json.decode((await get(fetcher, url, **fields)).body)
    return seen


async def test_a_plain_request_says_who_asks_and_what_it_takes(mirror: str, open_fetcher: OpenFetcher) -> None:
    seen = await seen_by(open_fetcher(user_agent="MyBot/1.0 (+https://a.example)"), mirror)
    headers = seen["headers"]
    assert (seen["method"], seen["body"], seen["cookies"]) == ("GET", "", {})
    assert headers["user-agent"] == ["MyBot/1.0 (+https://a.example)"]
    assert headers["accept"][0].startswith("text/html,")
    assert set(headers["accept-encoding"][0].split(", ")) == {"gzip", "deflate", "br", "zstd"}
    assert "authorization" not in headers


async def test_a_response_says_what_came(mirror: str, open_fetcher: OpenFetcher) -> None:
    response = await get(open_fetcher(), f"{mirror}a#part")
    assert (response.url, response.status) == (f"{mirror}a#part", 200)
    assert response.headers["CONTENT-type"] == "application/json; charset=utf-8"
    assert 0 < response.elapsed < 5


async def test_a_head_request_has_no_body_whatever_length_is_told(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(answer(length=10**9))
    response = await get(open_fetcher(max_body=1000), server.url, method="HEAD")
    assert (response.status, response.body) == (200, b"")
    assert server.requests[0].startswith(b"HEAD / HTTP/1.1\r\n")


PAYLOADS = [
    ({"body": b"a=1"}, "a=1", "application/octet-stream"),
    ({"body": "naïve", "headers": {"Content-Type": "text/plain"}}, "naïve", "text/plain"),
    ({"body": b""}, "", None),
    ({"json": {"naïve": [1, None]}}, '{"naïve":[1,null]}', "application/json"),
    ({"json": []}, "[]", "application/json"),
    ({"json": 1, "headers": {"content-type": "application/vnd.api+json"}}, "1", "application/vnd.api+json"),
    ({"form": {"a": "1 & 2", "é": ""}}, "a=1+%26+2&%C3%A9=", "application/x-www-form-urlencoded"),
]


@pytest.mark.parametrize(("fields", "body", "content_type"), PAYLOADS)
async def test_a_payload_is_sent_with_its_type(
    mirror: str, open_fetcher: OpenFetcher, fields: dict[str, Any], body: str, content_type: str | None
) -> None:
    seen = await seen_by(open_fetcher(), mirror, method="POST", **fields)
    assert (seen["method"], seen["body"]) == ("POST", body)
    if content_type is not None:
        assert seen["headers"]["content-type"] == [content_type]


@pytest.mark.parametrize("spelling", ["X-Key", "x-key"])
async def test_headers_of_a_request_go_over_those_of_the_settings_and_those_over_ours(
    mirror: str, open_fetcher: OpenFetcher, spelling: str
) -> None:
    fetcher = open_fetcher(headers={"X-Key": "all", "user-agent": "Mine/1", "Accept-Language": "de"})
    seen = await seen_by(fetcher, mirror, headers={spelling: "one", "accept": "*/*"})
    headers = seen["headers"]
    assert (headers["x-key"], headers["accept"]) == (["one"], ["*/*"])
    assert (headers["user-agent"], headers["accept-language"]) == (["Mine/1"], ["de"])
    assert (await seen_by(fetcher, mirror))["headers"]["x-key"] == ["all"]


async def test_cookies_of_a_request_are_sent_with_it_alone(mirror: str, open_fetcher: OpenFetcher) -> None:
    fetcher = open_fetcher()
    assert (await seen_by(fetcher, mirror, cookies={"a": "1", "b": "2"}))["cookies"] == {"a": "1", "b": "2"}
    assert (await seen_by(fetcher, mirror))["cookies"] == {}


async def test_cookies_that_a_site_sets_come_back_beside_those_of_the_request(
    mirror: str, open_fetcher: OpenFetcher
) -> None:
    fetcher = open_fetcher()
    await get(fetcher, f"{mirror}?set=s1")
    assert (await seen_by(fetcher, f"{mirror}b", cookies={"a": "1"}))["cookies"] == {"session": "s1", "a": "1"}
    assert (await seen_by(fetcher, mirror, cookies={"session": "mine"}))["cookies"] == {"session": "mine"}
    assert (await seen_by(fetcher, mirror))["cookies"] == {"session": "s1"}


async def test_without_cookies_nothing_is_kept_and_those_of_a_request_are_sent(
    mirror: str, open_fetcher: OpenFetcher
) -> None:
    fetcher = open_fetcher(cookies=False)
    await get(fetcher, f"{mirror}?set=s1")
    assert (await seen_by(fetcher, mirror, cookies={"a": "1"}))["cookies"] == {"a": "1"}


@pytest.mark.parametrize("value", ["abc", "a/b==", "a b", "x=y&z", "{1:2}"])
async def test_cookie_values_are_sent_as_they_were_written(
    raw_server: StartRaw, open_fetcher: OpenFetcher, value: str
) -> None:
    server = await raw_server(answer(b"ok", f"Set-Cookie: s={value}; Path=/"))
    keeping, forgetting = open_fetcher(), open_fetcher(cookies=False)
    await get(keeping, server.url)
    await get(keeping, server.url)
    await get(keeping, server.url, cookies={"s": value})
    await get(forgetting, server.url, cookies={"s": value})
    sent = [f"Cookie: s={value}\r\n".encode() in head for head in server.requests]
    assert sent == [False, True, True, True]


TARGETS = [
    "/",
    "/a%2Fb/%e4%b8%ad?q=%C3%A9%20x&r=+",
    "/a//b/./c;d=1/,x!$'()*:@~",
    "/%7Euser/%zz%",
    "/?a=b?c=/d&&e==",
    "/a|b?x={1}^[2]",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_a_url_reaches_the_server_byte_for_byte(
    raw_server: StartRaw, open_fetcher: OpenFetcher, target: str
) -> None:
    server = await raw_server(OK)
    await get(open_fetcher(), server.url + target[1:])
    assert server.requests[0].split(b"\r\n")[0] == f"GET {target} HTTP/1.1".encode()


async def test_letters_outside_ascii_are_sent_as_utf_8(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    await get(open_fetcher(), f"{server.url}é?ü")
    assert server.requests[0].split(b"\r\n")[0] == "GET /é?ü HTTP/1.1".encode()


INVALID = [
    ("a header", {"headers": {"X-A": "1\r\nX-B: 2"}}),
    ("a header's name", {"headers": {"X-A\r\nX-B": "1"}}),
    ("a blank in a header's name", {"headers": {"X A": "1"}}),
    ("a method", {"method": "GET / HTTP/1.1\r\nX-B: 2\r\nX:"}),
    ("a cookie", {"cookies": {"a": "1\r\nX-B: 2"}}),
]


@pytest.mark.parametrize("fields", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
async def test_what_can_be_no_header_makes_the_request_invalid(
    raw_server: StartRaw, open_fetcher: OpenFetcher, fields: dict[str, Any]
) -> None:
    server = await raw_server(OK)
    with pytest.raises(InvalidRequest) as caught:
        await get(open_fetcher(), server.url, **fields)
    assert (caught.value.url, caught.value.reason, caught.value.retryable) == (server.url, "invalid_request", False)
    assert server.requests == []


async def test_a_line_break_in_a_url_is_lost(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    await get(open_fetcher(), f"{server.url}a\r\nX-B:2")
    assert server.requests[0].startswith(b"GET /aX-B:2 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "url", ["http://", "ftp://a.example/", "a.example", "http:///x", "http://a.example:99999/", ""]
)
async def test_what_is_no_http_url_is_an_invalid_request(open_fetcher: OpenFetcher, url: str) -> None:
    with pytest.raises(InvalidRequest):
        await get(open_fetcher(), url)


async def test_proxy_variables_and_netrc_are_not_heeded(
    mirror: str, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert "authorization" not in (await seen_by(open_fetcher(), mirror))["headers"]


# on_sent.


async def test_on_sent_is_called_once_and_before_the_answer(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    events: list[str] = []
    sent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await sent.wait()
        events.append("answer")
        writer.write(OK)

    def on_sent() -> None:
        events.append("sent")
        sent.set()

    server = await raw_server(talk)
    await open_fetcher().fetch(Request(server.url), on_sent)
    assert events == ["sent", "answer"]


async def test_on_sent_is_called_for_each_request_and_not_for_those_that_have_none(
    mirror: str, open_fetcher: OpenFetcher
) -> None:
    fetcher, calls = open_fetcher(), []
    await fetcher.fetch(Request(mirror), lambda: calls.append("first"))
    await fetcher.fetch(Request(mirror))
    await fetcher.fetch(Request(mirror, method="POST", body="x"), lambda: calls.append("second"))
    assert calls == ["first", "second"]


async def test_on_sent_is_not_called_if_nothing_was_sent(open_fetcher: OpenFetcher, unused_tcp_port: int) -> None:
    calls: list[str] = []
    with pytest.raises(ConnectFailed):
        await open_fetcher().fetch(Request(f"http://127.0.0.1:{unused_tcp_port}/"), lambda: calls.append("sent"))
    assert calls == []


async def one_answer_per_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keeps the connection, and hangs up on its second request."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await reader.readuntil(b"\r\n\r\n")


async def test_on_sent_is_called_once_even_if_a_kept_connection_was_dead(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(one_answer_per_connection)
    fetcher, calls = open_fetcher(), []
    await fetcher.fetch(Request(server.url), lambda: calls.append("first"))
    response = await fetcher.fetch(Request(server.url), lambda: calls.append("second"))
    assert (response.body, server.connections) == (b"ok", 2)
    assert calls == ["first", "second"]


async def test_a_post_is_not_sent_twice_if_a_kept_connection_was_dead(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(one_answer_per_connection)
    fetcher = open_fetcher()
    await get(fetcher, server.url)
    with pytest.raises(Disconnected):
        await get(fetcher, server.url, method="POST", body="x")
    assert server.connections == 1


# Connections.


async def test_a_connection_is_kept_for_the_next_request(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(keeping_on(OK))
    fetcher = open_fetcher()
    for on_sent in (None, lambda: None, None):
        await fetcher.fetch(Request(server.url), on_sent)
    assert server.connections == 1


@pytest.mark.parametrize("count", [200])
async def test_the_number_of_connections_is_not_bounded_here(
    raw_server: StartRaw, open_fetcher: OpenFetcher, count: int
) -> None:
    gate = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if server.connections == count:
            gate.set()
        await gate.wait()
        writer.write(OK)

    server = await raw_server(talk)
    fetcher = open_fetcher()
    answers = await asyncio.gather(*(get(fetcher, server.url) for _ in range(count)))
    assert [response.body for response in answers] == [b"ok"] * count


async def test_a_body_that_was_too_large_costs_its_connection(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(keeping_on(answer(b"x" * 1_000_000)))
    fetcher = open_fetcher(max_body=1000)
    for _ in range(2):
        with pytest.raises(BodyTooLarge):
            await get(fetcher, server.url)
    assert server.connections == 2


# Redirects.


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_handed_back_and_its_connection_kept(
    raw_server: StartRaw, open_fetcher: OpenFetcher, status: str
) -> None:
    server = await raw_server(keeping_on(answer(b"moved", "Location: /b?c#d", status=status)))
    fetcher = open_fetcher()
    for _ in range(2):
        response = await get(fetcher, server.url)
        assert (response.url, response.status, response.is_redirect) == (server.url, int(status[:3]), True)
        assert (response.headers["Location"], response.body) == ("/b?c#d", b"")
    assert server.connections == 1


async def test_a_redirect_waits_for_a_short_body_to_keep_its_connection(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(b"", "Location: /b", status="302 Found", length=5))
            await asyncio.sleep(0.02)  # the body comes in a packet of its own
            writer.write(b"moved")

    server = await raw_server(talk)
    fetcher = open_fetcher()
    for _ in range(2):
        assert (await get(fetcher, server.url)).status == 302
    assert server.connections == 1


LONG_REDIRECTS = [
    ("long", answer(b"x" * 2_000_000, "Location: /b", status="302 Found")),
    ("endless", answer(b"x" * 100_000, "Location: /b", status="302 Found", length=10**12)),
    ("chunked", b"HTTP/1.1 302 Found\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ("packed", answer(gzip.compress(b"x"), "Location: /b", "Content-Encoding: gzip", status="302 Found")),
    ("no length", b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\nabc"),
]


@pytest.mark.parametrize("reply", [row[1] for row in LONG_REDIRECTS], ids=[row[0] for row in LONG_REDIRECTS])
async def test_a_redirect_does_not_wait_for_a_long_body(
    raw_server: StartRaw, open_fetcher: OpenFetcher, reply: bytes
) -> None:
    server = await raw_server(keeping_on(reply))
    fetcher = open_fetcher(timeout=5)
    begun = time.perf_counter()
    for _ in range(2):
        response = await get(fetcher, server.url)
        assert (response.headers["Location"], response.body) == ("/b", b"")
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("closes", [True, False])
async def test_a_redirect_counts_though_its_body_never_comes(
    raw_server: StartRaw, open_fetcher: OpenFetcher, closes: bool
) -> None:
    reply = answer(b"", "Location: /b", status="302 Found", length=100)
    server = await raw_server(reply if closes else keeping_on(reply))
    response = await get(open_fetcher(read_timeout=0.1), server.url)
    assert (response.status, response.headers["Location"]) == (302, "/b")


# Bodies.


@pytest.mark.parametrize("name", PACKERS)
async def test_packed_bodies_are_unpacked(raw_server: StartRaw, open_fetcher: OpenFetcher, name: str) -> None:
    encoding, pack = PACKERS[name]
    body = b"<p>" + bytes(range(256)) * 1000
    server = await raw_server(answer(pack(body), f"Content-Encoding: {encoding}"))
    assert (await get(open_fetcher(), server.url)).body == body


async def test_a_chunked_body_is_joined(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (await get(open_fetcher(), server.url)).body == b"abcde"


async def test_a_body_without_a_length_ends_with_its_connection(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert (await get(open_fetcher(), server.url)).body == b"abc"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "404 Not Found", "500 Oops", "999 Denied"])
async def test_every_status_is_a_response(raw_server: StartRaw, open_fetcher: OpenFetcher, status: str) -> None:
    body = b"" if status[:3] in ("204", "304") else b"sorry"
    server = await raw_server(answer(body, status=status))
    response = await get(open_fetcher(), server.url)
    assert (response.status, response.body, response.is_success) == (int(status[:3]), body, status[0] == "2")


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("wrap", [answer, chunked, lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body])
async def test_a_body_may_be_as_long_as_max_body_and_no_byte_longer(
    raw_server: StartRaw, open_fetcher: OpenFetcher, wrap: Callable[[bytes], bytes]
) -> None:
    limit = 100_000
    fetcher = open_fetcher(max_body=limit)
    fits, long = await raw_server(wrap(b"x" * limit)), await raw_server(wrap(b"x" * (limit + 1)))
    assert len((await get(fetcher, fits.url)).body) == limit
    with pytest.raises(BodyTooLarge, match=f"max_body (is|=) {limit}"):
        await get(fetcher, long.url)


async def test_a_length_past_max_body_is_enough_to_give_up(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(keeping_on(answer(b"", length=10**12)))
    with pytest.raises(BodyTooLarge, match="1000000000000"):
        await get(open_fetcher(), server.url)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
async def test_a_decompression_bomb_costs_little(raw_server: StartRaw, open_fetcher: OpenFetcher, name: str) -> None:
    encoding, pack = PACKERS[name]
    bomb = pack(bytes(64 * 1024 * 1024))
    server = await raw_server(answer(bomb, f"Content-Encoding: {encoding}"))
    fetcher = open_fetcher(max_body=1024 * 1024)
    begun = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await get(fetcher, server.url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(bomb) < 100_000
    assert peak < 12 * 1024 * 1024
    assert time.perf_counter() - begun < 2


async def test_large_headers_and_many_of_them_are_accepted(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    many = [f"X-{number}: {number}" for number in range(5_000)]
    server = await raw_server(answer(b"ok", f"X-Large: {'x' * 150_000}", *many))
    headers = (await get(open_fetcher(), server.url)).headers
    assert (len(headers["X-Large"]), headers["X-4999"]) == (150_000, "4999")


async def test_a_header_that_stands_twice_is_kept_twice(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(answer(b"ok", "Link: <a>", "Link: <b>"))
    assert (await get(open_fetcher(), server.url)).headers.getall("link") == ["<a>", "<b>"]


# Errors.


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def silence_after(begin: bytes) -> Callable[..., Awaitable[None]]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        await reader.read()

    return talk


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_host_name_without_an_address_is_a_dns_failure(open_fetcher: OpenFetcher) -> None:
    with pytest.raises(DNSFailed) as caught:
        await get(open_fetcher(), "http://no-such-host.invalid/")
    assert (caught.value.reason, caught.value.retryable) == ("dns", True)


async def test_a_refused_port_is_a_failure_to_connect(open_fetcher: OpenFetcher, unused_tcp_port: int) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await get(open_fetcher(), f"http://127.0.0.1:{unused_tcp_port}/")
    assert (caught.value.reason, caught.value.retryable, caught.value.is_refusal) == ("connect", True, True)


async def test_a_port_that_never_accepts_is_a_failure_to_connect(open_fetcher: OpenFetcher) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        full = [socket.socket() for _ in range(4)]  # its queue takes no more after these
        try:
            for waiting in full:
                waiting.setblocking(False)
                waiting.connect_ex(address)
            with pytest.raises(ConnectFailed):
                await get(open_fetcher(connect_timeout=0.2), f"http://127.0.0.1:{address[1]}/")
        finally:
            for waiting in full:
                waiting.close()


@pytest.mark.parametrize(
    ("talk", "options"),
    [
        (silence, {"timeout": 0.2}),
        (silence, {"read_timeout": 0.2}),
        (silence_after(b"HTTP/1.1 200 OK\r\nConte"), {"read_timeout": 0.2}),
        (silence_after(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), {"read_timeout": 0.2}),
        (drip, {"timeout": 0.2}),
    ],
    ids=["silent, whole page", "silent", "silent in the headers", "silent in the body", "dripping"],
)
async def test_an_answer_that_takes_too_long_is_a_timeout(
    raw_server: StartRaw, open_fetcher: OpenFetcher, talk: Callable[..., Awaitable[None]], options: dict[str, float]
) -> None:
    server = await raw_server(talk)
    begun = time.perf_counter()
    with pytest.raises(FetchTimeout) as caught:
        await get(open_fetcher(**options), server.url)
    assert (caught.value.reason, caught.value.retryable) == ("timeout", True)
    assert caught.value.detail
    assert time.perf_counter() - begun < 2


BROKEN_OFF = {
    "at once": b"",
    "in the headers": b"HTTP/1.1 200 OK\r\nContent-",
    "after an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("reply", BROKEN_OFF.values(), ids=BROKEN_OFF)
async def test_an_answer_that_breaks_off_is_a_disconnection(
    raw_server: StartRaw, open_fetcher: OpenFetcher, reply: bytes
) -> None:
    server = await raw_server(reply)
    with pytest.raises(Disconnected) as caught:
        await get(open_fetcher(), server.url)
    assert (caught.value.url, caught.value.reason, caught.value.retryable) == (server.url, "disconnected", True)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def test_a_reset_connection_is_a_disconnection(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(reset)
    with pytest.raises(Disconnected):
        await get(open_fetcher(), server.url)


MALFORMED = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "binary": bytes(range(128, 256)) + b"\r\n\r\n",
    "short": b"?\r\n",
    "bad status": b"HTTP/1.1 20 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
    "too large a header": answer(b"ok", f"X: {'x' * 300_000}"),
    "too many headers": answer(b"ok", *["X:1"] * 11_000),
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "too long a status": answer(b"ok", status="1000 Much"),
    "an unpackable body": answer(b"this is not gzip", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("reply", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_http_is_a_malformed_response(
    raw_server: StartRaw, open_fetcher: OpenFetcher, reply: bytes
) -> None:
    server = await raw_server(reply)
    with pytest.raises(MalformedResponse) as caught:
        await get(open_fetcher(), server.url)
    assert (caught.value.reason, caught.value.retryable) == ("malformed_response", False)
    assert len(caught.value.detail) <= 300
    assert "\n" not in caught.value.detail


CUT_OFF = {
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    **{
        f"in {name}": answer(pack(b"abc" * 99)[:-5], f"Content-Encoding: {coding}")
        for name, (coding, pack) in PACKERS.items()
    },
}


@pytest.mark.parametrize("reply", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_body_that_ends_early_is_truncated_and_worth_another_try(
    raw_server: StartRaw, open_fetcher: OpenFetcher, reply: bytes
) -> None:
    server = await raw_server(reply)
    with pytest.raises(TruncatedBody) as caught:
        await get(open_fetcher(), server.url)
    assert (caught.value.url, caught.value.reason, caught.value.retryable) == (server.url, "truncated_body", True)


async def test_one_failure_leaves_the_others_alone(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    good, bad = await raw_server(keeping_on(OK)), await raw_server(b"")
    fetcher = open_fetcher()
    urls = [good.url, bad.url] * 10
    answers = await asyncio.gather(*(get(fetcher, url) for url in urls), return_exceptions=True)
    assert [type(one) for one in answers] == [Response, Disconnected] * 10


async def test_a_fetch_that_is_cancelled_ends_at_once(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(silence)
    fetching = asyncio.create_task(get(open_fetcher(), server.url))
    await asyncio.sleep(0.05)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


# TLS.


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate that nobody signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [openssl, *words.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_self_signed_certificate_is_refused(
    raw_server: StartRaw, open_fetcher: OpenFetcher, self_signed: ssl.SSLContext
) -> None:
    server = await raw_server(OK, tls=self_signed)
    with pytest.raises(TLSFailed, match=r"(?i)certificate") as caught:
        await get(open_fetcher(), server.url)
    assert (caught.value.reason, caught.value.retryable) == ("tls", False)
    assert server.requests == []


async def test_a_self_signed_certificate_is_accepted_if_none_is_verified(
    raw_server: StartRaw, open_fetcher: OpenFetcher, self_signed: ssl.SSLContext
) -> None:
    server = await raw_server(OK, tls=self_signed)
    assert (await get(open_fetcher(verify_tls=False), server.url)).body == b"ok"


async def test_a_server_that_speaks_no_tls_is_a_tls_failure(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(OK)

    server = await raw_server(plain)
    with pytest.raises(TLSFailed):
        await get(open_fetcher(), server.url.replace("http:", "https:"))


# Private addresses.


async def test_a_private_address_is_refused_but_to_a_request_that_may_reach_it(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(OK)
    fetcher = open_fetcher(allow_private_hosts=False)
    for url in (server.url, f"http://localhost:{server.port}/"):
        with pytest.raises(BlockedAddress, match="private address") as caught:
            await get(fetcher, url)
        assert (caught.value.reason, caught.value.retryable) == ("private_address", False)
    assert server.connections == 0
    assert (await fetcher.fetch(Request(server.url), inside=True)).body == b"ok"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.255.255.1"])
async def test_private_addresses_are_refused_in_every_form(open_fetcher: OpenFetcher, host: str) -> None:
    with pytest.raises(BlockedAddress):
        await get(open_fetcher(allow_private_hosts=False), f"http://{host}:81/")


# Closing.


async def test_closing_ends_every_connection(raw_server: StartRaw) -> None:
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        ended.set()

    server = await raw_server(talk)
    fetcher = HttpFetcher(FetchOptions(allow_private_hosts=True))
    await get(fetcher, server.url)
    await fetcher.close()
    await asyncio.wait_for(ended.wait(), 5)


SCRIPT = """
import asyncio
from crawler.errors import FetchError
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

async def main():
    async def answer(reader, writer):
        while not reader.at_eof():
            if b"HTTP/1.1" in await reader.readline():
                writer.write(b"HTTP/1.1 404 No\\r\\nContent-Length: 2\\r\\n\\r\\nno")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        fetcher = HttpFetcher(FetchOptions(allow_private_hosts=True, max_body=1))
        for on_sent in (None, lambda: None):
            try:
                await fetcher.fetch(Request(f"http://127.0.0.1:{port}/"), on_sent)
            except FetchError as error:
                print(error.reason)
        await fetcher.close()
        unused = HttpFetcher(FetchOptions())
        await unused.close()

asyncio.run(main(), debug=True)
"""


def test_closing_leaves_no_warnings() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("body_too_large\n" * 2, "", 0)


# Translation.

REQUEST_INFO = aiohttp.RequestInfo(URL("http://a.example/"), "GET", headers=None, real_url=URL("http://a.example/"))  # type: ignore[arg-type]
KEY = SimpleNamespace(host="a.example", port=443, ssl=True, is_ssl=True)
OS_ERROR = OSError(111, "Connection refused")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ClientConnectorCertificateError": (KEY, ssl.CertificateError(1, "self-signed certificate")),
    "UnixClientConnectorError": ("/tmp/socket", KEY, OS_ERROR),
    "ServerFingerprintMismatch": (b"one", b"two", "a.example", 443),
    "InvalidURL": ("http://",),
}


def every_client_exception() -> list[type[Exception]]:
    classes = [value for _, value in inspect.getmembers(client_exceptions, inspect.isclass)]
    return [each for each in classes if issubclass(each, Exception) and each.__module__ == client_exceptions.__name__]


def an_instance(kind: type[Exception]) -> Exception:
    for name in (each.__name__ for each in kind.__mro__):
        if name in ARGUMENTS:
            return kind(*ARGUMENTS[name])
    if issubclass(kind, aiohttp.ClientResponseError):
        return kind(REQUEST_INFO, (), status=400, message="Bad")
    if issubclass(kind, aiohttp.ClientConnectorError):
        return kind(KEY, OS_ERROR)
    return kind()


EXPECTED: dict[str, type[FetchError]] = {
    "ClientConnectorCertificateError": TLSFailed,
    "ClientConnectorDNSError": DNSFailed,
    "ClientConnectorError": ConnectFailed,
    "ClientConnectorSSLError": TLSFailed,
    "ClientHttpProxyError": MalformedResponse,
    "ClientPayloadError": TruncatedBody,
    "ClientProxyConnectionError": ConnectFailed,
    "ClientSSLError": TLSFailed,
    "ConnectionTimeoutError": ConnectFailed,
    "InvalidURL": InvalidRequest,
    "InvalidUrlClientError": InvalidRequest,
    "NonHttpUrlClientError": InvalidRequest,
    "ServerDisconnectedError": Disconnected,
    "ServerFingerprintMismatch": TLSFailed,
    "ServerTimeoutError": FetchTimeout,
    "SocketTimeoutError": FetchTimeout,
}


@pytest.mark.parametrize("kind", every_client_exception(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_has_a_name_of_ours(kind: type[Exception]) -> None:
    ours = translate(an_instance(kind), "http://a.example/")
    assert type(ours) is not FetchError
    assert isinstance(ours, EXPECTED.get(kind.__name__, FetchError))
    assert (ours.url, bool(ours.detail)) == ("http://a.example/", True)


def test_the_table_of_expectations_names_only_errors_that_exist() -> None:
    assert EXPECTED.keys() - {kind.__name__ for kind in every_client_exception()} == set()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), FetchTimeout),
        (ConnectionResetError("reset"), Disconnected),
        (BrokenPipeError(), Disconnected),
        (OSError(101, "Network is unreachable"), ConnectFailed),
        (ssl.SSLError(1, "handshake"), TLSFailed),
        (ValueError("a line break"), InvalidRequest),
        (UnicodeError("label too long"), InvalidRequest),
        (TypeError("no string"), InvalidRequest),
        (MalformedBody("no size of a chunk"), MalformedResponse),
        (RuntimeError("never seen"), FetchError),
    ],
)
def test_errors_of_the_layers_below_have_names_too(error: Exception, expected: type[FetchError]) -> None:
    assert type(translate(error, "http://a.example/")) is expected


def test_the_words_of_an_error_are_one_short_line() -> None:
    assert translate(ValueError("a\n  b"), "").detail == "a b"
    assert len(translate(ValueError("x" * 1000), "").detail) == 300
    assert translate(TimeoutError(), "").detail == "no complete answer in time"
    assert translate(BrokenPipeError(), "").detail == "BrokenPipeError"
