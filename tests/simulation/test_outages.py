"""The network fails for a while, in virtual time: no URL is the worse for it, and the crawl goes on at once when it is back."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from virtual import VirtualLoop

from crawler.assemble import assemble
from crawler.config import SETTINGS, Settings
from crawler.engine.crawl import Crawl, Report
from crawler.errors import ConnectFailed, DNSFailed, FetchError, FetchTimeout
from crawler.outcome import Record
from crawler.request import Request
from crawler.response import Cookie, Response, headers_of
from crawler.spider import Spider

BEGIN, END = 10.0, 70.0
HOSTS, PAGES = 6, 100
Trouble = Callable[[float, str], FetchError | None]
"""(When, URL) -> what it comes to, if not to a page."""


class Nowhere:
    """A sink."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def open(self, position: int | None) -> int:
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        return 0

    async def close(self) -> None:
        """Nothing is open."""


class Web:
    """Sites of which each start page links to all others of its site, and some pages to sites that nobody knew of."""

    def __init__(self, loop: VirtualLoop, trouble: Trouble, links: dict[str, list[str]]) -> None:
        self._loop = loop
        self._trouble = trouble
        self._links = links
        self.asked: list[tuple[float, str]] = []
        self.answered: list[tuple[float, str]] = []

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        url = request.url
        self.asked.append((self._loop.time(), url))
        trouble = self._trouble(self._loop.time(), url)
        if isinstance(trouble, ConnectFailed) and "timeout" in trouble.detail:
            await asyncio.sleep(10.0)
        if trouble is not None and not isinstance(trouble, FetchTimeout):
            raise trouble
        if on_sent is not None:
            on_sent()
        await asyncio.sleep(0.05)
        late = self._trouble(self._loop.time(), url)
        if trouble is not None or late is not None:  # the connection stood when the way was cut off
            await asyncio.sleep(15.0)
            raise FetchTimeout(url, "no complete answer in time")
        self.answered.append((self._loop.time(), url))
        if url.endswith("/robots.txt"):
            return Response(url, 404, headers_of())
        base = url.rpartition("/")[0]
        links = [f"{base}/{number}" for number in range(1, PAGES)] if url.endswith("/0") else []
        body = "".join(f'<a href="{link}">x</a>' for link in [*links, *self._links.get(url, [])])
        return Response(url, 200, headers_of({"Content-Type": "text/html"}), body.encode(), 0.05)

    def address_of(self, hostname: str) -> str:
        return ""

    def new_cookies(self) -> list[Cookie]:
        return []

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """It sends none."""

    async def close(self) -> None:
        """Nothing is open."""


def site(number: int) -> str:
    return f"http://h{number}.test"


class Run:
    """One crawl of *hosts* sites through *trouble*."""

    def __init__(
        self,
        trouble: Trouble,
        hosts: int = HOSTS,
        links: dict[str, list[str]] | None = None,
        stop_at: float | None = None,
        **settings: Any,
    ) -> None:
        class Everything(Spider):
            allowed_hosts = ("*",)
            start_urls = tuple(f"{site(number)}/0" for number in range(hosts))

            def parse(self, page: Any) -> Any:
                yield from page.follow_all("a")

        self._spider = Everything()
        values = {name: setting.default for name, setting in SETTINGS.items()}
        self._settings = Settings({**values, "concurrency": 32, **settings}, {}, {})
        self._loop = VirtualLoop()
        self.web = Web(self._loop, trouble, links or {})
        self._stop_at = stop_at
        task = self._loop.create_task(self._run())
        try:
            self._loop.run_until_complete(task)
        finally:
            self.seconds = self._loop.time()
            self._loop.close()
        self.report: Report = task.result()

    async def _run(self) -> Report:
        sinks = [Nowhere("output"), Nowhere("rejects")]
        crawl: Crawl = assemble(self._spider, {}, self._settings, sinks, self.web)  # type: ignore[arg-type]  # fakes
        crawl._worker.watchdog.watching = nullcontext  # type: ignore[assignment,method-assign]  # it has a real clock
        if self._stop_at is not None:
            self._loop.call_at(self._stop_at, lambda: crawl.stop("interrupted"))
        return await crawl.run()

    @property
    def failures(self) -> dict[str, int]:
        return dict(self.report.stats.failures)

    @property
    def pages(self) -> int:
        return self.report.stats.pages

    def asked(self, begin: float, end: float, host: str = "") -> list[float]:
        return [at for at, url in self.web.asked if begin <= at < end and url.startswith(host)]

    def answered(self, begin: float, end: float, host: str = "") -> list[float]:
        return [at for at, url in self.web.answered if begin <= at < end and url.startswith(host)]


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the person is told."""
    caplog.set_level(logging.WARNING, "crawler")
    return lambda: [record.getMessage() for record in caplog.records]


def nobody_resolves(now: float, url: str) -> FetchError | None:
    return DNSFailed(url, "no answer") if BEGIN <= now < END else None


def nobody_is_reached(now: float, url: str) -> FetchError | None:
    return ConnectFailed(url, "timeout") if BEGIN <= now < END else None


def one_is_cut_off(now: float, url: str) -> FetchError | None:
    return ConnectFailed(url, "timeout") if BEGIN <= now < END and url.startswith(site(2)) else None


def one_is_closed(now: float, url: str) -> FetchError | None:
    return ConnectFailed(url, "refused") if BEGIN <= now < END and url.startswith(site(2)) else None


@pytest.mark.parametrize("trouble", [nobody_resolves, nobody_is_reached])
def test_an_outage_of_ours_costs_no_url_and_no_retry(trouble: Trouble, lines: Callable[[], list[str]]) -> None:
    run = Run(trouble)

    assert (run.pages, run.failures, run.report.reason) == (HOSTS * PAGES, {}, "complete")
    assert run.report.stats.retries <= HOSTS
    assert min(run.answered(END, 1e9)) - END < 10.0
    assert len(run.asked(BEGIN + 15, END)) < 100  # a few probes, not 32 workers that try and try
    assert run.seconds < PAGES * 0.25 + (END - BEGIN) + 15
    assert [line.split(":")[0] for line in lines()] == ["nobody can be reached any more", "the network is back"]


@pytest.mark.parametrize("trouble", [nobody_resolves, nobody_is_reached])
def test_sites_that_never_answered_are_not_given_up_in_an_outage_of_ours(trouble: Trouble) -> None:
    new = [f"http://new{number}.test/1" for number in range(50)]
    run = Run(trouble, links={f"{site(0)}/{number}": new for number in (30, 35, 37, 38)})

    assert (run.pages, run.failures) == (HOSTS * PAGES + 50, {})


def test_an_outage_before_the_first_answer_is_sat_out_as_well() -> None:
    run = Run(lambda now, url: DNSFailed(url, "no answer") if now < 60.0 else None, retries=2)

    assert (run.pages, run.failures) == (HOSTS * PAGES, {})
    assert min(run.answered(0.0, 1e9)) < 70.0


@pytest.mark.parametrize("trouble", [one_is_cut_off, one_is_closed])
def test_an_outage_of_one_site_costs_no_url_and_no_other_site_a_second(
    trouble: Trouble, lines: Callable[[], list[str]]
) -> None:
    run = Run(trouble)

    assert (run.pages, run.failures, run.report.reason) == (HOSTS * PAGES, {}, "complete")
    assert run.report.stats.retries <= 1
    assert min(run.answered(END, 1e9, site(2))) - END < 10.0
    assert len(run.asked(BEGIN + 10, END, site(2))) < 20
    for number in (0, 1, 3, 4, 5):
        assert max(run.answered(0.0, 1e9, site(number))) < PAGES * 0.25 + 5.0
    assert [line.partition(" ")[0] for line in lines()] == [site(2), site(2)]
    assert "answers again" in lines()[1]


def test_one_request_at_a_time_tries_a_site_that_is_out() -> None:
    run = Run(one_is_closed, delay=0.0)
    tries = run.asked(BEGIN, END, site(2))

    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(gap == 0.0 or gap >= 1.0 for gap in gaps)  # those that were under way together, then one by one
    assert max(gaps, default=5.0) <= 5.1


def test_a_site_that_never_comes_back_is_given_up_in_the_end(lines: Callable[[], list[str]]) -> None:
    run = Run(lambda now, url: ConnectFailed(url, "refused") if now >= BEGIN and url.startswith(site(2)) else None)

    assert run.report.reason == "complete"
    assert run.failures == {"connect": HOSTS * PAGES - run.pages}
    assert run.pages >= (HOSTS - 1) * PAGES
    assert len(run.answered(0.0, 1e9, site(1))) == PAGES + 1  # and its robots.txt
    assert BEGIN + 120 < run.seconds < BEGIN + 120 + 3 * PAGES * 0.25 + 60
    assert [line.split(" (")[0].partition(" ")[2] for line in lines()] == [
        "cannot be reached any more: its URLs wait for up to 120 s",
        "was out of reach for 120 s: from now on its failures count",
    ]


def test_a_network_that_never_comes_back_ends_the_crawl() -> None:
    run = Run(lambda now, url: DNSFailed(url, "no answer") if now >= BEGIN else None)

    assert run.report.reason == "complete"
    assert run.failures == {"dns": HOSTS * PAGES - run.pages}
    assert run.seconds < BEGIN + 120 + 3 * PAGES * 0.25 + 60


def test_dead_links_hold_nothing_up() -> None:
    dead = [f"http://dead{number}.test/" for number in range(200)]
    run = Run(
        lambda now, url: DNSFailed(url, "unknown") if "dead" in url else None,
        links={f"{site(number)}/0": dead[number::HOSTS] for number in range(HOSTS)},
    )

    assert (run.pages, run.failures) == (HOSTS * PAGES, {"dns": 200})
    assert run.seconds < PAGES * 0.25 + 15


def test_one_dead_link_is_given_up_at_once() -> None:
    run = Run(
        lambda now, url: DNSFailed(url, "unknown") if "dead" in url else None,
        hosts=1,
        links={f"{site(0)}/0": ["http://dead.test/"]},
    )

    dead = run.asked(0.0, 1e9, "http://dead.test")
    assert (run.failures, len(dead), max(dead) < 10.0) == ({"dns": 1}, 3, True)


def test_dead_links_that_are_all_that_is_left_cost_one_patience_at_most() -> None:
    """They look like an outage of ours. One finds out."""
    dead = [f"http://dead{number}.test/" for number in range(3_000)]
    run = Run(
        lambda now, url: DNSFailed(url, "unknown") if "dead" in url else None,
        hosts=1,
        links={f"{site(0)}/99": dead},
        delay=0.1,
    )

    assert run.failures == {"dns": 3_000}
    assert run.seconds < PAGES * 0.25 + 2 * 120 + 60


def test_a_page_that_fails_while_its_site_answers_is_to_blame_itself() -> None:
    run = Run(lambda now, url: ConnectFailed(url, "reset") if url == f"{site(0)}/7" else None, hosts=2)

    assert (run.pages, run.failures) == (2 * PAGES - 1, {"connect": 1})
    assert run.seconds < PAGES * 0.25 + 30


@pytest.mark.parametrize("trouble", [nobody_resolves, nobody_is_reached, one_is_closed])
def test_a_crawl_can_be_stopped_during_an_outage(trouble: Trouble) -> None:
    run = Run(trouble, stop_at=BEGIN + 30)

    assert run.report.reason == "interrupted"
    assert run.seconds < BEGIN + 30 + 10.1
    assert run.failures == {}


def test_without_patience_every_failure_counts() -> None:
    run = Run(one_is_closed, outage_patience=0.0)

    assert run.failures["connect"] > 10


def test_who_is_told_of_many_sites_is_told_of_five(lines: Callable[[], list[str]]) -> None:
    Run(
        lambda now, url: ConnectFailed(url, "refused") if 10.0 <= now < 20.0 and not url.startswith(site(0)) else None,
        hosts=9,
    )

    said = Counter(line.partition(" ")[2].split(":")[0] for line in lines())
    assert said == {"cannot be reached any more": 5, "answers again": 5}
