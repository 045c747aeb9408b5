"""A robots.txt longer than anybody would read: its head is fetched, and the rest left where it is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time

from crawler.fetch.http import HttpFetcher
from tests.fetch.conftest import RawServer
from tests.fetch.test_robots_over_http import RULES, Asking, reply, site

FIFTY = 50_000_000


def resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_fifty_megabytes_cost_a_second_and_20_mb_at_most(
    raw_server: Callable[..., Awaitable[RawServer]], open_fetcher: Callable[..., HttpFetcher]
) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FIFTY + RULES)
        while True:
            writer.write(b"Disallow: /x\n" * 7_000)
            await writer.drain()

    bomb = gzip.compress(RULES + b"#" * FIFTY)
    for answer in (endless, reply(body=bomb, Content_Encoding="gzip")):
        asking = Asking(await raw_server(site({"/robots.txt": answer})), open_fetcher())
        before, begun = resident(), process_time()
        assert await asking.outcome() == "rules"
        assert process_time() - begun < 1.0  # the server's part is in it
        assert resident() - before < 20_000_000
