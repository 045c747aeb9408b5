"""Spiders with ``@cpu_bound`` callbacks. A parse process imports them from here, so nothing here is for it to run."""

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler import Item, Request, Spider, cpu_bound, css
from crawler.errors import NoFetchHere

HOME = "http://site.test/"


class Title(Item):
    url: str
    title: str = css("h1::text")


@dataclass
class Price:
    amount: float


class Titles(Spider):
    """Every kind of result that a callback may give."""

    start_urls = [HOME]

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    @cpu_bound
    def parse(self, page: Any) -> Any:
        yield page.extract(Title)
        yield {"depth": page.depth, "meta": page.meta, "shifted": 1 + self.shift}
        yield [Price(1.5), Price("free")]  # type: ignore[arg-type]  # the second one is a reject
        yield from page.follow_all("a", callback=self.parse_more, meta={"by": [page.url]})

    @cpu_bound
    def parse_more(self, page: Any) -> Any:
        return {"url": page.url, "depth": page.depth, "meta": page.meta}


class TitlesInline(Titles):
    """The same callbacks in the crawl's own process."""

    def parse(self, page: Any) -> Any:
        yield from super().parse(page)

    def parse_more(self, page: Any) -> Any:
        return super().parse_more(page)


class Pids(Spider):
    start_urls = [f"{HOME}{number}" for number in range(8)]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        return {"pid": os.getpid()}


class Raises(Spider):
    start_urls = [HOME, f"{HOME}forgotten", f"{HOME}exit", f"{HOME}fine"]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        if page.url.endswith("forgotten"):
            yield fetched()
        elif page.url.endswith("exit"):
            sys.exit(3)
        elif page.url == HOME:
            yield {"lost": "with its page"}
            raise_the_error(page.url)
        yield {"url": page.url}


def raise_the_error(url: str) -> None:
    raise LookupError(f"nothing at {url}")  # THE LINE


async def fetched() -> None:
    """Never awaited, in a place where nothing could await it."""


class Dies(Spider):
    """Its page kills the process that parses it, as often as *deaths* says; each death leaves a mark in *folder*."""

    start_urls = [f"{HOME}deadly", *[f"{HOME}{number}" for number in range(5)]]

    def __init__(self, folder: str, deaths: int) -> None:
        self.folder = Path(folder)
        self.deaths = deaths

    @cpu_bound
    def parse(self, page: Any) -> Any:
        died = len(list(self.folder.iterdir()))
        if page.url.endswith("deadly") and died < self.deaths:
            (self.folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"url": page.url}


class Hangs(Spider):
    start_urls = [f"{HOME}hangs", f"{HOME}1", f"{HOME}2"]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        if page.url.endswith("hangs"):
            time.sleep(60)
        return {"url": page.url}


class CountsAtOnce(Spider):
    """Says in its items how many callbacks ran at once, as marks in *folder* show."""

    start_urls = [f"{HOME}{number}" for number in range(12)]

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    @cpu_bound
    def parse(self, page: Any) -> Any:
        mark = self.folder / page.url.rpartition("/")[2]
        mark.touch()
        at_once = len(list(self.folder.iterdir()))
        time.sleep(0.01)
        mark.unlink()
        return {"at_once": at_once}


class BuiltHereAlone(Spider):
    """Its constructor works in the crawl's own process only."""

    start_urls = [HOME]

    def __init__(self, pid: int) -> None:
        if os.getpid() != pid:
            raise RuntimeError("the licence is for one process")

    @cpu_bound
    def parse(self, page: Any) -> Any:
        return {"url": page.url}


class Replaced(Spider):
    """Yields a request from a parse process, in every field."""

    start_urls = [HOME]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        if page.request.method == "GET":
            return Request(HOME, method="POST", json={"a": [1]}, headers={"X-A": "b"}, meta={"n": 1}, priority=3)
        return {"method": page.request.method, "json": page.request.json, "headers": page.request.headers}


class FollowsInProcess(Spider):
    """Everything that a page links to, found in a parse process."""

    start_urls = [HOME]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        yield {"url": page.url}
        for url in page.links():
            yield page.follow(url)


@dataclass
class Numbered:
    number: int
    where: str = ""


_MAIN = multiprocessing.parent_process() is None


class Stepping(Spider):
    """Its first steps are plain ones, and run where its callback does."""

    start_urls = ["http://site.test/"]
    fails = ""

    @cpu_bound
    def parse(self, page: Any) -> Any:
        for number in range(3):
            yield Numbered(number)
        yield Numbered("none")  # type: ignore[arg-type]

    def drop_1(self, item: Numbered) -> Numbered | None:
        if self.fails:
            raise ValueError("there")
        item.where = "here" if _MAIN else "elsewhere"
        return item if item.number != 1 else None

    async def save(self, item: Numbered) -> dict[str, Any]:
        here = "here" if _MAIN else "elsewhere"
        return {"number": item.number, "plain": item.where, "async": here, "kind": type(item).__name__}

    steps = [drop_1, save]


class Where(Spider):
    """Says in which process its pages are worked on, each of which takes *seconds*, and *cpu* of its own."""

    def __init__(self, pages: int = 6, seconds: float = 0.0, cpu: float = 0.0) -> None:
        self.start_urls = [f"{HOME}{number}" for number in range(pages)]
        self.seconds = seconds
        self.cpu = cpu

    @cpu_bound
    def parse(self, page: Any) -> Any:
        time.sleep(self.seconds)
        end = time.thread_time() + self.cpu
        while time.thread_time() < end:
            pass
        return {"pid": os.getpid(), "heads": len(page.css("h1"))}


class Signs(Spider):
    """Its first page goes on to another one, and its second to itself."""

    start_urls = [f"{HOME}sign", f"{HOME}ticker"]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        return {"url": page.url}


class FetchesApart(Spider):
    start_urls = [HOME]

    @cpu_bound
    def parse(self, page: Any) -> Any:
        try:
            self.fetch("/other").send(None)
        except NoFetchHere as error:
            return {"refused": "@cpu_bound" in str(error)}
