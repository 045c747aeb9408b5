"""Hosts that drip, hang or never end, beside hosts that are well."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from crawling import SITE, Crawled, Kept, Scripted, crawled, html, prepared

from crawler.errors import FetchTimeout
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.resolve import Resolver
from crawler.outcome import Failure
from crawler.politeness.stall import MOST, URLS
from crawler.request import Request
from crawler.response import Response
from crawler.spider import Spider

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage"
GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
STORED = b"\x00\x01\x00\xfe\xffx"
"""A block of one byte."""
PAGES = int(os.environ.get("SLOW_HOSTS_PAGES", "20"))
"""Of each good host. 20 make a crawl of 3 seconds; with 100 and more nothing is hurried."""
CAP = 2.0
"""Seconds that one fetch may take."""
PATIENCE = 0.2
"""Seconds after which a request is overdue, in most tests."""


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.frontier.lanes.PATIENCE", PATIENCE)


async def request(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


def dripping(begin: bytes, piece: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.1)

    return talk


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    await reader.read()  # until the other side closes


async def deafness(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def goodness(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await request(reader)
        await asyncio.sleep(0.2)
        writer.write(PAGE)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HOSTILE: dict[str, Talk] = {
    "drip body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "drip headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"),
    "silence": silence,
    "1xx flood": dripping(b"", b"HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n"),
    "stall after accept": deafness,
    "drip gzip": dripping(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n" + GZIP, STORED),
    "drip chunks": dripping(CHUNKED, b"1\r\nx\r\n"),
    "drip trailers": dripping(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: 1\r\n"),
    "drip an extension": dripping(CHUNKED + b"1;", b"x"),
}


class Hosts:
    """Servers on addresses of their own: 127.0.1.1 and on."""

    def __init__(self) -> None:
        self.lasted: list[float] = []
        """Seconds for which each connection of a hostile host was kept."""
        self._servers: list[asyncio.Server] = []
        self._talks: set[asyncio.Task[Any]] = set()

    async def open(self, talk: Talk) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._talks.add(task)
            begun = time.monotonic()
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await talk(reader, writer)
            finally:
                if talk is not goodness:
                    self.lasted.append(time.monotonic() - begun)
                self._talks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(serve, f"127.0.1.{len(self._servers) + 1}", 0, backlog=200)
        self._servers.append(server)
        return "http://{}:{}".format(*server.sockets[0].getsockname())

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)


@asynccontextmanager
async def hosts() -> AsyncIterator[Hosts]:
    opened = Hosts()
    try:
        yield opened
    finally:
        await opened.close()


async def rate_of_good_pages(hosts: Hosts, good: list[str], hostile: list[str], pages: int) -> float:
    """Pages a second of the good hosts, while each host has *pages* of them to be asked for."""
    seeds = [f"{host}/{page}" for page in range(pages) for pair in zip(good, hostile or good) for host in pair]

    class Visitor(Spider):
        start_urls = list(dict.fromkeys(seeds))
        allowed_hosts = ["*"]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    begun = time.monotonic()
    wanted = len(good) * pages
    times = {"timeout": CAP, "connect_timeout": CAP, "read_timeout": CAP, "grace": 0.1}
    run = await crawled(Visitor, max_items=wanted, commit_size=50, retries=20, **times)
    seconds = time.monotonic() - begun
    assert {item["url"] for item in run.items} == {f"{host}/{page}" for host in good for page in range(pages)}
    return wanted / (seconds - (0.1 if hostile else 0.0))


@pytest.mark.timeout(120)
async def test_fifty_hostile_hosts_take_nothing_from_fifty_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all hosts drip, hang or stall. The good ones could use all the places that there are: 64 requests take
    0.2 s each, so that the rate is bounded by them and not by this machine. To find out about the others costs their
    places once, until PATIENCE is over, so that is shorter here, as the crawl is."""
    monkeypatch.setattr("crawler.frontier.lanes.PATIENCE", 0.4 if PAGES < 100 else 1.0)
    ratios = []
    async with hosts() as opened:
        good = [await opened.open(goodness) for _ in range(50)]
        hostile = [await opened.open(list(HOSTILE.values())[number % len(HOSTILE)]) for number in range(50)]
        for _ in range(2):  # the first one may be had on a busy machine
            alone = await rate_of_good_pages(opened, good, [], PAGES)
            beside = await rate_of_good_pages(opened, good, hostile, PAGES)
            ratios.append(beside / alone)
            if ratios[-1] >= 0.85:
                break

    print(f"{alone:.0f} good pages/s alone, {beside:.0f} beside the hostile ones: {ratios}")
    assert max(ratios) >= 0.8
    assert opened.lasted
    assert max(opened.lasted) <= CAP + 1.0


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_fetch_that_is_kept_waiting_ends_in_time_and_leaves_nothing(kind: str) -> None:
    tasks = asyncio.all_tasks()
    async with hosts() as opened:
        url = await opened.open(HOSTILE[kind])

        class Visitor(Spider):
            start_urls = [f"{url}/"]

            def parse(self, page: Any) -> None:
                raise AssertionError(page)

        begun = time.monotonic()
        run = await crawled(Visitor, timeout=0.5, retries=0)
        took = time.monotonic() - begun

    assert run.failures == {"timeout": 1}
    assert 0.4 <= took <= 1.5
    assert max(opened.lasted) <= 1.5
    assert asyncio.all_tasks() == tasks


class Hanging(AbstractResolver):
    """A name service that never answers."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_look_up_that_hangs_is_given_up_and_not_asked_for_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crawler.fetch.resolve.PATIENCE", 0.1)
    resolver, tasks = Resolver(Hanging()), asyncio.all_tasks()
    with pytest.raises(OSError, match="no answer of the name service"):
        await asyncio.wait_for(resolver.resolve("made-up.test"), 5.0)

    with pytest.raises(OSError, match="no answer of the name service"):
        resolver._remembered("made-up.test")

    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks


def to_a_deaf_proxy(url: str) -> HttpFetcher:
    return HttpFetcher(FetchOptions(proxies=(url,), timeout=0.8, connect_timeout=0.5, allow_private_hosts=True))


def without_names(url: str) -> HttpFetcher:
    return HttpFetcher(FetchOptions(connect_timeout=0.5), resolver=Resolver(Hanging()))


def impatient_over_tls(url: str) -> HttpFetcher:
    return HttpFetcher(FetchOptions(connect_timeout=0.5, allow_private_hosts=True))


@pytest.mark.parametrize(
    ("fetcher_for", "target", "reason"),
    [
        (without_names, "http://made-up.test/", "connect"),
        (impatient_over_tls, "https", "connect"),
        (to_a_deaf_proxy, "http://made-up.test/", "timeout"),
        (to_a_deaf_proxy, "https://made-up.test/", "proxy"),
    ],
)
async def test_a_connection_that_is_kept_waiting_ends_in_time_and_leaves_nothing(
    fetcher_for: Callable[[str], HttpFetcher], target: str, reason: str
) -> None:
    tasks, files = asyncio.all_tasks(), open_files()
    async with hosts() as opened:
        deaf = await opened.open(deafness)

        class Visitor(Spider):
            start_urls = [f"https{deaf[4:]}/" if target == "https" else target]

            def parse(self, page: Any) -> None:
                raise AssertionError(page)

        begun = time.monotonic()
        run = await crawled(Visitor, fetcher_for(deaf), retries=0)
        took = time.monotonic() - begun
        await asyncio.sleep(0.05)
        files_after = open_files() - 1  # the server's own

    assert list(run.failures) == [reason]
    assert took <= 2.0
    assert asyncio.all_tasks() == tasks
    assert files_after <= files


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


async def test_a_robots_txt_that_drips_is_bounded_as_a_page_is() -> None:
    async with hosts() as opened:
        url = await opened.open(HOSTILE["drip body"])

        class Visitor(Spider):
            start_urls = [f"{url}/{number}" for number in range(20)]

            def parse(self, page: Any) -> None:
                raise AssertionError(page)

        begun = time.monotonic()
        run = await crawled(Visitor, timeout=0.4, retries=0, obey_robots=True)

    assert run.failures == {"timeout": 20}
    assert time.monotonic() - begun <= 3.0


# --- what fetchers that wait for a while do to others ---


class Waiting(Scripted):
    """Answers of some hosts take their time, and do not come at the end of it."""

    def __init__(self, seconds: dict[str, float], fails: Collection[str] = ()) -> None:
        super().__init__({})
        self._seconds = seconds
        self._fails = fails
        self.at: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.ended: dict[str, float] = {}

    async def fetch(self, request: Request, on_sent: Any = None, inside: bool = False) -> Response:
        host = request.url.split("/")[2]
        self.asked.append(request.url)
        self.in_flight += 1
        self.at[host] += 1
        self.most[host] = max(self.most[host], self.at[host])
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._seconds.get(host, 0.01))
        finally:
            self.in_flight -= 1
            self.at[host] -= 1
        if host in self._fails:
            raise FetchTimeout(request.url, "no complete answer in time")
        self.ended[host] = asyncio.get_running_loop().time()
        return html(request.url)


def visitor(urls: list[str]) -> type[Spider]:
    class Visitor(Spider):
        start_urls = urls
        allowed_hosts = ["*"]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    return Visitor


async def test_overdue_requests_hold_the_places_of_no_others() -> None:
    slow = {f"slow{number}.test": 1.5 for number in range(7)}
    fetcher = Waiting(slow)
    urls = [f"http://{host}/" for host in slow] + [f"http://well.test/{number}" for number in range(100)]
    loop = asyncio.get_running_loop()

    begun = loop.time()
    run = await crawled(visitor(urls), fetcher, concurrency=8)

    assert len(run.items) == 107
    assert fetcher.ended["well.test"] - begun < 1.4  # before any of the slow ones has ended
    assert fetcher.most_in_flight <= 8 + 7


async def test_there_are_never_more_requests_than_twice_those_that_were_allowed() -> None:
    fetcher = Waiting({f"h{number}.test": PATIENCE + 0.2 for number in range(30)})

    run = await crawled(visitor([f"http://{host}/" for host in fetcher._seconds]), fetcher, concurrency=10)

    assert len(run.items) == 30
    assert 10 < fetcher.most_in_flight <= 19


async def test_one_worker_stays_alone_however_long_it_waits() -> None:
    fetcher = Waiting({"a.test": PATIENCE + 0.3})

    run = await crawled(visitor(["http://a.test/", "http://b.test/", "http://c.test/"]), fetcher, concurrency=1)

    assert (len(run.items), fetcher.most_in_flight) == (3, 1)


async def test_a_slow_host_alone_is_asked_by_as_many_as_it_may_be() -> None:
    fetcher = Waiting({"slow.test": PATIENCE + 0.2})

    await crawled(visitor([f"http://slow.test/{number}" for number in range(20)]), fetcher, concurrency_per_host=8)

    assert fetcher.most["slow.test"] == 8


async def test_callbacks_that_take_long_are_no_more_than_was_allowed() -> None:
    class Slow(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(6)]
        running = most = 0

        async def parse(self, page: Any) -> Any:
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
            await asyncio.sleep(PATIENCE + 0.1)
            Slow.running -= 1
            return {"url": page.url}

    run = await crawled(Slow, Waiting({}), concurrency=3)

    assert (len(run.items), Slow.most) == (6, 3)


async def test_a_crawl_stops_in_time_with_all_its_workers_at_slow_hosts() -> None:
    fetcher = Waiting({f"h{number}.test": 60.0 for number in range(30)})
    crawl = prepared(visitor([f"http://{host}/" for host in fetcher._seconds]), fetcher, concurrency=8, grace=0.1)
    running = asyncio.create_task(crawl.run())
    while fetcher.in_flight < 13:  # two of the fifteen places are for hosts that are quick
        await asyncio.sleep(0.05)

    crawl.stop("interrupted")
    report = await asyncio.wait_for(running, 5.0)

    assert (report.reason, report.waiting, fetcher.in_flight) == ("interrupted", 30, 0)


# --- hosts that never answer ---


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes a second."""
    monkeypatch.setattr("crawler.frontier.lanes.PATIENCE", 0.03)
    monkeypatch.setattr("crawler.frontier.lanes._STEP", 0.005)
    monkeypatch.setattr("crawler.politeness.stall.LONGEST", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("polite", [{"throttle": False}, {"throttle": True, "delay": 0.01}])
async def test_a_host_that_never_answers_is_given_up_with_all_its_urls(
    polite: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.politeness.throttle.FIRST_PENALTY", 0.01)
    fetcher = Waiting({"dead.test": 0.06}, fails={"dead.test"})
    failed: list[Failure] = []
    urls = [f"http://dead.test/{number}" for number in range(1_000)]

    class Hearing(visitor(urls)):  # type: ignore[misc]
        def on_failure(self, failure: Failure) -> None:
            failed.append(failure)

    run: Crawled = await crawled(Hearing, fetcher, retries=2, retry_backoff=0.01, **polite)

    assert sum(run.failures.values()) == len({failure.url for failure in failed}) == 1_000
    assert run.failures["stalled"] >= 1_000 - MOST
    assert len(fetcher.asked) <= 8 + MOST + URLS
    assert (run.reason, run.report.waiting) == ("complete", 0)


@pytest.mark.usefixtures("impatient")
async def test_pages_that_hang_do_not_give_up_a_host_that_answers_others() -> None:
    class Half(Waiting):
        async def fetch(self, request: Request, on_sent: Any = None, inside: bool = False) -> Response:
            hangs = int(request.url.rpartition("/")[2]) % 2
            await asyncio.sleep(0.06 if hangs else 0.002)
            if hangs:
                raise FetchTimeout(request.url, "no complete answer in time")
            return html(request.url)

    urls = [f"http://half.test/{number}" for number in range(100)]
    run = await crawled(visitor(urls), Half({}), retries=0, throttle=False)

    assert (len(run.items), run.failures) == (50, {"timeout": 50})


# --- what waits to be written ---


class SlowSink(Kept):
    """Writes little in a second, and notes how much there is that waits."""

    async def append(self, records: Any) -> int:
        await asyncio.sleep(0.2)
        self.records += [len(record.data) for record in records]
        return len(self.records)


async def test_a_slow_output_slows_the_crawl_and_fills_no_memory() -> None:
    size = 8 * 1024 * 1024
    fetched = 0
    waiting: list[int] = []
    sink = SlowSink()

    class Big(visitor([f"{SITE}/{number}" for number in range(60)])):  # type: ignore[misc]
        def parse(self, page: Any) -> Any:
            nonlocal fetched
            fetched += 1
            waiting.append(fetched - len(sink.records))
            return {"body": "x" * size}

    await crawled(Big, Waiting({}), sinks=[sink], concurrency=4, commit_interval=0.01)

    assert len(sink.records) == 60
    waits = 2 * 32 * 1024 * 1024 + 7 * size  # two groups, and one record of each worker
    assert max(waiting) * size <= 2 * waits  # as many are being written
