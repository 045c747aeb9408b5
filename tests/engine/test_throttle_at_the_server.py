"""How hosts are asked that are slow, or have had enough, or share an address: measured where the requests arrive."""

import itertools
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from crawling import QUICK, Crawled, Kept, crawled
from watching import Reply, WatchingServer

from crawler.assemble import assemble, build_spider
from crawler.config import SETTINGS, Settings
from crawler.engine.crawl import Report
from crawler.frontier.frontier import Frontier
from crawler.frontier.job import Job, Spec
from crawler.politeness.throttle import FIRST_PENALTY
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.spider import Spider

DELAY = 0.04
TOLERANCE = 0.001


async def visited(urls: Sequence[str], **settings: Any) -> Crawled:
    class Visitor(Spider):
        start_urls = urls

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    return await crawled(Visitor, **{"concurrency": 32, "concurrency_per_host": 8, "obey_robots": True, **settings})


def some(server: WatchingServer, count: int) -> list[str]:
    return [f"{server.url}/{number}" for number in range(count)]


def taking(seconds: Callable[[int], float]) -> Callable[[str, int], Reply]:
    """Pages that take so long, by their number."""

    def reply(path: str, times: int) -> Reply:
        return Reply(404) if path == "/robots.txt" else Reply(seconds=seconds(int(path[1:])))

    return reply


async def test_a_host_that_slows_down_is_asked_more_slowly_and_quickly_again_when_it_has_recovered() -> None:
    with WatchingServer(taking(lambda number: 0.2 if 10 <= number < 25 else 0.0)) as server:
        run = await visited(some(server, 60), delay=DELAY)

    assert len(run.items) == 60
    gaps = server.gaps[1:]
    assert min(gaps) >= DELAY - TOLERANCE
    assert median(gaps[:8]) < 2 * DELAY
    assert max(gaps[10:30]) > 0.15
    assert median(gaps[-10:]) < 2 * DELAY


async def test_a_slow_host_has_one_request_to_do_at_a_time_on_average() -> None:
    with WatchingServer(taking(lambda number: 0.15)) as server:
        await visited(some(server, 20), delay=DELAY)

    assert median(server.gaps[8:]) >= 0.14


async def test_a_host_that_is_owed_no_delay_may_be_as_slow_as_it_likes() -> None:
    with WatchingServer(taking(lambda number: 0.1)) as server:
        begun = time.monotonic()
        await visited(some(server, 40), delay=None)

    assert server.most_at_once == 8
    assert time.monotonic() - begun < 2.0


async def test_error_pages_speed_nothing_up() -> None:
    def reply(path: str, times: int) -> Reply:
        number = int(path[1:])
        return Reply(404) if number >= 8 else Reply(seconds=0.15)

    with WatchingServer(reply) as server:
        await visited(some(server, 16), delay=DELAY, obey_robots=False, concurrency_per_host=1)

    assert min(server.gaps[4:]) > 0.1


@pytest.mark.parametrize("delay", [0.0, DELAY])
async def test_a_host_that_had_enough_is_asked_more_slowly_until_it_is_content(delay: float) -> None:
    refused = set()

    def reply(path: str, times: int) -> Reply:
        if path == "/4" and times == 1:
            refused.add(path)
            return Reply(429)
        return Reply()

    with WatchingServer(reply) as server:
        run = await visited(some(server, 14), delay=delay, obey_robots=False, concurrency_per_host=1)

    assert len(run.items) == 14
    at = server.paths.index("/4") + 1
    gaps = server.gaps[at:]
    assert min(gaps[:3]) >= FIRST_PENALTY * 0.9**3 - TOLERANCE
    assert gaps[-1] < gaps[1]


async def test_many_refusals_at_once_are_one_and_what_follows_them_is_spaced() -> None:
    def reply(path: str, times: int) -> Reply:
        return Reply(503, seconds=0.05) if times == 1 and int(path[1:]) < 8 else Reply()

    with WatchingServer(reply) as server:
        run = await visited(some(server, 12), delay=0.0, obey_robots=False, retry_backoff=0.01)

    assert len(run.items) == 12
    gaps = server.gaps[8:]
    assert min(gaps[:5]) >= FIRST_PENALTY * 0.9**6 - TOLERANCE
    assert max(gaps) < 4 * FIRST_PENALTY


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after_holds_for_the_whole_host_in_both_of_its_forms(as_date: bool) -> None:
    """Two seconds, or a date in two to three: it has whole seconds."""
    told: list[float] = []

    def reply(path: str, times: int) -> Reply:
        if path == "/2" and times == 1:
            told.append(time.time())
            return Reply(503, retry_after=formatdate(int(time.time()) + 3, usegmt=True) if as_date else "2")
        return Reply()

    with WatchingServer(reply) as server, WatchingServer(reply, "127.0.0.2") as other:
        run = await visited([*some(server, 6), f"{other.url}/9"], delay=0.0, obey_robots=False, concurrency_per_host=1)

    assert len(run.items) == 7
    after = min(arrival.at for arrival in server.arrivals if arrival.at > told[0] + TOLERANCE)
    assert 1.9 <= after - told[0] < 4.0
    assert max(arrival.at for arrival in other.arrivals) < told[0] + 1.0  # it has nothing to do with the other one


async def test_without_the_throttle_only_the_rest_is_kept() -> None:
    def reply(path: str, times: int) -> Reply:
        return Reply(429, retry_after="0") if path == "/2" and times == 1 else Reply()

    with WatchingServer(reply) as server:
        begun = time.monotonic()
        await visited(some(server, 10), delay=0.0, obey_robots=False, throttle=False, retry_backoff=0.01)

    assert time.monotonic() - begun < 1.0


# --- by address ---


def between(*servers: WatchingServer) -> list[float]:
    times = sorted(arrival.at for server in servers for arrival in server.arrivals)
    return [later - earlier for earlier, later in itertools.pairwise(times)]


async def test_hosts_at_one_address_are_spaced_together_under_concurrency_redirects_and_retries() -> None:
    def reply(path: str, times: int) -> Reply:
        if path == "/robots.txt":
            return Reply(body="User-agent: *\nDisallow: /never")
        if path == "/1":
            return Reply(302, location="/moved")
        if path == "/2" and times == 1:
            return Reply(500)
        return Reply(seconds=0.02)

    with WatchingServer(reply) as one, WatchingServer(reply) as two, WatchingServer(reply) as three:
        urls = [url for server in (one, two, three) for url in some(server, 12)]
        run = await visited(urls, delay=0.05, delay_per_ip=0.03, retry_backoff=0.01)

    assert len(run.items) == 36
    assert min(between(one, two, three)) >= 0.03 - TOLERANCE
    for server in (one, two, three):
        assert min(server.gaps) >= 0.05 - TOLERANCE
    assert sum(between(one, two, three)) < 3 * (12 + 3) * 0.03 * 2  # and no slower than it must be


async def test_the_spacing_of_an_address_is_a_fifth_of_its_hosts_own_unless_one_says_so() -> None:
    servers = [WatchingServer(taking(lambda number: 0.0)) for _ in range(8)]
    try:
        await visited([url for server in servers for url in some(server, 3)], delay=0.1, obey_robots=False)
    finally:
        for server in servers:
            server.__exit__()

    assert min(between(*servers)) >= 0.02 - TOLERANCE
    assert sum(between(*servers)) < 1.5


async def test_an_address_of_its_own_owes_nothing_to_another_one() -> None:
    with (
        WatchingServer(taking(lambda number: 0.0)) as one,
        WatchingServer(taking(lambda number: 0.0), "127.0.0.2") as two,
    ):
        begun = time.monotonic()
        await visited([*some(one, 6), *some(two, 6)], delay=0.0, delay_per_ip=0.2, obey_robots=False)

    assert time.monotonic() - begun < 11 * 0.2  # one after the other; each for itself it is 5 * 0.2
    assert min([*one.gaps, *two.gaps]) >= 0.2 - TOLERANCE


async def test_names_that_lead_to_one_address_are_spaced_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    web = _Web({f"http://{name}.test/{number}": "" for name in "abc" for number in range(6)})
    known: dict[str, str] = {}

    def address_of(hostname: str) -> str:
        return known.get(hostname, "")

    web.on_fetch = lambda url: known.setdefault(url.split("/")[2], "192.0.2.7")
    monkeypatch.setattr("crawler.assemble.Frontier", _with(address_of=address_of))

    class Visitor(Spider):
        start_urls = tuple(web.pages)

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    run = await crawled(Visitor, web, concurrency=32, delay=0.03, delay_per_ip=0.02)

    assert len(run.items) == 18
    first = {url.split("/")[2]: at for at, url in reversed(web.asked)}
    later = [at for at, url in web.asked if at != first[url.split("/")[2]]]
    assert min(b - a for a, b in itertools.pairwise(later)) >= 0.02 - TOLERANCE


# --- over a resume ---


async def test_a_resumed_crawl_goes_on_as_slowly_as_the_one_that_was_ended(tmp_path: Path) -> None:
    def reply(path: str, times: int) -> Reply:
        return Reply(429) if path == "/3" and times == 1 else Reply()

    class Visitor(Spider):
        start_urls: tuple[str, ...] = ()

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    with WatchingServer(reply) as server:
        Visitor.start_urls = tuple(some(server, 14))
        job = a_job(tmp_path)
        first = await _run(Visitor, job, max_pages=6)
        stopped = len(server.arrivals)
        second = await _run(Visitor, job, is_resumed=True)

    assert (first.reason, second.reason) == ("max_pages", "complete")
    assert second.stats.pages == 14
    gaps = server.gaps[stopped:]
    assert min(gaps[:2]) >= FIRST_PENALTY * 0.9**6 - TOLERANCE  # three answers had walked it back, and three more
    assert gaps[-1] < gaps[0]


# --- budgets of sites ---


class _Web:
    """Pages by URL, or what *page_of* makes of one; nothing is dialled."""

    def __init__(self, pages: dict[str, str], page_of: Callable[[str], str | None] = lambda url: None) -> None:
        self.pages = pages
        self.on_fetch: Callable[[str], object] = lambda url: None
        self._page_of = page_of
        self.asked: list[tuple[float, str]] = []

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        self.on_fetch(request.url)
        self.asked.append((time.monotonic(), request.url))
        if on_sent is not None:
            on_sent()
        body = self.pages.get(request.url, self._page_of(request.url))
        if body is None:
            return Response(request.url, 404, headers_of())
        return Response(request.url, 200, headers_of({"Content-Type": "text/html"}), body.encode(), 0.001)

    def address_of(self, hostname: str) -> str:
        return ""

    def new_cookies(self) -> list[Any]:
        return []

    def restore_cookies(self, cookies: Sequence[Any]) -> None:
        """It sends none."""

    async def close(self) -> None:
        """Nothing is open."""


def _with(**more: Any) -> Callable[..., Frontier]:
    """The frontier, whatever else it is made with."""
    return lambda *stages, **given: Frontier(*stages, **{**given, **more})


def last_two_labels(hostname: str) -> str:
    return ".".join(hostname.split(".")[-2:])


def trap(url: str) -> str | None:
    """A calendar without end on sub-domains without end."""
    host, _, path = url.removeprefix("http://").partition("/")
    if not host.endswith("trap.test") or path == "robots.txt":
        return None
    day = int(path or "0")
    links = [
        f"http://trap.test/{day + 1}",
        f"http://trap.test/{day + 2}",
        f"http://d{day}.{host[-20:].lstrip('.')}/{day}",
    ]
    return "".join(f'<a href="{link}">next</a>' for link in links)


REAL = {
    f"http://real.test/{number}": "".join(
        f'<a href="http://real.test/{other}">x</a>' for other in range(number, min(number + 12, 400))
    )
    + '<a href="http://trap.test/">x</a>'
    for number in range(400)
}


class Everywhere(Spider):
    allowed_hosts = ("*",)
    start_urls = ("http://real.test/0", "http://trap.test/0")

    def parse(self, page: Any) -> Any:
        yield {"url": page.url}
        yield from page.follow_all("a")


@pytest.mark.parametrize("concurrency", [1, 32])
async def test_a_trap_costs_its_budget_and_the_real_site_nothing(
    concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.assemble.Frontier", _with(site_of=last_two_labels))
    web = _Web(REAL, trap)

    run = await crawled(
        Everywhere, web, concurrency=concurrency, hosts={"trap.test": {"max_pages_per_site": 50}}, obey_robots=True
    )

    fetched = [url for _, url in web.asked if not url.endswith("/robots.txt")]
    trapped = [url for url in fetched if "trap.test" in url]
    assert (run.reason, len(trapped)) == ("complete", 50)
    assert len({url for url in fetched if "real.test" in url}) == 400  # 95 % would do
    assert run.report.stats.skipped["site_budget"] > 0
    assert run.failures == {}


async def test_a_budget_is_filled_exactly_although_pages_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {f"http://h{number % 7}.one.test/{number}": "" for number in range(0, 100, 2)}
    urls = [f"http://h{number % 7}.one.test/{number}" for number in range(100)]
    monkeypatch.setattr("crawler.assemble.Frontier", _with(site_of=last_two_labels))

    class Visitor(Spider):
        start_urls = urls

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    run = await crawled(Visitor, _Web(pages), concurrency=32, max_pages_per_site=20)

    assert (len(run.items), run.reason) == (20, "complete")
    assert run.failures.get("http_404", 0) + 20 + run.report.stats.skipped["site_budget"] == 100


async def test_a_budget_counts_on_in_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.assemble.Frontier", _with(site_of=last_two_labels))
    job = a_job(tmp_path)
    web = _Web({}, trap)

    class Trapped(Everywhere):
        start_urls = ("http://trap.test/0",)

    first = await _run(Trapped, job, web, max_pages=8, max_pages_per_site=20)
    second = await _run(Trapped, job, web, is_resumed=True, max_pages_per_site=20)

    assert (first.reason, first.stats.pages) == ("max_pages", 8)
    assert (second.reason, second.stats.pages, len(web.asked)) == ("complete", 20, 20)


def a_job(folder: Path) -> Job:
    job = Job(folder)
    job.create(Spec("visitor", "visitor"), syncs=False)
    return job


async def _run(
    spider_type: type[Spider], job: Job, fetcher: Any = None, *, is_resumed: bool = False, **more: Any
) -> Report:
    values = {name: setting.default for name, setting in SETTINGS.items()}
    settings = Settings({**values, **QUICK, "concurrency_per_host": 1, **more}, {}, {})
    sinks = [Kept(), Kept("rejects")]
    spider = build_spider(spider_type, {})
    return await assemble(spider, {}, settings, sinks, fetcher, job, is_resumed=is_resumed).run()
