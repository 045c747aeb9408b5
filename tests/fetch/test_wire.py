"""What must hold of the bytes on a connection beyond the table of endpoints: leftovers, floods, and the library below."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from endpoints import BR, DEFLATE, GZIP, PAGE, ZSTD, chunks, head, packed, sized

from crawler import Spider
from crawler.api import crawl
from crawler.errors import FetchError, FetchTimeout, MalformedResponse, TruncatedBody
from crawler.fetch import answer, wire
from crawler.fetch.chunks import BadChunk, Chunks
from crawler.fetch.http import HttpFetcher
from crawler.fetch.mend import Unmendable, mended
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SMUGGLED = sized(body=b"<p>smuggled</p>")


def answering(*replies: bytes) -> Talk:
    """A connection's replies, one for each request; then it waits for the client to hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
        await reader.read()

    return talk


async def body_of(fetcher: HttpFetcher, url: str) -> bytes:
    return (await fetcher.fetch(Request(url))).body


# What a server sends beyond its answer.

FIRST = {
    "sized": sized(),
    "chunked": chunks(b"c\r\n" + PAGE + b"\r\n0\r\n\r\n"),
    "empty": sized(body=b""),
    "204": head(status="HTTP/1.1 204 None"),
    "304": head("Content-Length: 12", status="HTTP/1.1 304 Same"),
    "204 in chunks": head("Transfer-Encoding: chunked", status="HTTP/1.1 204 None"),
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
@pytest.mark.parametrize("extra", [SMUGGLED, SMUGGLED[:40], SMUGGLED[:3], b"\r\n", b"0\r\n\r\n"])
async def test_what_comes_with_an_answer_is_never_the_answer_to_the_next_request(
    raw_server: StartRaw, open_fetcher: OpenFetcher, first: bytes, extra: bytes
) -> None:
    server = await raw_server(answering(first + extra, SMUGGLED))
    fetcher = open_fetcher(timeout=5)
    own = await body_of(fetcher, server.url)
    assert own in {PAGE, b""}
    assert await body_of(fetcher, server.url) == own
    assert server.connections == 2


@pytest.mark.parametrize("extra", [SMUGGLED, SMUGGLED[:40], b"\r\n"])
@pytest.mark.parametrize("waits", [True, False], ids=["seen by the loop", "unread"])
async def test_what_comes_while_a_connection_rests_costs_it(
    raw_server: StartRaw, open_fetcher: OpenFetcher, extra: bytes, waits: bool
) -> None:
    said = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sized())
        await asyncio.sleep(0.02)
        writer.write(extra)
        said.set()
        await reader.read()

    server = await raw_server(talk)
    fetcher = open_fetcher(timeout=5)
    for _ in range(2):
        said.clear()
        assert await body_of(fetcher, server.url) == PAGE
        await said.wait()
        if waits:
            await asyncio.sleep(0.02)
    assert server.connections == 2


@pytest.mark.parametrize("first", [row for name, row in FIRST.items() if name != "204 in chunks"])
async def test_an_answer_and_nothing_more_keeps_its_connection(
    raw_server: StartRaw, open_fetcher: OpenFetcher, first: bytes
) -> None:
    server = await raw_server(answering(*[first] * 5))
    fetcher = open_fetcher(timeout=5)
    for _ in range(5):
        await body_of(fetcher, server.url)
    assert server.connections == 1


async def test_a_body_for_a_head_request_is_not_the_next_answer(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    server = await raw_server(answering(sized(), sized(body=b"<p>second</p>")))
    fetcher = open_fetcher(timeout=5)
    assert (await fetcher.fetch(Request(server.url, method="HEAD"))).body == b""
    assert await body_of(fetcher, server.url) == PAGE
    assert server.connections == 2


async def test_a_large_body_whose_reader_was_slow_is_whole_when_the_server_hangs_up(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    body = PAGE * 200_000
    parts = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in (body[at : at + 999] for at in range(0, len(body), 999))
    )
    for reply in (sized(body=body), chunks(parts + b"0\r\n\r\n"), head() + body):
        server = await raw_server(reply)
        assert await body_of(open_fetcher(), server.url) == body


# What never ends.


def forever(begin: bytes, again: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        while not writer.transport.is_closing():
            writer.write(again)
            await writer.drain()

    return talk


CHUNKED = head("Transfer-Encoding: chunked")
ENDLESS = {
    "interim answers": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "early hints": forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "headers": forever(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n" * 100),
    "one header": forever(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 1_000),
    "a folded header": forever(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n", b" x\r\n" * 100),
    "a reason": forever(b"HTTP/1.1 200 ", b"x" * 1_000),
    "empty lines": forever(b"", b"\r\n" * 100),
    "trailers": forever(CHUNKED + b"c\r\n" + PAGE + b"\r\n0\r\n", b"X-A: 1\r\n" * 100),
    "one trailer": forever(CHUNKED + b"c\r\n" + PAGE + b"\r\n0\r\nX-A: ", b"x" * 1_000),
    "an extension": forever(CHUNKED + b"c;a=", b"x" * 1_000),
    "extensions": forever(CHUNKED, b"1;a=" + b"x" * 1_000 + b"\r\nx\r\n"),
    "zeros of a size": forever(CHUNKED, b"0" * 1_000),
}


@pytest.mark.parametrize("talk", ENDLESS.values(), ids=ENDLESS)
async def test_what_never_ends_is_malformed_before_long(
    raw_server: StartRaw, open_fetcher: OpenFetcher, talk: Talk
) -> None:
    server = await raw_server(talk)
    begun = time.perf_counter()
    with pytest.raises(MalformedResponse):
        await body_of(open_fetcher(timeout=10), server.url)
    assert time.perf_counter() - begun < 5


async def test_headers_that_drip_end_with_the_time_of_the_page(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.transport.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)

    server = await raw_server(talk)
    begun = time.perf_counter()
    with pytest.raises(FetchTimeout):
        await body_of(open_fetcher(timeout=0.3), server.url)
    assert time.perf_counter() - begun < 2


# Chunks.


def unchunked(raw: bytes, size: int) -> tuple[bytes, bytes, bool]:
    """The body, what follows it, and whether it ended."""
    taker = Chunks()
    body = rest = b""
    for begin in range(0, len(raw), size):
        if taker.is_over:
            rest += raw[begin : begin + size]
            continue
        piece, rest = taker.take(raw[begin : begin + size])
        body += piece
    return body, rest, taker.is_over


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_are_joined_however_they_are_cut(size: int) -> None:
    raw = b"3\r\nabc\r\n0000A;x=y\n0123456789\n2\r\n\r\n\r\n0\r\nX: 1\r\nno colon\n\r\nrest"
    assert unchunked(raw, size) == (b"abc0123456789\r\n", b"rest", True)


@pytest.mark.parametrize(
    "raw", [b"g\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b"1\r\nab\r\n", b"f" * 17 + b"\r\n"]
)
def test_what_is_no_chunk_is_refused(raw: bytes) -> None:
    for size in (1, 100):
        with pytest.raises(BadChunk):
            unchunked(raw, size)


def test_tiny_chunks_cost_no_more_than_they_must() -> None:
    def seconds(chunks: int) -> float:
        raw = b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"
        begun = time.process_time()
        body, _, is_over = unchunked(raw, 256 * 1024)
        taken = time.process_time() - begun
        assert (len(body), is_over) == (chunks, True)
        return taken

    few = min(seconds(25_000) for _ in range(3))
    assert seconds(200_000) < 30 * few  # eight times as many: were it quadratic, 64 times the work


# Heads.


def test_a_mended_head_says_one_thing_about_its_body() -> None:
    lines = b"http/1.1 200\nContent-Length: 5\nX-A : 1\nno colon\nContent-Length: 5,5\nX-B: a\n b\n\n"
    assert mended(lines) == b"HTTP/1.1 200 \r\nContent-Length: 5\r\nX-A: 1\r\nX-B: a b\r\n\r\n"
    lines = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: x, Chunked\r\n\r\n"
    assert mended(lines) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("lines", [b"Content-Length: 5\r\nContent-Length: 6", b"X: \0", b"Content-Length: 5, ten"])
def test_a_head_that_says_two_things_cannot_be_mended(lines: bytes) -> None:
    with pytest.raises(Unmendable):
        mended(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n")


def test_a_long_head_is_mended_in_linear_time() -> None:
    begun = time.process_time()
    mended(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n x\r\n" * 25_000 + b"\r\n")
    mended(b"HTTP/1.1 200 OK\r\nX:" + b" \r" * 120_000 + b"\r\n\r\n")
    assert time.process_time() - begun < 2


# The library below.


async def test_the_library_still_has_what_a_line_is_joined_to() -> None:
    async with aiohttp.TCPConnector() as connector:
        assert connector._factory.func is ResponseHandler
        wire.install(connector)
        line = connector._factory()
        assert isinstance(line, wire.Line)
        assert (line.transport, line.writing_paused) == (None, False)
    assert {"connect"} <= vars(aiohttp.BaseConnector).keys()
    assert {"read_until_eof", "max_line_size", "max_headers"} <= inspect.signature(
        ResponseHandler.set_response_params
    ).parameters.keys()


# What one parser reads after another head, as a new one would.
HEADS = {
    "sized": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "not changed": b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
    "nothing": b"HTTP/1.1 204 None\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
    "to the end": b"HTTP/1.1 200 OK\r\n\r\n",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Now\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "broken": b"SSH-2.0\r\n\r\n",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Le",
}


def as_read(heads: answer.Heads, head: bytes) -> str:
    try:
        return repr(heads.read(head))
    except Exception as error:  # whatever it dislikes
        return type(error).__name__


@pytest.mark.parametrize("first", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("second", HEADS.values(), ids=HEADS)
async def test_a_head_is_read_the_same_whatever_was_read_before(first: bytes, second: bytes) -> None:
    loop = asyncio.get_running_loop()
    heads = answer.Heads(loop)
    as_read(heads, first)
    assert as_read(heads, second) == as_read(answer.Heads(loop), second)


async def test_every_request_is_answered_that_way(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(answering(sized("no colon")))
    for on_sent in (None, lambda: None):
        response = await open_fetcher().fetch(Request(server.url), on_sent)
        assert response.body == PAGE


# A whole crawl.

CUT_OFF = {
    "gzip": packed(GZIP[:-10], "gzip"),
    "deflate": packed(DEFLATE[:-6], "deflate"),
    "br": packed(BR[:-4], "br"),
    "zstd": packed(ZSTD[:-4], "zstd"),
    "chunked": chunks(b"c\r\n" + PAGE + b"\r\n"),
    "length": head("Content-Length: 13") + PAGE,
}


class Reader(Spider):
    name = "reader"

    def __init__(self, url: str) -> None:
        self.start_urls = [f"{url}{name}" for name in (*CUT_OFF, "whole")]

    def parse(self, page: Any) -> Any:
        yield {"path": page.url.rpartition("/")[2]}


async def test_a_crawl_tries_a_page_that_broke_off_again_gives_it_up_and_goes_on(
    raw_server: StartRaw, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1][1:].decode()
        asked.append(path)
        writer.write(CUT_OFF.get(path, sized()))

    monkeypatch.chdir(tmp_path)
    server = await raw_server(talk)
    run = crawl(
        Reader,
        args={"url": server.url},
        settings={"retries": 2, "retry_backoff": 0.01, "obey_robots": False, "delay": 0},
    )
    items = [item async for item in run]
    assert items == [{"path": "whole"}]
    assert run.report.stats.failures == {"truncated_body": 6}
    assert sorted(asked) == sorted([*list(CUT_OFF) * 3, "whole"])


@pytest.mark.parametrize("reply", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_body_that_broke_off_is_no_success_in_any_piece(
    raw_server: StartRaw, open_fetcher: OpenFetcher, reply: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in reply:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    for server in (await raw_server(reply), await raw_server(talk)):
        with pytest.raises(TruncatedBody) as caught:
            await body_of(open_fetcher(), server.url)
        assert isinstance(caught.value, FetchError)
