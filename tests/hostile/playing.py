"""Plays attacks to a crawl, in a process of its own, and tells what became of it and what it cost.

``python playing.py NAME URL ...`` (or ``all``): the attacks of these names, whose URLs a server in another process gave.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from crawler import Request, Spider
from crawler.api import crawl, run_loop
from crawler.testing.attack import STORED, Attack
from crawler.testing.hostile import FAMILIES

TICK = 0.002
"""Seconds between two looks at how long the loop was held."""
QUICK = {"retries": 0, "commit_interval": 0.01, "parse_processes": 1}
"""No second try, and no waiting for company at a commit."""


class Prober(Spider):
    """Looks at a page as a user's spider would, and follows every link."""

    name = "prober"

    def __init__(self, url: str, is_sitemap: bool = False) -> None:
        self.url = url
        self.callback = "parse_sitemap" if is_sitemap else "parse"
        self.allowed_hosts = ["127.0.0.1"]
        self.ends: list[str] = []

    async def start(self) -> AsyncIterator[Request]:
        yield Request(self.url, self.callback)

    def parse(self, page: Any) -> Any:
        if "json" in page.headers.get("Content-Type", ""):
            page.json()
        title = page.css("title::text").get("")
        requests = list(page.follow_all("a[href]"))
        yield {"url": page.url, "title": title, "characters": len(page.text), "links": len(page.links())}
        yield requests
        self.ends.append(STORED)

    async def parse_sitemap(self, page: Any) -> AsyncIterator[Any]:
        async for some in super().parse_sitemap(page):
            yield some
        self.ends.append(STORED)

    def on_failure(self, failure: Any) -> None:
        self.ends.append(failure.reason)


@dataclass
class Played:
    """What an attack led to."""

    ends: str
    """The outcome of the first URL."""
    seconds: float
    cpu: float
    """Seconds of the processor."""
    held: float
    """Seconds of the processor between two turns of the loop, at most: as a machine without other work would lag."""
    lag: float
    """Seconds that a task waited for its turn, at most."""
    mebibytes: float
    """Growth of the process's memory, at its peak."""
    requests: int
    reason: str
    trouble: list[str] = field(default_factory=list)
    """Errors that are no outcome: a defect of the crawler's, an exception that nobody took."""


class Ticker:
    """How long the loop was held."""

    def __init__(self) -> None:
        self.held = 0.0
        self.lag = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tick(self) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            cpu_now, wall_now = time.thread_time(), time.perf_counter()
            self.held, self.lag = max(self.held, cpu_now - cpu), max(self.lag, wall_now - wall - TICK)
            cpu, wall = cpu_now, wall_now


class Troubles(logging.Handler):
    """Errors in the log, and exceptions that nobody took."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record)[-2_000:])


def mebibytes(of: str) -> float:
    """A figure of this process, as Linux tells it; 0 elsewhere."""
    status = Path("/proc/self/status")
    return int(status.read_text().partition(of)[2].split(None, 1)[0]) / 1024 if status.exists() else 0.0


@contextmanager
def from_now() -> Iterator[None]:
    """Let the peak of memory begin here."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # the peak is that of the whole process then
    yield


async def played(attack: Attack, url: str, troubles: Troubles) -> Played:
    args = {"url": url, "is_sitemap": attack.is_sitemap}
    running = crawl(Ending, args=args, settings={**QUICK, **attack.settings})
    troubles.seen.clear()
    with from_now():
        before = mebibytes("VmRSS:")
        cpu, wall = time.process_time(), time.perf_counter()
        async with Ticker() as ticker:
            async for _ in running:
                pass
        seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
        growth = mebibytes("VmHWM:") - before
    report = running.report
    assert report is not None
    ends = Ending.last.pop(url, ["nothing"])
    return Played(
        ends[0] if ends else "nothing",
        round(seconds, 3),
        round(cpu, 3),
        round(ticker.held, 4),
        round(ticker.lag, 4),
        round(growth, 1),
        report.stats.requests,
        report.reason,
        list(troubles.seen),
    )


class Ending(Prober):
    """Leaves what it saw where it can be found: the crawl makes its own spider."""

    name = "ending"
    last: dict[str, list[str]] = {}

    def closed(self, reason: str) -> None:
        self.last[self.url] = self.ends


async def play(urls: dict[str, str]) -> None:
    """One line of JSON for each attack: those that mostly wait at the same time, the others one after the other."""
    troubles = Troubles()
    logging.getLogger().addHandler(troubles)
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: troubles.seen.append(f"{context.get('message')}: {context.get('exception')!r}")
    )
    attacks = [attack for family in FAMILIES.values() for attack in family if attack.name in urls]

    async def one(attack: Attack) -> None:
        print(json.dumps([attack.name, asdict(await played(attack, urls[attack.name], troubles))]), flush=True)

    await asyncio.gather(*(one(attack) for attack in attacks if is_waiting(attack)))
    for attack in attacks:
        if not is_waiting(attack):
            await one(attack)


def is_waiting(attack: Attack) -> bool:
    """Whether most of its time is waiting for a time limit."""
    return bool({"timeout", "read_timeout", "connect_timeout"} & attack.settings.keys())


if __name__ == "__main__":
    run_loop(lambda: play(json.loads(sys.stdin.read())))
