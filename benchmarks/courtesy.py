"""What courtesy and canonicalization cost: for a page without links, and for each link; print µs of CPU.

    python benchmarks/courtesy.py [--pages 20000] [--check]

The parts are the crawler's own, joined as a worker joins them: the frontier's lease, the rules of robots.txt for the URL, the
budget, the pause and its start, what the answer teaches of the host, and the end of the lease. Nothing is fetched, parsed or
stored. A page costs what a lease costs with all of it, the lease itself included; a link costs what a page with 100
links costs more, 90 of them known already and spelled as they were.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable

from crawler.engine.hosts import Hosts
from crawler.engine.stats import Stats
from crawler.fetch.canned import CannedFetcher
from crawler.fetch.robots import RobotsCache
from crawler.frontier.frontier import Frontier
from crawler.frontier.memory import MemoryStore
from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.politeness.retry import Retry
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.urls.canonical import DEFAULT_STEPS, canonicalizer
from crawler.urls.scope import Scope

LINKS, NEW = 100, 10
PAGE, LINK = 25.0, 4.0
ROBOTS = "User-agent: *\n" + "".join(
    f"Disallow: /{name}/\n" for name in ("admin", "cart", "search", "login", "cgi-bin")
)
CASES = (
    ("loopback, no delay", "http://127.0.0.1", None),
    ("public host, delay 0.25 s", "http://a.example", 0.25),
)


class Clock:
    """The event loop, in a world where every pause is over when somebody looks."""

    def __init__(self, step: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time()
        self._step = step

    def time(self) -> float:
        self._now += self._step
        return self._now

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)


async def microseconds(site: str, delay: float | None, pages: int, links: int) -> float:
    """Of one page with that many links."""
    manners = Manners(Politeness(delay=delay))
    frontier = Frontier(MemoryStore(), Scope(), manners, canonical=canonicalizer(DEFAULT_STEPS))
    clock: Callable[[], float] = Clock(delay or 0.0).time
    frontier._loop = Clock(delay or 0.0)
    frontier._courtesy._clock = clock
    robots = RobotsCache(CannedFetcher({f"{site}/robots.txt": ROBOTS}), lambda _: "crawler/0.1", clock)
    stats = Stats()
    hosts = Hosts(frontier, robots, manners, stats, Retry())
    await robots.fetch(site)
    frontier.plant(frontier.admit([Request(f"{site}/page-{number}?a=1") for number in range(pages)]).entries)
    headers, known = headers_of({"Content-Type": "text/html"}), LINKS - NEW
    begun = time.process_time()
    for number in range(pages):
        entry = await frontier.lease()
        assert entry is not None
        assert not frontier.leaves_out(entry)
        rules = hosts.rules(entry)
        assert rules is not None
        pause = hosts.pause(entry, rules)
        assert not hosts.objection(entry, rules)
        if pause:
            hosts.on_sent(entry)()
        hosts.hear(entry, Response(entry.request.url, 200, headers, elapsed=0.05))
        found = []
        if links:
            requests = [Request(f"{site}/page-{(number + step) % pages}?a=1") for step in range(known)]
            requests += [Request(f"{site}/new-{number}-{step}") for step in range(NEW)]
            found = frontier.admit(requests, entry).entries
        frontier.finish(Outcome(entry, Verdict.DONE, discovered=found))
    return (time.process_time() - begun) / pages * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="courtesy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=20_000, help="pages of each case (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    missed = 0
    for name, site, delay in CASES:
        plain = min(asyncio.run(microseconds(site, delay, options.pages, 0)) for _ in range(5))
        full = min(asyncio.run(microseconds(site, delay, options.pages // 20, LINKS)) for _ in range(5))
        link = (full - plain) / LINKS
        missed += plain >= PAGE or link >= LINK
        print(f"{name}: {plain:.1f} µs a page (target {PAGE:.0f}), {link:.2f} µs a link (target {LINK:.0f})")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
