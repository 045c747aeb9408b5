"""Credentials go to their origin, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import crawler
from crawler.errors import ConfigError
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BASIC = "Basic YW5uOnMzY3JldA=="


def sent(head: bytes) -> list[str]:
    """The Authorization headers of a request."""
    lines = head.decode("latin-1").split("\r\n")
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")]


async def test_they_go_to_that_origin_alone(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    mine, other = await raw_server(OK), await raw_server(OK)
    fetcher = open_fetcher(credentials={mine.url[:-1]: "basic ann:s3cret"})
    for url in (mine.url, f"{mine.url}robots.txt", f"{mine.url}a/b?c", other.url, mine.url):
        await fetcher.fetch(Request(url))
    await fetcher.fetch(Request(f"http://localhost:{mine.port}/"))  # the same server, another host
    assert [sent(head) for head in mine.requests] == [[BASIC], [BASIC], [BASIC], [BASIC], []]
    assert [sent(head) for head in other.requests] == [[]]


async def test_the_scheme_is_part_of_the_origin(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    await open_fetcher(credentials={f"https://127.0.0.1:{server.port}": "bearer t0ken"}).fetch(Request(server.url))
    assert sent(server.requests[0]) == []


async def test_what_the_request_says_wins(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    fetcher = open_fetcher(credentials={server.url[:-1]: "bearer t0ken"})
    with_userinfo = server.url.replace("http://", "http://ann:s3cret@")
    await fetcher.fetch(Request(server.url, headers={"authorization": "Mine 1"}))
    await fetcher.fetch(Request(with_userinfo))
    await fetcher.fetch(Request(with_userinfo, headers={"AUTHORIZATION": "Mine 2"}))
    await fetcher.fetch(Request(f"{server.url}@x", headers={"X": "1"}))
    assert [sent(head) for head in server.requests] == [["Mine 1"], [BASIC], ["Mine 2"], ["Bearer t0ken"]]


async def test_they_are_not_kept_on_the_request(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    request = Request(server.url, headers={"X": "1"})
    response = await open_fetcher(credentials={server.url[:-1]: "bearer t0ken"}).fetch(request)
    assert sent(server.requests[0]) == ["Bearer t0ken"]
    assert request.headers == {"X": "1"}
    assert "t0ken" not in repr(response)


async def test_a_secret_comes_from_the_environment(
    raw_server: StartRaw, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "t0ken")
    server = await raw_server(OK)
    await open_fetcher(credentials={server.url[:-1]: "bearer ${API_TOKEN}"}).fetch(Request(server.url))
    assert sent(server.requests[0]) == ["Bearer t0ken"]
    monkeypatch.delenv("API_TOKEN")
    with pytest.raises(ConfigError, match="credentials: there is no variable API_TOKEN in the environment"):
        open_fetcher(credentials={server.url[:-1]: "bearer ${API_TOKEN}"})


async def test_over_redirects_and_retries_each_origin_sees_its_own(raw_server: StartRaw) -> None:
    """a -> b -> a: a asks for a password, b gets none, and a gets it again; the first answer of a is a 503."""
    servers: dict[str, Any] = {}

    async def at_a(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await servers["a"].head(reader)
            path = head.split(b" ")[1]
            asked = [line for line in servers["a"].requests if line.split(b" ")[1] == path]
            if path == b"/" and len(asked) == 1:
                writer.write(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n")
            elif path == b"/":
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: {servers['b'].url}\r\n".encode())
                writer.write(b"Content-Length: 0\r\n\r\n")
            elif path == b"/robots.txt":
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(OK)

    async def at_b(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await servers["b"].head(reader)
            if b"/robots.txt" in head:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: {servers['a'].url}end\r\n".encode())
                writer.write(b"Content-Length: 0\r\n\r\n")

    servers["a"], servers["b"] = await raw_server(at_a), await raw_server(at_b)

    class Walk(crawler.Spider):
        name = "walk"
        start_urls = [servers["a"].url]
        allowed_hosts = ["127.0.0.1"]

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}

    settings = {"credentials": {servers["a"].url[:-1]: "basic ann:s3cret"}, "delay": 0.0, "retry_wait": 0.01}
    known = {name: value for name, value in settings.items() if name != "retry_wait"}
    items = [item async for item in crawler.crawl(Walk, settings=known)]
    assert items == [{"url": f"{servers['a'].url}end"}]
    assert len(servers["a"].requests) == 4  # robots.txt, 503, 302, the end
    assert [sent(head) for head in servers["a"].requests] == [[BASIC]] * 4
    assert len(servers["b"].requests) == 2
    assert [sent(head) for head in servers["b"].requests] == [[]] * 2
