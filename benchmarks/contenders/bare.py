"""The yardstick: what fetching, parsing, selecting, joining and writing cost with nothing around them.

Run as ``python bare.py START_URL OUTPUT CONCURRENCY [plain]``.

No robots.txt, no scope, no politeness, no retries, no statistics, no durability: a page that fails ends the
run. The libraries are the ones that the framework stands on, used in the cheapest way known that still does
the work of the comparison in full. Two things of it nobody would think of who writes such a loop: what is done
with freed memory, and when the next request is made. Both were found for the framework; ``plain`` goes without.
"""

from __future__ import annotations

import asyncio
import ctypes
import re
import sys
from pathlib import Path
from typing import BinaryIO

import aiohttp
import msgspec
import uvloop
import yarl
from selectolax.lexbor import LexborHTMLParser, LexborNode
from upa_url import URL  # type: ignore[import-untyped, unused-ignore]  # the library ships no types

_NUMBER = re.compile(r"[\d.]+")
_DIGITS = re.compile(r"\d+")
_RATING = re.compile(r"star-rating (\w+)")

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""The names of the settings in glibc's malloc.h."""

_encode = msgspec.json.Encoder().encode


class Book(msgspec.Struct):
    url: str
    title: str
    price: float
    in_stock: int
    rating: str
    category: str
    upc: str


async def crawl(start_url: str, output: BinaryIO, concurrency: int, *, takes_turns: bool = True) -> None:
    seen = {start_url}
    waiting: asyncio.Queue[str] = asyncio.Queue()
    waiting.put_nowait(start_url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # a timer per request is not part of the work
        raise_for_status=True,
    )
    async with session, asyncio.TaskGroup() as group:
        workers = [group.create_task(work(session, waiting, seen, output, takes_turns)) for _ in range(concurrency)]
        await waiting.join()
        for worker in workers:
            worker.cancel()


async def work(
    session: aiohttp.ClientSession, waiting: asyncio.Queue[str], seen: set[str], output: BinaryIO, takes_turns: bool
) -> None:
    while True:
        url = await waiting.get()
        async with session.get(yarl.URL(url, encoded=True)) as response:
            body = await response.read()
        for link in handle(body, url, output):
            if link not in seen:
                seen.add(link)
                waiting.put_nowait(link)
        waiting.task_done()
        if takes_turns:  # the next requests go out when all pages that have come are done: a tenth less CPU time
            await asyncio.sleep(0)


def handle(body: bytes, url: str, output: BinaryIO) -> list[str]:
    """Write the page's record, return its links.

    A function of its own, so that the tree (1 MB) dies here and not while its worker waits for the next page.
    """
    tree = LexborHTMLParser(body)
    output.write(_encode(extract(tree, url)) + b"\n")
    return links(tree, url)


def extract(tree: LexborHTMLParser, url: str) -> Book:
    return Book(
        url=url,
        title=first(tree, ".product_main h1").text(),
        price=float(find(_NUMBER, first(tree, ".price_color").text())[0]),
        in_stock=int(find(_DIGITS, first(tree, ".availability").text())[0]),
        rating=find(_RATING, first(tree, ".star-rating").attrs["class"] or "")[1],
        category=first(tree, "ul.breadcrumb li:nth-child(3) a").text(),
        upc=first(tree, "table.table td").text(),
    )


def links(tree: LexborHTMLParser, url: str) -> list[str]:
    base = URL(url)
    parse = URL.parse
    joined = []
    for node in tree.tags("a"):
        href = node.attrs.get("href")
        if href is not None:
            target = parse(href.partition("#")[0], base)
            if target is not None:
                joined.append(target.href)
    return joined


def first(tree: LexborHTMLParser, query: str) -> LexborNode:
    node = tree.css_first(query)
    assert node is not None, f"no {query} on the page"
    return node


def find(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.search(text)
    assert match is not None, f"no {pattern.pattern} in {text!r}"
    return match


def keep_freed_memory() -> None:
    """Tell glibc not to hand each parsed page's memory back to the kernel, to ask for it again at the next.

    Its default gives the free top of the heap back from 128 KB on, and each larger block at once, which is
    less than one tree: that was a third of the CPU time of this loop, nearly all of it in page faults.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl and macOS have none
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 64 << 20)
        mallopt(M_MMAP_THRESHOLD, 32 << 20)


if __name__ == "__main__":
    is_tuned = "plain" not in sys.argv[4:]
    if is_tuned:
        keep_freed_memory()
    with Path(sys.argv[2]).open("wb", buffering=1 << 20) as file:
        uvloop.run(crawl(sys.argv[1], file, int(sys.argv[3]), takes_turns=is_tuned))
