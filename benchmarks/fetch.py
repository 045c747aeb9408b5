"""What a fetch costs beside plain aiohttp, used in the cheapest way known: ratios of CPU time, medians of rounds.

    python benchmarks/fetch.py [--pages 2000] [--rounds 9] [--concurrency 16] [--check]

Both fetch the same pages of a closed site from the same server on loopback, in one process, in turn, over connections
that are kept. ``plain`` is ``session.get()`` and ``read()`` without a timeout, cookies or a bound; ``fetcher`` is the
:class:`HttpFetcher` of a crawl, with all of its deadlines and bounds, cookies and the choice of the way.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import process_time

import aiohttp
import uvloop
import yarl
from closed_site import DEFAULT_ARCHIVE, build, served

from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.room import Room
from crawler.request import Request

TARGET = 0.8
"""At most that part of what plain aiohttp costs."""

Fetch = Callable[[str], Awaitable[bytes]]
Rounds = dict[str, list[float]]


async def seconds_for(fetch: Fetch, urls: Sequence[str], concurrency: int) -> tuple[float, int]:
    """CPU seconds of this process for all *urls*, and the bytes that came."""
    waiting, size = iter(urls), 0

    async def work() -> None:
        nonlocal size
        for url in waiting:
            body = await fetch(url)
            size += len(body)

    begun = process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return process_time() - begun, size


async def measure(urls: Sequence[str], rounds: int, concurrency: int) -> Rounds:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=concurrency),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                raise_for_status=True,
            )
        )
        options = FetchOptions()
        fetcher = HttpFetcher(options, room=Room(options.body_memory, concurrency))
        stack.push_async_callback(fetcher.close)

        async def plain(url: str) -> bytes:
            async with session.get(yarl.URL(url, encoded=True)) as response:
                return await response.read()

        async def ours(url: str) -> bytes:
            return (await fetcher.fetch(Request(url), inside=True)).body

        contenders: dict[str, Fetch] = {"plain": plain, "fetcher": ours}
        costs: Rounds = {name: [] for name in contenders}
        sizes = {(await seconds_for(fetch, urls[:200], concurrency))[1] for fetch in contenders.values()}  # warm
        for number in range(rounds):
            for name in sorted(contenders, reverse=bool(number % 2)):
                cost, size = await seconds_for(contenders[name], urls, concurrency)
                costs[name].append(cost)
                sizes.add(size)
    assert len(sizes) <= 2, "they did not fetch the same"
    return costs


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--check", action="store_true", help="exit 1 when the target is missed")
    parser.add_argument("--archive", type=Path, default=DEFAULT_ARCHIVE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="closed-site-") as folder:
        site = build(options.archive, Path(folder, "site"), options.pages)
        with served(site, Path(folder)) as server:
            urls = [server.url + path for path in site.paths]
            costs = uvloop.run(measure(urls, options.rounds, options.concurrency))
    plain, ours = (median(costs[name]) / options.pages * 1e6 for name in ("plain", "fetcher"))
    ratio = median(one / other for one, other in zip(costs["fetcher"], costs["plain"], strict=True))
    print(f"{options.pages:,} pages of {site.size / options.pages / 1e3:.1f} KB from {server.kind},", end=" ")
    print(f"concurrency {options.concurrency}, rounds {options.rounds} (medians)")
    print(f"plain {plain:.1f} µs a page, fetcher {ours:.1f} µs, ratio {ratio:.2f} (target {TARGET})")
    return 1 if options.check and ratio > TARGET else 0


if __name__ == "__main__":
    raise SystemExit(main())
