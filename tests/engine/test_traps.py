"""Sites without an end, in a crawl: what is bounded, what is told, and what is never lost."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from crawler.assemble import assemble, build_spider
from crawler.config import SETTINGS, Settings
from crawler.engine.crawl import Report
from crawler.frontier.job import Job, Spec
from crawler.request import Request
from crawler.response import Response
from crawler.spider import Spider
from crawler.testing.attack import Attack
from crawler.testing.server import AttackServer
from crawler.testing.traps import ATTACKS, TRAPS, Trap, page_of
from tests.engine.crawling import QUICK, SITE, Crawled, Kept, Scripted, crawled, html

OTHER = "http://other.test"
REAL = 500
"""Pages of the real site, lists included."""
PER_LIST = 20
BUDGET = 100
"""``trap_pages`` of the tests. A kind is suspected after 128 pages, and judged after 32 that were looked at."""
BOUND = 3_000
"""Pages of the trap that may be fetched until it is found out, and within its budget."""

Page = tuple[str, str, list[str]]


def words(seed: Any, number: int) -> str:
    dice = random.Random(str(seed))
    return " ".join("".join(dice.choices("abcdefghijklmnopqrst", k=6)) for _ in range(number))


def shop(path: str, pages: int = REAL) -> Page | None:
    """A real site: lists of articles, each of which leads to the next one and the one before."""
    name, _, number = path.strip("/").partition("/")
    lists = pages // PER_LIST
    if not name or name == "list":
        first = int(number or 0)
        items = [f"/article/{place}" for place in range(first * PER_LIST, (first + 1) * PER_LIST)]
        teasers = "".join(f"<p>{words(item, 6)}</p>" for item in items)
        return f"List {first}", teasers, [*items, *([f"/list/{first + 1}"] if first + 1 < lists else [])]
    if name == "article" and number.isdigit() and int(number) < pages:
        return words(path, 3), f"<p>{words(path, 40)}</p>", ["/", f"/list/{int(number) // PER_LIST}"]
    return None


def markup(page: Page) -> str:
    title, text, links = page
    anchors = "".join(f'<a href="{link}">more</a> ' for link in links)
    return (
        f"<!doctype html><title>{title}</title><nav><b>The shop of all things</b></nav><h1>{title}</h1>{text}{anchors}"
    )


class Made(Scripted):
    """A fetcher whose pages are made when they are asked for."""

    def __init__(self, page: Callable[[str], str | None]) -> None:
        super().__init__({})
        self._page = page

    async def _answer(self, request: Request) -> Response:
        body = self._page(request.url)
        return Response(request.url, 404, html(request.url).headers) if body is None else html(request.url, body)

    def paths(self, prefix: str = "") -> set[str]:
        return {url for url in self.asked if url.startswith(prefix)}


class Everything(Spider):
    """Follows every link, and keeps the articles."""

    name = "everything"
    start_urls = [f"{SITE}/", f"{OTHER}/"]

    def parse(self, page):
        if "/article/" in page.url and "/trap/" not in page.url:
            yield {"url": page.url}
        yield from page.follow_all("a")


def with_trap(trap: Trap) -> Made:
    """The real site with a trap in a folder, to which every list leads; and beside it a host of ordinary pages."""

    def page(url: str) -> str | None:
        if url.startswith(OTHER):
            found = shop(url.removeprefix(OTHER))
            return markup(found) if found else None
        path = url.removeprefix(SITE)
        if path.startswith("/trap"):
            title, text, links = page_of(trap, path.removeprefix("/trap").removeprefix("/"), f"{SITE}/trap")
            return markup((title, text, [urljoin(url, link) for link in links]))
        found = shop(path)
        if found is None:
            return None
        return markup((found[0], found[1], [*found[2], "/trap/"]))

    return Made(page)


async def run(fetcher: Any, spider: type[Spider] = Everything, **settings: Any) -> Crawled:
    return await crawled(spider, fetcher, concurrency=8, **{"trap_pages": BUDGET, **settings})


@pytest.mark.parametrize("name", TRAPS)
async def test_a_trap_ends_and_costs_no_real_page(name: str) -> None:
    fetcher = with_trap(TRAPS[name])

    done = await run(fetcher)

    assert done.reason == "complete"
    trapped = len(fetcher.paths(f"{SITE}/trap/"))
    assert trapped <= BOUND, done.report.stats.traps
    real = {f"{host}/article/{number}" for number in range(REAL) for host in (SITE, OTHER)}
    assert real - {item["url"] for item in done.items} == set()
    skipped = done.report.stats.skipped
    assert skipped["trap"] + skipped["trap_path"] > 0


async def test_endless_sub_domains_end() -> None:
    site = "http://{}.trap.example"

    def page(url: str) -> str | None:
        found = shop(url.removeprefix(SITE).removeprefix(OTHER)) if url.startswith((SITE, OTHER)) else None
        if found is not None:
            return markup((found[0], found[1], [*found[2], site.format("www")]))
        name = url.split("/")[2].partition(".")[0]
        links = [site.format("".join(random.Random(name + salt).choices("abcdef", k=9))) for salt in "xyz"]
        return markup(("Welcome", f"<p>Welcome to {name}, one of many hosts.</p>", links))

    class Anywhere(Everything):
        allowed_hosts = ["*"]

    fetcher = Made(page)
    done = await run(fetcher, Anywhere)

    assert done.reason == "complete"
    assert len({url for url in fetcher.asked if "trap.example" in url}) <= BOUND
    assert len(done.items) == 2 * REAL
    assert list(done.report.stats.traps) == ["*.trap.example/"]


async def test_a_site_has_so_many_hosts_and_no_more() -> None:
    class Anywhere(Spider):
        name = "anywhere"
        start_urls = ["http://www.many.example/"]
        allowed_hosts = ["*"]

        def parse(self, page):
            yield {"words": page.css("h1::text").get()}
            yield from page.follow_all("a")

    def page(url: str) -> str:
        return markup(
            (words(url, 3), words(url, 30), [f"http://{words(url + salt, 1)}.many.example/" for salt in "ab"])
        )

    done = await run(Made(page), Anywhere, max_hosts_per_site=50)

    assert len(done.items) == 50
    assert done.report.stats.skipped["trap_hosts"] > 0


def catalogue(path: str) -> Page | None:
    """Sparse pages that have nothing but a title of their own, and lead to each other."""
    number = int(path.rpartition("/")[2] or 0)
    title = words(number, 2)
    return title, "<p>Out of stock.</p>", [f"/item/{2 * number + step}" for step in (1, 2) if 2 * number + step < 5_000]


def weather(path: str) -> Page | None:
    """Pages that have nothing but numbers."""
    number = int(path.rpartition("/")[2] or 0)
    dice = random.Random(number)
    rows = "".join(f"<tr><td>{hour}</td><td>{dice.gauss(12, 8):.1f}</td></tr>" for hour in range(24))
    return "Station", f"<table>{rows}</table>", [f"/station/{number + 1}"] if number < 3_000 else []


def pagination(path: str) -> Page | None:
    number = int(path.rpartition("=")[2]) if "=" in path else 0
    rows = "".join(f"<p>{words((number, row), 3)}</p>" for row in range(10))
    return "News", rows, [f"/news?page={number + 1}"] if number < 2_000 else []


def wiki(path: str) -> Page | None:
    """Each page has a name of its own, and leads anywhere."""
    name = path.rpartition("/")[2] or "Main"
    number = WIKI.get(name, 0)
    links = [f"/wiki/{list(WIKI)[(place * 7 + 1) % len(WIKI)]}" for place in range(3 * number, 3 * number + 3)]
    return name.replace("_", " "), f"<p>{words(name, 20)}</p>", links


WIKI = {words(("wiki", number), 2).replace(" ", "_"): number for number in range(1_500)}


@pytest.mark.parametrize(
    ("site", "pages"), [(catalogue, 5_000), (weather, 3_001), (pagination, 2_001), (wiki, 1_501)], ids=lambda case: ""
)
async def test_a_site_that_goes_on_because_it_has_something_to_say_is_fetched_as_a_whole(
    site: Callable[[str], Page | None], pages: int
) -> None:
    class All(Spider):
        name = "all"
        start_urls = [f"{SITE}/"]

        def parse(self, page):
            yield from page.follow_all("a")

    def page(url: str) -> str | None:
        found = site(url.removeprefix(SITE))
        return markup(found) if found else None

    done = await run(Made(page), All, trap_pages=1)

    assert (done.report.stats.pages, done.report.stats.traps) == (pages, {})
    assert sum(done.report.stats.skipped.values()) == 0


def same(url: str, last: int = 10_000) -> str:
    """A page that says nothing of its own, in a long row of such."""
    number = int(url.rpartition("/")[2] or 0)
    return markup(("A page", "<p>Nothing new.</p>", [f"/page/{number + 1}"] if number < last else []))


class Chain(Spider):
    name = "chain"
    start_urls = [f"{SITE}/page/1"]

    def parse(self, page):
        yield from page.follow_all("a")


async def test_a_page_that_gives_items_counts_little() -> None:
    class Keeps(Chain):
        def parse(self, page):
            yield {"url": page.url}
            yield from page.follow_all("a")

    bare = await run(Made(same), Chain)
    keeps = await run(Made(same), Keeps)

    assert keeps.report.stats.pages - bare.report.stats.pages == 24 * BUDGET


async def test_without_a_budget_nothing_is_left_alone() -> None:
    done = await run(Made(lambda url: same(url, 2_000)), Chain, trap_pages=None)

    assert done.report.stats.pages == 2_000


async def test_a_host_may_have_a_budget_of_its_own() -> None:
    class Both(Chain):
        start_urls = [f"{SITE}/page/1", f"{OTHER}/page/1"]

    fetcher = Made(lambda url: same(url, 2_000))
    await run(fetcher, Both, hosts={"other.test": {"trap_pages": None}})

    assert len(fetcher.paths(OTHER)) == 2_000
    assert len(fetcher.paths(SITE)) < 1_200


async def test_what_is_no_link_of_an_endless_page_is_fetched_whatever_it_is() -> None:
    class Seeded(Chain):
        async def start(self):
            yield Request(f"{SITE}/page/1")
            for number in range(100_000, 101_000):
                yield Request(f"{SITE}/page/{number}")

    fetcher = Made(same)
    done = await run(fetcher, Seeded)

    assert done.report.stats.traps
    assert {f"{SITE}/page/{number}" for number in range(100_000, 101_000)} <= set(fetcher.asked)


async def test_a_page_that_is_asked_for_again_and_again_on_purpose_is_no_trap() -> None:
    class Watches(Spider):
        name = "watches"
        start_urls = [f"{SITE}/price"]
        times = 0

        def parse(self, page):
            self.times += 1
            if self.times < 2_000:
                yield page.request.replace(unique=False)

    done = await run(Made(lambda url: markup(("Price", "12.50", []))), Watches, trap_pages=1)

    assert done.report.stats.pages == 2_000


async def test_a_person_is_told_of_it(caplog: pytest.LogCaptureFixture) -> None:
    done = await run(Made(same), Chain)

    assert list(done.report.stats.traps) == ["site.test/page/{n}"]
    assert done.report.stats.skipped == {"trap": 1}
    assert "site.test/page/{n} looks endless" in caplog.text


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_a_trap_ends_over_the_network_too(attack: Attack) -> None:
    async with AttackServer({"traps": (attack,)}) as hostile:

        class Lost(Spider):
            name = "lost"
            start_urls = [hostile.url(attack.name)]

            def parse(self, page):
                yield from page.follow_all("a")

        done = await crawled(Lost, concurrency=8, **attack.settings)

    assert done.reason == "complete"
    assert done.report.stats.traps
    assert done.report.stats.requests <= attack.requests


async def test_a_job_that_goes_on_judges_anew_and_ends_as_well(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.create(Spec("chain", "chain"), syncs=False)

    async def go_on(**settings: Any) -> Report:
        values = {name: setting.default for name, setting in SETTINGS.items()}
        resolved = Settings({**values, **QUICK, "trap_pages": BUDGET, **settings}, {}, {})
        spider = build_spider(Chain, {})
        return await assemble(spider, {}, resolved, [Kept("rejects")], Made(same), job).run()

    first = await go_on(max_pages=300)
    second = await go_on()

    assert (first.reason, second.reason) == ("max_pages", "complete")
    assert second.stats.skipped["trap"] == 1
    assert second.stats.pages <= 300 + 1_500  # where a page of its kind is looked at hangs on hashes
