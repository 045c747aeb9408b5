"""What robots.txt costs: to read one, to ask it about a URL, and to remember those of a million hosts.

python benchmarks/robots.py [HOSTS]
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path
from timeit import repeat

from crawler.fetch.canned import CannedFetcher
from crawler.fetch.robots import RobotsCache
from crawler.politeness.robots import RobotsTxt
from crawler.request import Request
from crawler.response import Response, headers_of

SHOP = """User-agent: *
Disallow: /admin/
Disallow: /cgi-bin/
Disallow: /search/
Disallow: /cart/
Disallow: /checkout/
Disallow: /account/
Disallow: /login/
Disallow: /wp-admin/
Allow: /wp-admin/admin-ajax.php
Disallow: /*?sort=
Disallow: /*.pdf$
Disallow: /*/print$
Crawl-delay: 1

User-agent: BadBot
Disallow: /

User-agent: OtherBot
Disallow: /x
Disallow: /y

# The sitemaps of this shop are made anew each night; please come then.
Sitemap: https://a.example/sitemap.xml
"""
URL = "https://a.example/catalogue/a-light-in-the-attic_1000/index.html"
MIX = ["", "", "", SHOP, "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n"]
"""What the hosts answer by turns: an empty body stands for a 404. Each SHOP names another sitemap."""


def microseconds(what: str, times: int) -> float:
    return min(repeat(what, globals=globals() | {"shop": SHOP.encode(), **_CASES}, number=times)) / times * 1e6


_CASES = {
    "small": RobotsTxt(SHOP.encode(), "crawler"),
    "large": RobotsTxt(b"User-agent: *\n" + b"".join(b"Disallow: /p%d/\n" % n for n in range(25_000)), "crawler"),
    "starred": RobotsTxt(b"User-agent: *\n" + b"".join(b"Disallow: /*p%dx\n" % n for n in range(25_000)), "crawler"),
}


class Hosts(CannedFetcher):
    """A host for each number."""

    async def fetch(self, request: Request, on_sent: object = None, inside: bool = False) -> Response:
        number = int(request.url[8 : request.url.index(".")])
        body = MIX[number % len(MIX)].replace("a.example", f"h{number}.example")
        return Response(request.url, 200 if body else 404, headers_of(), body.encode())


def resident() -> float:
    """MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def remember(hosts: int) -> None:
    cache = RobotsCache(Hosts({}), lambda _: "crawler/0.1", time.monotonic)
    gc.collect()
    before, begun, most = resident(), time.process_time(), 0.0
    for number in range(hosts):
        await cache.fetch(f"https://{number}.example")
        if number % 10_000 == 0:
            cache.news()
            most = max(most, resident())
    taken = time.process_time() - begun
    print(
        f"{hosts:,} hosts: {most - before:.0f} MB more, {len(cache._recent):,} remembered; {taken / hosts * 1e6:.0f} µs each"
    )
    origin = f"https://{hosts - 1}.example"
    best = min(repeat(lambda: cache.known(origin), number=100_000)) * 10
    print(f"what is known of one: {best:.2f} µs")


def main() -> None:
    reading = microseconds("RobotsTxt(shop, 'crawler')", 1_000)
    print(f"read {len(SHOP)} bytes: {reading:.1f} µs")
    for name in _CASES:
        print(f"ask {name}: {microseconds(f'{name}.allows(URL)', 20_000):.2f} µs")
    asyncio.run(remember(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))


if __name__ == "__main__":
    main()
