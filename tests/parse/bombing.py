"""A crawl over good pages and, by the order on its command line, bombs, in a process of its own; prints what became of
them and what it took. The order: how many bombs each host has, and which shapes; a host for each shape.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from crawler import CannedFetcher, Page, Spider, crawl
from crawler.testing.markup import SHAPES

SETTINGS = {"obey_robots": False, "delay": 0.0, "concurrency": 16, "slow_callback": 60.0}
GOOD = [f"http://good{host}.localhost/{number}" for host in range(20) for number in range(20)]


class Pages(Spider):
    name = "pages"

    def __init__(self, urls: str = "") -> None:
        self.start_urls = urls.split()

    def parse(self, page: Page) -> Any:
        yield {"url": page.url, "title": page.css("h1::text").get(), "at": time.perf_counter()}

    def on_failure(self, failure: Any) -> Any:
        yield {"url": failure.url, "reason": failure.reason, "detail": failure.detail, "at": time.perf_counter()}


def mebibytes(key: str) -> float:
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def longest_stall() -> tuple[float, float]:
    """The most that was done between two turns of the loop, in seconds of the processor, which other programs do not
    lengthen, and of the clock; until it is cancelled.
    """
    worked, waited, last, last_clock = 0.0, 0.0, time.process_time(), time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.005)
            now, clock = time.process_time(), time.perf_counter()
            worked, waited = max(worked, now - last), max(waited, clock - last_clock)
            last, last_clock = now, clock
    except asyncio.CancelledError:
        return worked, waited


async def main(each: int, shapes: list[str]) -> dict[str, Any]:
    made = {shape: SHAPES[shape]() for shape in shapes}
    bombs = {
        f"http://bomb{host}.localhost/{number}": body
        for number in range(each)
        for host, body in enumerate(made.values())
    }
    fetcher = CannedFetcher({**bombs, **dict.fromkeys(GOOD, b"<h1>good</h1>")})
    urls = [*bombs, *GOOD]
    watching = asyncio.create_task(longest_stall())
    before, begin = mebibytes("VmRSS"), time.perf_counter()
    pages = [item async for item in crawl(Pages, args={"urls": " ".join(urls)}, settings=SETTINGS, fetcher=fetcher)]
    watching.cancel()
    return {
        "good": max(page["at"] - begin for page in pages if page.get("title") == "good"),
        "pages": {page["url"]: page.get("reason", "") for page in pages},
        "details": {page["url"]: page["detail"] for page in pages if "detail" in page},
        "seconds": time.perf_counter() - begin,
        "stall": await watching,
        "grown": mebibytes("VmHWM") - before,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))))
