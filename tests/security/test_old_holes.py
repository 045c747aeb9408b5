"""What others were hurt by once, played again: addresses that are none, bombs in odd places, depth and length."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import brotli
import pytest
from witness import Seen, Witness, reply, to

import crawler
from crawler.errors import CrawlerError, FetchError
from crawler.fetch.http import HttpFetcher
from crawler.parse.feed import FEED_ROOTS
from crawler.parse.page import Page
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.urls.canonical import canonical
from crawler.urls.url import Base, address

StartWitness = Callable[..., Awaitable[Witness]]
OpenFetcher = Callable[..., HttpFetcher]
PLENTY = 5.0
"""Seconds, for what takes some milliseconds: what is quadratic takes minutes."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < seconds


# ----- addresses that are no pages ---------------------------------------------------------------------------------

CANARY = "the canary sings"
SCHEMES = ["file://{path}", "FILE://{path}", "file:{path}", "file://localhost{path}", "gopher://127.0.0.1:{port}/x",
           "ftp://127.0.0.1:{port}/x", "data:text/html,{word}", "javascript:{word}", "s3://bucket/x", "dict://127.0.0.1:{port}/x",
           "ldap://127.0.0.1:{port}/x", "jar:http://127.0.0.1:{port}/!/", "view-source:file://{path}", "unix:{path}",
           "ws://127.0.0.1:{port}/", "blob:http://127.0.0.1:{port}/x", "about:blank", "chrome://settings"]  # fmt: skip
BY = {
    "location": to,
    "refresh header": lambda url: reply("<p>x", f"Refresh: 0; url={url}"),
    "refresh tag": lambda url: reply(f"<meta http-equiv=refresh content='0; url={url}'>"),
    "link": lambda url: reply(f"<a href='{url}'>x</a><iframe src='{url}'></iframe><base href='{url}'>"),
    "sitemap": lambda url: reply(f"<urlset><url><loc>{url}</loc></url></urlset>", "Content-Type: text/xml"),
    "index": lambda url: reply(
        f"<sitemapindex><sitemap><loc>{url}</loc></sitemap></sitemapindex>", "Content-Type: text/xml"
    ),
}


@pytest.mark.parametrize("way", BY)
async def test_what_is_no_http_is_never_opened(witness: StartWitness, tmp_path: Path, way: str) -> None:
    secret = tmp_path / "canary"
    secret.write_text(CANARY)
    bait = await witness()
    urls = [form.format(path=secret, port=bait.port, word=CANARY.replace(" ", "")) for form in SCHEMES]
    server = await witness(lambda seen: BY[way](urls[int(seen.path[1:])]) if seen.path[1:].isdigit() else reply(""))

    class Reader(crawler.Spider):
        name = "reader"
        allowed_hosts = ["*"]

        async def start(self) -> Any:
            for number in range(len(urls)):
                callback = "parse_sitemap" if way in ("sitemap", "index") else "parse"
                yield Request(f"{server.origin()}/{number}", callback)

        def parse(self, page: Any) -> Any:
            yield {"url": page.url, "text": page.text}
            yield from page.follow_all("a, iframe")
            yield from [Request(url) for url in page.links("resources")]  # "all" finds http addresses in any text

    run = crawler.crawl(Reader, settings={"delay": 0.0, "obey_robots": False, "retries": 0})
    items = [item async for item in run]
    assert CANARY not in str(items)
    assert bait.connections == 0
    if way == "location":
        assert run.report.stats.failures == {"redirect": len(urls)}
    assert all(item["url"].startswith("http://127.0.0.1:") for item in items)


async def test_what_is_no_http_is_no_seed_either(tmp_path: Path) -> None:
    secret = tmp_path / "canary"
    secret.write_text(CANARY)

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"file://{secret}", f"file:{secret}", str(secret), f"//{secret}", "data:text/html,x"]

        def parse(self, page: Any) -> Any:
            yield {"text": page.text}

    run = crawler.crawl(Reader, settings={"delay": 0.0})
    assert [item async for item in run] == []
    assert run.report.stats.failures == {"invalid_request": 5}


async def test_nobody_outside_of_the_crawl_is_asked(witness: StartWitness) -> None:
    """By a link, a redirect, a refresh, a sitemap, or from on_failure."""
    other = await witness()
    away = f"http://other.localhost:{other.port}"

    def answer(seen: Seen) -> bytes:
        name = seen.path[1:]
        if name == "gone":
            return reply("", status="404 No")
        return BY[name](f"{away}/{name}") if name in BY else reply(f"<a href='{away}/linked'>x</a>")

    home = await witness(answer)

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{home.origin()}/{name}" for name in ("", "location", "refresh%20tag", "gone")]
        sitemaps = [f"{home.origin()}/sitemap", f"{home.origin()}/index"]
        allowed_hosts = ["127.0.0.1"]

        def parse(self, page: Any) -> Any:
            yield from page.follow_all("a")
            yield Request(f"{away}/own")

        def on_failure(self, failure: Any) -> Any:
            yield Request(f"{away}/own")

    [_ async for _ in crawler.crawl(Reader, settings={"delay": 0.0, "retries": 0})]
    assert other.seen == []
    assert len(home.seen) >= 6


# ----- bombs in odd places -----------------------------------------------------------------------------------------

GIB = 1 << 30
_ZEROS = gzip.compress(bytes(1 << 20), 9) * 1024


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_body_of_a_redirect_is_neither_unpacked_nor_read_to_its_end(
    witness: StartWitness, open_fetcher: OpenFetcher, status: int
) -> None:
    head = f"HTTP/1.1 {status} Found\r\nLocation: /there\r\nContent-Encoding: gzip\r\nContent-Length: {len(_ZEROS)}\r\n\r\n"
    server = await witness(lambda seen: head.encode() + _ZEROS if seen.path == "/" else reply())
    with within(PLENTY):
        answer = await open_fetcher().fetch(Request(f"{server.origin()}/"))
    assert (answer.status, answer.headers["Location"]) == (status, "/there")
    assert len(answer.body) <= 64 * 1024


BROTLI = brotli.compress(bytes(64 << 20), quality=5, lgwin=24)
BOMBS = {
    "robots.txt": "/robots.txt",
    "sitemap": "/sitemap.xml",
    "error page": "/gone",
    "page": "/page",
}


@pytest.mark.parametrize("place", BOMBS)
@pytest.mark.parametrize(("coding", "bomb"), [("gzip", _ZEROS), ("br", BROTLI)], ids=["gzip", "br"])
async def test_a_bomb_costs_a_page_and_nothing_else(
    witness: StartWitness, place: str, coding: str, bomb: bytes
) -> None:
    status = "404 No" if place == "error page" else "200 OK"
    packed = reply(bomb, f"Content-Encoding: {coding}", status=status)
    server = await witness(lambda seen: packed if seen.path == BOMBS[place] else reply("<p>fine"))

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/good", f"{server.origin()}{BOMBS[place]}", f"{server.origin()}/fine"]
        sitemaps = [f"{server.origin()}/sitemap.xml"]

        def parse(self, page: Any) -> Any:
            yield {"path": page.url.rpartition("/")[2]}

    settings = {"delay": 0.0, "retries": 0, "max_body": 4 << 20}
    with within(4 * PLENTY):
        items = [item async for item in crawler.crawl(Reader, settings=settings)]
    assert {item["path"] for item in items} >= {"good", "fine"}


# ----- depth and length --------------------------------------------------------------------------------------------


def page_of(body: bytes, content_type: str) -> Page:
    return Page(Response("http://a.example/", 200, headers_of({"Content-Type": content_type}), body))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_deep_json_is_a_value_error(body: bytes) -> None:
    """orjson and others went past the end of the stack there."""
    with pytest.raises((ValueError, RecursionError)):
        page_of(body, "application/json").json()


async def test_deep_json_costs_its_page_alone(witness: StartWitness) -> None:
    server = await witness(
        lambda seen: reply("[" * 100_000, "Content-Type: application/json") if seen.path == "/deep" else reply("[1]")
    )

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/deep", f"{server.origin()}/flat"]

        def parse(self, page: Any) -> Any:
            yield {"json": page.json()}

    run = crawler.crawl(Reader, settings={"delay": 0.0})
    assert [item async for item in run] == [{"json": [1]}]
    assert run.report.stats.failures == {"callback_error": 1}


LONG = {
    "a million @": "http://" + "@" * 1_000_000 + "a.example/",
    "a million : and @": "http://" + "a:b@" * 250_000 + "a.example/",
    "a host of 100 kB": "http://" + "ü" * 100_000 + ".example/",
    "a host of 100,000 labels": "http://" + "ü." * 100_000 + "example/",
    "a punycode of 100 kB": "http://xn--" + "a" * 100_000 + ".example/",
    "a million dots": "http://a.example/" + "../" * 333_000,
    "a megabyte of escapes": "http://a.example/?" + "%25" * 333_000,
    "a million parameters": "http://a.example/?" + "a&" * 500_000,
    "a million colons": "http://a" + ":" * 1_000_000 + "/",
    "a million brackets": "http://" + "[" * 1_000_000 + "/",
}


@pytest.mark.parametrize("url", LONG.values(), ids=LONG)
def test_no_address_takes_long(url: str) -> None:
    with within(PLENTY):
        assert address(url) is None or len(url) > 1000
        Base("http://a.example/").join(url)
        canonical(url)


async def test_an_address_of_any_length_from_a_server_ends_its_page_alone(witness: StartWitness) -> None:
    urls = [url for url in LONG.values() if url.isascii()]

    def answer(seen: Seen) -> bytes:
        number = seen.path[1:]
        if number.isdigit():
            return to(urls[int(number)][:200_000])
        return reply("".join(f"<a href='{url}'>x</a>" for url in urls) if number == "links" else "ok")

    server = await witness(answer)

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/{name}" for name in ("links", *range(len(urls)), "good")]

        def parse(self, page: Any) -> Any:
            yield {"path": page.url.rpartition("/")[2]}
            yield from page.follow_all("a")

    with within(4 * PLENTY):
        items = [item async for item in crawler.crawl(Reader, settings={"delay": 0.0, "retries": 0})]
    assert {"links", "good"} <= {item["path"] for item in items}


REPEATED = ["<item ", "<item>", "<item a='", "<!--", "<![CDATA[", "&amp", "&#", "<?x ", "</", "<a:b c='d' "]


@pytest.mark.parametrize("root", [*FEED_ROOTS, "urlset"])
@pytest.mark.parametrize("piece", REPEATED)
def test_a_megabyte_of_anything_in_a_feed_takes_no_time(root: str, piece: str) -> None:
    body = (f"<{root}>" + piece * (1_000_000 // len(piece))).encode()
    with within(PLENTY):
        page = page_of(body, "application/xml")
        for read in (lambda: page.feed().entries, lambda: list(page.sitemap())):
            try:
                read()
            except ValueError:
                continue


@pytest.mark.parametrize(
    "piece", ["<script>", "<script ", "<style>", "<a href=", "<b\xa0", "<meta content=", "\xa0", "<!--", "<base "]
)
def test_a_page_of_one_piece_is_searched_in_no_time(piece: str) -> None:
    """160 kB of ``<script>`` took others 15 s, an ``\\xa0`` in a header for ever."""
    body = piece.encode() * (160_000 // len(piece))
    with within(PLENTY), suppress(CrawlerError):  # a page may be refused for its weight
        page = page_of(body, "text/html")
        page.encoding, page.refresh, page.links("all")


# ----- answers -----------------------------------------------------------------------------------------------------

HEADERS = ["WWW-Authenticate", "Set-Cookie", "Content-Type", "Cache-Control", "Link", "Refresh", "X-Robots-Tag",
           "Content-Encoding", "Retry-After", "Location", "ETag", "Age", "Date", "Vary", "Content-Location"]  # fmt: skip
FILL = ["\xa0", " ", ",", ";", "=", '"', '\\"', "a=", "a,", "<", "; a=b", "0", "\t", "%"]


@pytest.mark.parametrize("fill", FILL)
async def test_no_header_takes_long_to_read(witness: StartWitness, fill: str) -> None:
    lines = [f"{name}: x{fill * (12_000 // len(fill))}x" for name in HEADERS]
    server = await witness(lambda seen: reply("<p>x", *(line for line in lines if seen.path != "/plain")))

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/", f"{server.origin()}/plain"]

        def parse(self, page: Any) -> Any:
            page.links("all"), page.encoding, page.refresh
            yield {"path": page.url.rpartition("/")[2]}

    with within(2 * PLENTY):
        items = [item async for item in crawler.crawl(Reader, settings={"delay": 0.0, "retries": 0})]
    assert {"path": "plain"} in items


async def test_a_switch_of_protocols_that_nobody_asked_for_is_refused(
    witness: StartWitness, open_fetcher: OpenFetcher
) -> None:
    server = await witness(lambda _: b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    with pytest.raises(FetchError) as caught:
        await open_fetcher().fetch(Request(server.origin()))
    assert caught.value.reason == "malformed_response"


async def test_a_fetch_that_is_cancelled_never_gives_its_answer_to_another(
    witness: StartWitness, open_fetcher: OpenFetcher
) -> None:
    """redis-py's replies moved to whoever asked next; ours belong to their connection, which a cancellation closes."""
    server = await witness(lambda seen: reply(seen.path))
    fetcher = open_fetcher()

    async def ask(number: int) -> tuple[int, bytes]:
        return number, (await fetcher.fetch(Request(f"{server.origin()}/{number}"))).body

    for round_ in range(20):
        tasks = [asyncio.create_task(ask(round_ * 50 + number)) for number in range(50)]
        for step in range(round_):
            await asyncio.sleep(0)
            tasks[step * 2].cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, tuple):
                assert ended[1] == f"/{ended[0]}".encode()


# ----- shells and names --------------------------------------------------------------------------------------------

WORDS = ["; touch hurt", "$(touch hurt)", "../../hurt", "<script>", ".."]


@pytest.mark.parametrize("name", WORDS)
def test_the_name_of_a_spider_is_no_command_and_no_path(tmp_path: Path, name: str) -> None:
    """Of a project, a spider, or an argument: nothing of it reaches a shell, or leaves the folder of jobs."""
    folder = tmp_path / "deep" / "project"
    folder.mkdir(parents=True)
    (folder / "s.py").write_text(
        f"from crawler import Spider\nclass S(Spider):\n name = {name!r}\n start_urls = ['http://127.0.0.1:9/']\n"
        " def parse(self, page): yield {}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parents[1])}
    words = ["s.py", "-q", "-o", "out.jsonl", "--set", "retries=0"]
    command = [sys.executable, "-m", "crawler", *words]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=30, check=False)
    strays = {path.name for path in (*tmp_path.iterdir(), *(tmp_path / "deep").iterdir())} - {"deep", "project"}
    assert strays == set()
    assert "hurt" not in {path.name for path in folder.iterdir()}


def test_markup_from_the_web_is_shown_nowhere_as_markup(caplog: pytest.LogCaptureFixture) -> None:
    """There is no dashboard, and no report in HTML, that a title could run in."""
    package = Path(crawler.__file__).parent
    templates = [path for path in package.rglob("*") if path.suffix in (".html", ".htm", ".j2", ".jinja", ".js")]
    assert templates == []
    assert not [record for record in caplog.records if record.levelno > logging.ERROR]
