"""Pages of ``latency_server.py``, and when they came: ``-a urls=FILE -a log=FILE``, ``-a follow=yes`` for what they link to.

The file that *urls* names has a seed in each line. Into *log* goes a line of JSON for each stretch of pages: how many there were by then, the
seconds since the first request was drawn, the process's resident memory, the CPU time that it took so far, and the time for which its loop
was ready to run and had no core.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from crawler import Item, Page, Request, Spider, css

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class Numbered(Item):
    url: str
    title: str = css("title::text")


class Scale(Spider):
    name = "scale_bench"
    allowed_hosts = ("*",)

    def __init__(self, urls: str, log: str, follow: str = "", every: str = "1000", times: str = "") -> None:
        super().__init__()
        self._urls = urls
        self._follow = bool(follow)
        self._every = int(every)
        self._times = bool(times)
        self._pages = 0
        self._log = Path(log).open("w", buffering=1)  # noqa: SIM115 (closed with the crawl)
        self._begun = 0.0
        self._came: dict[str, list[float]] = {}

    async def start(self) -> AsyncIterator[Request]:
        self._begun = time.perf_counter()
        self._note()
        with Path(self._urls).open() as lines:
            for line in lines:
                yield Request(line.rstrip("\n"))

    def parse(self, page: Page) -> Iterator[object]:
        self._pages += 1
        if self._pages % self._every == 0:
            self._note()
        if self._times:
            host = page.url.split("/", 3)[2]
            self._came.setdefault(host, []).append(time.perf_counter() - self._begun)
        yield page.extract(Numbered)
        if self._follow:
            yield from page.follow_all("a")

    def closed(self, reason: str) -> None:
        self._note()
        if self._times:
            self._log.write(json.dumps(self._came) + "\n")
        self._log.close()

    def _note(self) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_SIZE
        line = {
            "pages": self._pages,
            "seconds": time.perf_counter() - self._begun,
            "resident": resident,
            "cpu": time.process_time(),
            "kept": int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9,
        }
        self._log.write(json.dumps(line) + "\n")
