"""Cookies between a fetcher and servers on this machine, byte by byte."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from certificates import Certificates

from crawler.errors import InvalidRequest
from crawler.fetch.http import HttpFetcher
from crawler.fetch.resolve import Resolver
from crawler.frontier.schema import create
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch
from crawler.request import Entry, Request
from crawler.response import Response
from crawler.urls.redirect import redirected

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py


class Visits:
    """What a server says at each path, and which Cookie header each request to it had."""

    def __init__(self, replies: dict[str, list[bytes]]) -> None:
        """*replies*: further header lines, by path; a path that is not there has none."""
        self._replies = replies
        self.cookies: list[tuple[str, bytes | None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].split(b"\r\n")
            path = first.split(b" ")[1].decode()
            fields = [line.split(b": ", 1) for line in lines]
            sent = [value for name, value in fields if name.lower() == b"cookie"]
            assert len(sent) <= 1  # RFC 6265bis, section 5.8.1: one field
            self.cookies.append((path, sent[0] if sent else None))
            length = next((int(value) for name, value in fields if name.lower() == b"content-length"), 0)
            await reader.readexactly(length)
            more = b"".join(line + b"\r\n" for line in self._replies.get(path, []))
            status = b"302 Found" if b"Location:" in more else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\n" + more + b"Content-Length: 2\r\n\r\nok")
            await writer.drain()

    def header(self) -> bytes | None:
        """The Cookie header of the last request."""
        return self.cookies[-1][1]


class Names(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def get(fetcher: HttpFetcher, url: str, **fields: Any) -> Response:
    return await fetcher.fetch(Request(url, **fields))


async def visits(raw_server: StartRaw, **replies: list[bytes]) -> tuple[Visits, str]:
    """A server and its URL, without the slash at its end; *replies* by the first word of their paths."""
    there = Visits({f"/{path}": lines for path, lines in replies.items()})
    return there, (await raw_server(there)).url[:-1]


async def follow(fetcher: HttpFetcher, url: str, hops: int = 5, **fields: Any) -> Request:
    """Fetch *url* and where it redirects to, as a crawl does; the last request of the chain."""
    request = Request(url, **fields)
    for _ in range(hops):
        response = await fetcher.fetch(request)
        if not response.is_redirect:
            return request
        entry = Entry(request, "", request.url[: request.url.index("/", 8)], 0)
        target = redirected(entry, response.status, response.headers["Location"])
        assert isinstance(target, Request)
        request = target
    raise AssertionError("it redirects on and on")


async def test_a_login_that_sets_a_cookie_and_redirects(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    replies = {"login": [b'Set-Cookie: sid="a=1&b"; Path=/; HttpOnly; SameSite=Strict', b"Location: /account"]}
    there, url = await visits(raw_server, **replies)
    await follow(open_fetcher(), f"{url}/login", method="POST", form={"user": "me"})
    assert there.cookies == [("/login", None), ("/account", b'sid="a=1&b"')]


async def test_a_page_that_sets_a_cookie_and_asks_again(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(raw_server, a=[b"Set-Cookie: seen=1", b"Location: /b"], b=[b"Location: /c"])
    await follow(open_fetcher(), f"{url}/a")
    assert there.cookies == [("/a", None), ("/b", b"seen=1"), ("/c", b"seen=1")]


async def test_two_visitors_at_once(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    replies = {f"login{name}": [f"Set-Cookie: who={name}; Path=/".encode()] for name in ("", "a", "b")}
    there, url = await visits(raw_server, **replies)
    fetcher = open_fetcher()
    await asyncio.gather(*(get(fetcher, f"{url}/login{name}", session=name) for name in ("", "a", "b")))
    await asyncio.gather(*(get(fetcher, f"{url}/page{name}", session=name) for name in ("", "a", "b", "c")))
    assert dict(there.cookies[3:]) == {"/page": b"who=", "/pagea": b"who=a", "/pageb": b"who=b", "/pagec": None}


VALUES = [
    b'"quoted"',
    b'"with space, comma"',
    b"a=b==",
    b"=",
    b"{1:2}[3]",
    b"%E9+%20",
    b'\\x41\\"',
    b"<script>",
    "é中\U0001f36a".encode(),
    b"caf\xe9",
    b"\xff\x80 \xc3\xa9\xc3",
    b"",
]


@pytest.mark.parametrize("value", VALUES)
async def test_a_value_goes_back_byte_for_byte(raw_server: StartRaw, open_fetcher: OpenFetcher, value: bytes) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: \xc3\xa9s=" + value + b"; Path=/", b"Set-Cookie: z=1"])
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    await get(fetcher, f"{url}/")
    assert there.header() == b"\xc3\xa9s=" + value + b"; z=1"


async def test_other_bytes_go_with_a_body_and_over_the_same_connection(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    there = Visits({"/set": [b"Set-Cookie: a=\xe9\xff; Path=/", b"Set-Cookie: b=1; Path=/"]})
    server = await raw_server(there)
    fetcher = open_fetcher()
    await get(fetcher, f"{server.url}set")
    for payload in ({}, {"body": b"x" * 100_000}, {"json": {"a": 1}}, {"form": {"a": "1"}}, {}):
        await get(fetcher, server.url, method="POST" if payload else "GET", **payload)
        assert there.header() == b"a=\xe9\xff; b=1"
    await get(fetcher, server.url, cookies={"a": "plain"})
    assert (there.header(), server.connections) == (b"b=1; a=plain", 1)


async def test_no_control_character_goes_with_other_bytes(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=\xe9; Path=/"])
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    with pytest.raises(InvalidRequest):
        await get(fetcher, url, cookies={"b": "1\r\nX-B: 2"})
    assert len(there.cookies) == 1


async def test_cookies_go_in_the_order_of_their_paths_then_of_their_age(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    lines = [b"b=2; Path=/", b"a=1; Path=/", b"d=4; Path=/x/y", b"c=3; Path=/x", b"e=5; Path=/x/z"]
    there, url = await visits(raw_server, set=[b"Set-Cookie: " + line for line in lines])
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    await get(fetcher, f"{url}/x/y")
    assert there.header() == b"d=4; c=3; b=2; a=1"


async def test_a_deleted_cookie_is_sent_no_more(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(
        raw_server,
        set=[b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/"],
        out=[b"Set-Cookie: a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
    )
    fetcher = open_fetcher()
    for path in ("set", "out", ""):
        await get(fetcher, f"{url}/{path}")
    assert there.cookies == [("/set", None), ("/out", b"a=1; b=2"), ("/", b"b=2")]


async def test_the_cookies_of_an_error_page_and_of_a_page_that_breaks_off_count(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    replies = [b"HTTP/1.1 404 No\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"]
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(replies[0])

    server = await raw_server(talk)
    fetcher = open_fetcher()
    await get(fetcher, server.url)
    await get(fetcher, server.url)
    assert [b"Cookie: a=1\r\n" in head for head in requests] == [False, True]


# --- who does not get it ---

STEALS = [
    ("evil.co.uk", "co.uk", "bank.co.uk"),
    ("evil.com", "com", "bank.com"),
    ("me.github.io", "github.io", "you.github.io"),
    ("a.localhost", "localhost", "b.localhost"),
    ("shop.test", "www.shop.test", "www.shop.test"),
    ("shop.test", "", "www.shop.test"),
]


@pytest.mark.parametrize(("setter", "domain", "victim"), STEALS)
async def test_a_cookie_does_not_leave_its_site(
    raw_server: StartRaw, open_fetcher: OpenFetcher, setter: str, domain: str, victim: str
) -> None:
    named = f"; Domain={domain}" if domain else ""
    there, url = await visits(raw_server, set=[f"Set-Cookie: a=1; Path=/{named}".encode()])
    fetcher = open_fetcher(resolver=Resolver(Names()))
    await get(fetcher, url.replace("127.0.0.1", setter) + "/set")
    await get(fetcher, url.replace("127.0.0.1", victim) + "/")
    assert there.header() is None


async def test_a_cookie_of_a_site_reaches_its_subdomains(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=1; Path=/; Domain=.Shop.localhost"])
    fetcher = open_fetcher()
    await get(fetcher, url.replace("127.0.0.1", "www.shop.localhost") + "/set")
    for host in ("img.shop.localhost", "shop.localhost", "xshop.localhost", "localhost"):
        await get(fetcher, url.replace("127.0.0.1", host) + "/")
    assert [sent for _, sent in there.cookies[1:]] == [b"a=1", b"a=1", None, None]


async def test_a_redirect_to_another_host_takes_no_cookie_along(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    there, url = await visits(raw_server)
    elsewhere = url.replace("127.0.0.1", "b.localhost")
    first, home = await visits(
        raw_server, a=[f"Location: {elsewhere}/b".encode(), b"Set-Cookie: mine=1; Path=/"], c=[b"Location: /d"]
    )
    fetcher = open_fetcher()
    given = {"cookies": {"hand": "1"}, "headers": {"Cookie": "written=1"}}
    await follow(fetcher, f"{home}/a", **given)
    await follow(fetcher, f"{home}/c", **given)
    assert first.cookies == [
        ("/a", b"written=1; hand=1"),
        ("/c", b"mine=1; written=1; hand=1"),
        ("/d", b"mine=1; written=1; hand=1"),
    ]
    assert there.cookies == [("/b", None)]


async def test_an_address_is_a_site_of_its_own(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=1; Path=/"])
    other, other_url = await visits(raw_server)
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    await get(fetcher, f"{other_url}/")  # another port is the same host
    assert other.header() == b"a=1"
    await get(fetcher, f"{url}/".replace("127.0.0.1", "localhost"))
    assert there.header() is None


async def test_what_is_secure_goes_over_tls_alone(
    raw_server: StartRaw, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    lines = [b"plain=1", b"s=1; Secure; Path=/", b"__Host-h=1; Secure; Path=/", b"__Secure-n=1", b"__Host-n=1; Path=/"]
    replies = {"/set": [b"Set-Cookie: " + line for line in lines], "/forge": [b"Set-Cookie: s=forged; Path=/"]}
    safe, bare = Visits(replies), Visits(replies)
    tls, plain = await raw_server(safe, certificates.server()), await raw_server(bare)
    fetcher = open_fetcher(ca_file=str(certificates.ca))
    await get(fetcher, f"{plain.url}set")
    await get(fetcher, plain.url)
    assert bare.header() == b"plain=1"
    await get(fetcher, f"{tls.url}set")
    await get(fetcher, f"{plain.url}forge")
    await get(fetcher, tls.url)
    assert (safe.header(), bare.header()) == (b"plain=1; s=1; __Host-h=1", b"plain=1")


# --- those that the user gives ---


async def test_cookies_of_a_request_go_over_those_of_the_site_and_with_it_alone(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/"])
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    await get(fetcher, url, cookies={"a": '"mine, é"', "c": "3"})
    assert there.header() == 'b=2; a="mine, é"; c=3'.encode()
    await get(fetcher, url)
    assert there.header() == b"a=1; b=2"


async def test_a_cookie_header_that_a_user_writes_is_sent_as_it_is(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/"])
    fetcher = open_fetcher(headers={"cookie": "consent=yes"})
    await get(fetcher, f"{url}/set")
    await get(fetcher, url)
    await get(fetcher, url, headers={"COOKIE": "a=7;z = 9"}, json={"a": 1}, method="POST")
    assert [sent for _, sent in there.cookies] == [b"consent=yes", b"a=1; b=2; consent=yes", b"b=2; a=7;z = 9"]


async def test_without_cookies_none_is_kept(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    there, url = await visits(raw_server, set=[b"Set-Cookie: a=1; Path=/"])
    fetcher = open_fetcher(cookies=False)
    await get(fetcher, f"{url}/set")
    await get(fetcher, url)
    assert (there.header(), fetcher.new_cookies()) == (None, [])


@pytest.mark.parametrize("value", ["1\r\nX-B: 2", "1\n", "\x00"])
async def test_a_control_character_in_a_cookie_makes_the_request_invalid(
    raw_server: StartRaw, open_fetcher: OpenFetcher, value: str
) -> None:
    there, url = await visits(raw_server)
    with pytest.raises(InvalidRequest):
        await get(open_fetcher(), url, cookies={"a": value})
    assert there.cookies == []


# --- hostile servers ---


async def test_a_flood_of_cookies_is_bounded(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    big = b"x" * 4000
    there, url = await visits(raw_server, set=[b"Set-Cookie: n%d=%b; Path=/" % (n, big) for n in range(60)])
    fetcher = open_fetcher()
    for _ in range(3):
        await get(fetcher, f"{url}/set")
    await get(fetcher, url)
    assert 4_000 < len(there.header() or b"") < 8_190
    assert len(fetcher.new_cookies()) == 60


async def test_a_cookie_that_is_too_long_is_ignored(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    lines = [b"Set-Cookie: a=" + b"x" * 4096, b"Set-Cookie: b=1; Path=/" + b"y" * 1025, b"Set-Cookie: c=1"]
    there, url = await visits(raw_server, set=lines)
    fetcher = open_fetcher()
    await get(fetcher, f"{url}/set")
    await get(fetcher, url)
    assert there.header() == b"b=1; c=1"


# --- over a resume ---


async def test_a_job_goes_on_with_the_very_cookies_that_it_had(
    raw_server: StartRaw, open_fetcher: OpenFetcher, tmp_path: Path
) -> None:
    lines = [b'q="a=b c"', b"u=\xc3\xa9; Max-Age=600", b"x=1; Path=/deep", b"d=1; Domain=shop.localhost", b"gone=1"]
    there, url = await visits(
        raw_server,
        set=[b"Set-Cookie: " + (line if b"Path" in line else line + b"; Path=/") for line in lines],
        out=[b"Set-Cookie: gone=; Max-Age=0; Path=/"],
    )
    url = url.replace("127.0.0.1", "www.shop.localhost")
    database = tmp_path / "frontier.sqlite3"
    create(database, {"seed": 1}, syncs=False)
    first = open_fetcher()

    async def commit() -> None:
        store = SqliteStore(database, syncs=False)
        await store.open()
        await store.commit(Batch(cookies=first.new_cookies()))
        await store.close()

    for session in ("", "a"):
        await get(first, f"{url}/set", session=session)
    await commit()
    await get(first, f"{url}/out", session="a")
    await commit()

    second = open_fetcher()
    store = SqliteStore(database, syncs=False)
    second.restore_cookies((await store.open()).cookies)
    await store.close()

    sent = []
    for fetcher in (first, second):
        for host in ("www.shop", "img.shop"):
            for session in ("", "a", "b"):
                await get(fetcher, url.replace("www.shop", host) + "/deep", session=session)
                sent.append(there.header())
    assert sent[:6] == sent[6:]
    assert sent[:3] == [b'x=1; q="a=b c"; u=\xc3\xa9; d=1; gone=1', b'x=1; q="a=b c"; u=\xc3\xa9; d=1', None]
    assert sent[3:6] == [b"d=1", b"d=1", None]
    assert second.new_cookies() == []
