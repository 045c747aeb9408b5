"""``await self.fetch(...)``: a page asks for more while its callback runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from crawling import SITE, Scripted, crawled, html, prepared, refused, status
from watching import Reply, WatchingServer

import crawler
from crawler import cpu_bound, errors
from crawler.engine import inner
from crawler.engine.crawl import Crawl
from crawler.errors import FetchFailed, NoFetchHere
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.spider import Spider

DELAY = 0.04
TOLERANCE = 0.001


def api(url: str, stock: int) -> Response:
    return Response(url, 200, headers_of({"Content-Type": "application/json"}), b'{"stock": %d}' % stock)


class Shop(Spider):
    start_urls = [f"{SITE}/book"]

    async def parse(self, page: Any) -> Any:
        stock = await self.fetch("/stock")
        return {"title": page.css("h1::text").get(), "stock": stock.json()["stock"]}


BOOK = "<h1>A book</h1>"


async def test_a_callback_gets_a_page_and_goes_on_with_it() -> None:
    fetcher = Scripted({f"{SITE}/book": BOOK, f"{SITE}/stock": api(f"{SITE}/stock", 3)})
    run = await crawled(Shop, fetcher)

    assert run.items == [{"title": "A book", "stock": 3}]
    assert (run.reason, run.failures, fetcher.asked) == ("complete", {}, [f"{SITE}/book", f"{SITE}/stock"])


async def test_it_is_no_page_of_the_crawl() -> None:
    class Both(Spider):
        start_urls = [f"{SITE}/"]

        async def parse(self, page: Any) -> AsyncIterator[Any]:
            got = await self.fetch(f"{SITE}/other", meta={"mine": True})
            yield {"inner": got.url, "meta": got.meta, "depth": got.depth}
            yield Request(f"{SITE}/other", "parse_other")  # not seen by that

        def parse_other(self, page: Any) -> Any:
            return {"page": page.url}

    fetcher = Scripted({f"{SITE}/": "", f"{SITE}/other": "other"})
    run = await crawled(Both, fetcher)
    stats = run.report.stats

    assert run.items == [
        {"inner": f"{SITE}/other", "meta": {"mine": True}, "depth": 0},
        {"page": f"{SITE}/other"},
    ]
    assert (stats.pages, stats.requests, stats.bytes, stats.duplicates) == (2, 3, 10, 0)


@pytest.mark.parametrize("where", ["coroutine", "async generator", "gathered", "within a task group", "in a helper"])
async def test_each_kind_of_callback_may_fetch(where: str) -> None:
    class Kinds(Spider):
        start_urls = [f"{SITE}/"]

        async def helper(self, url: str) -> str:
            return str((await self.fetch(url)).text)

        async def coroutine(self) -> Any:
            return {"got": [(await self.fetch("/a")).text, (await self.fetch("/b")).text]}

        async def gathered(self) -> Any:
            return {"got": [page.text for page in await asyncio.gather(self.fetch("/a"), self.fetch("/b"))]}

        async def grouped(self) -> Any:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.fetch(url)) for url in ("/a", "/b")]
            return {"got": [task.result().text for task in tasks]}

        async def helped(self) -> Any:
            return {"got": [await self.helper("/a"), await self.helper("/b")]}

        async def parse(self, page: Any) -> AsyncIterator[Any]:
            if where == "async generator":
                yield {"got": [(await self.fetch("/a")).text, (await self.fetch("/b")).text]}
            else:
                kinds = {"gathered": self.gathered, "within a task group": self.grouped, "in a helper": self.helped}
                yield await kinds.get(where, self.coroutine)()

    run = await crawled(Kinds, Scripted({f"{SITE}/": "", f"{SITE}/a": "A", f"{SITE}/b": "B"}))

    assert run.items == [{"got": ["A", "B"]}]


ONE_AT_A_TIME = [
    {"concurrency_per_host": 1},
    {"concurrency": 1},
    {"concurrency": 1, "concurrency_per_host": 1, "obey_robots": True},
    {"concurrency": 4, "delay": 0.001},
    {"concurrency": 2, "obey_robots": True, "delay": 0.001, "concurrency_per_host": 1},
]


@pytest.mark.parametrize("settings", ONE_AT_A_TIME)
async def test_nothing_deadlocks_where_only_one_may_be_asked_at_a_time(settings: dict[str, Any]) -> None:
    class Waiting(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(12)]

        async def parse(self, page: Any) -> Any:
            pages = await asyncio.gather(*(self.fetch(f"{page.url}/{name}") for name in "abc"))
            return {"got": len(pages)}

    answers = {f"{SITE}/{number}{rest}": "x" for number in range(12) for rest in ("", "/a", "/b", "/c")}
    fetcher = Scripted(answers)
    async with asyncio.timeout(20):
        run = await crawled(Waiting, fetcher, **settings)

    assert (run.items, run.reason) == ([{"got": 3}] * 12, "complete")
    if 1 in (settings.get("concurrency"), settings.get("concurrency_per_host")):
        assert fetcher.most_in_flight == 1


async def test_hundreds_of_pages_may_wait_at_once() -> None:
    class Many(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(500)]

        async def parse(self, page: Any) -> Any:
            return {"got": len(await asyncio.gather(*(self.fetch(f"{page.url}/{name}") for name in "abc")))}

    async def answer(request: Request) -> Response:
        return html(request.url)

    answers: dict[str, Any] = {
        f"{SITE}/{number}{rest}": answer for number in range(500) for rest in ("", "/a", "/b", "/c")
    }
    fetcher = Scripted(answers, latency=0.002)
    async with asyncio.timeout(30):
        run = await crawled(Many, fetcher, concurrency=500, concurrency_per_host=64)

    assert (len(run.items), run.report.stats.requests) == (500, 2000)
    assert fetcher.most_in_flight == 64


async def test_inner_fetches_are_spaced_like_all_others() -> None:
    def reply(path: str, times: int) -> Reply:
        if path == "/2/b" and times == 1:
            return Reply(500)
        return Reply(404) if path == "/robots.txt" else Reply()

    class Spaced(Spider):
        async def parse(self, page: Any) -> Any:
            await asyncio.gather(self.fetch(f"{page.url}/a"), self.fetch(f"{page.url}/b"))
            return {"url": page.url}

    with WatchingServer(reply) as server:
        urls = [f"{server.url}/{number}" for number in range(5)]
        kind = type("Seeded", (Spaced,), {"start_urls": urls})
        run = await crawled(kind, concurrency=32, obey_robots=True, delay=DELAY, retry_backoff=0.001)

    assert len(run.items) == 5
    assert sorted(server.paths) == sorted(
        ["/robots.txt", "/2/b", *(f"/{number}{rest}" for number in range(5) for rest in ("", "/a", "/b"))]
    )
    assert min(server.gaps) >= DELAY - TOLERANCE
    assert sum(server.gaps) < len(server.gaps) * DELAY * 1.7  # and nobody waited for nothing


async def test_no_host_is_asked_for_more_at_once_than_it_allows() -> None:
    class Eager(Spider):
        async def parse(self, page: Any) -> Any:
            await asyncio.gather(*(self.fetch(f"{page.url}/{number}") for number in range(8)))
            return {"url": page.url}

    with WatchingServer(lambda path, times: Reply(seconds=0.005)) as server:
        kind = type("Seeded", (Eager,), {"start_urls": [f"{server.url}/{number}" for number in range(6)]})
        run = await crawled(kind, concurrency=32, concurrency_per_host=3, delay=0.0)

    assert (len(run.items), server.most_at_once) == (6, 3)


async def test_a_refusal_slows_the_host_and_is_tried_again() -> None:
    stock = f"{SITE}/stock"
    fetcher = Scripted({f"{SITE}/book": BOOK, stock: [status(stock, 503, Retry_After="1"), api(stock, 5)]})
    run = await crawled(Shop, fetcher)

    assert run.items == [{"title": "A book", "stock": 5}]
    assert run.report.stats.retries == 1
    assert fetcher.times[2] - fetcher.times[1] >= 0.99


async def test_a_redirect_is_followed_and_counted() -> None:
    stock = f"{SITE}/stock"
    answers: dict[str, Any] = {
        f"{SITE}/book": BOOK,
        stock: status(stock, 302, Location="/moved"),
        f"{SITE}/moved": html(f"{SITE}/moved", '<meta http-equiv="refresh" content="0; url=/there">'),
        f"{SITE}/there": api(f"{SITE}/there", 7),
    }
    run = await crawled(Shop, Scripted(answers))

    assert (run.items, run.report.stats.redirects) == ([{"title": "A book", "stock": 7}], 2)


class Catching(Spider):
    """Catches what fails."""

    start_urls = [f"{SITE}/"]
    url = ""

    async def parse(self, page: Any) -> Any:
        try:
            await self.fetch(self.url)
        except FetchFailed as error:
            return {
                "url": error.url,
                "reason": error.reason,
                "status": error.status,
                "attempts": error.attempts,
                "detail": error.detail,
            }
        return {"url": self.url, "reason": ""}


ROBOTS = Response(f"{SITE}/robots.txt", 200, headers_of(), b"User-agent: *\nDisallow: /never")
FAILURES: list[tuple[str, Any, str, int | None, int, str]] = [
    ("/gone", status(f"{SITE}/gone", 404), "http_404", 404, 1, "answered 404"),
    ("/broken", status(f"{SITE}/broken", 500), "http_500", 500, 3, "answered 500"),
    ("/refused", refused(f"{SITE}/refused"), "connect", None, 3, "refused"),
    ("/never", "x", "robots", None, 0, "robots.txt forbids it (obey_robots = false would not ask it)"),
    (
        "http://elsewhere.test/",
        "x",
        "out_of_scope",
        None,
        0,
        "it is outside the crawl: add 'elsewhere.test' to allowed_hosts",
    ),
    ("http:///", "x", "invalid_request", None, 0, "it cannot be asked: "),
    (
        "/away",
        status(f"{SITE}/away", 302, Location="http://elsewhere.test/"),
        "redirect",
        302,
        1,
        "it redirects to http://elsewhere.test/, outside the crawl: add that host to allowed_hosts",
    ),
    ("/circle", status(f"{SITE}/circle", 302, Location="/circle"), "redirect", 302, 1, "it redirects in a circle"),
]


@pytest.mark.parametrize(("url", "answer", "reason", "code", "attempts", "detail"), FAILURES)
async def test_what_does_not_come_can_be_caught(
    url: str, answer: Any, reason: str, code: int | None, attempts: int, detail: str
) -> None:
    answers = {f"{SITE}/": "", f"{SITE}/robots.txt": ROBOTS, SITE + url: answer}
    run = await crawled(Catching, Scripted(answers), args={"url": url}, obey_robots=True, outage_patience=0.0)

    [item] = run.items
    assert (item["reason"], item["status"], item["attempts"]) == (reason, code, attempts)
    assert item["detail"].startswith(detail)
    assert (run.failures, dict(run.report.stats.skipped), run.report.stats.pages) == ({}, {}, 1)


async def test_a_private_address_is_not_reached_from_a_public_page() -> None:
    class Anywhere(Catching):
        allowed_hosts = ["*"]

    run = await crawled(Anywhere, Scripted({f"{SITE}/": ""}), args={"url": "http://127.0.0.1/"})

    assert run.items[0]["reason"] == "private_address"
    assert "127.0.0.1" in run.items[0]["detail"]


async def test_what_nobody_catches_is_the_failure_of_the_page() -> None:
    stock = f"{SITE}/stock"
    run = await crawled(Shop, Scripted({f"{SITE}/book": BOOK, stock: status(stock, 404)}))

    failure = run.failure("callback_error")
    assert (run.items, run.failures) == ([], {"callback_error": 1})
    assert failure.url == f"{SITE}/book"
    assert failure.detail.startswith(f"crawler.errors.FetchFailed: answered 404 ({stock}) at {__file__}:")
    assert "crawler/engine" not in failure.traceback


async def test_statuses_that_are_asked_for_are_pages() -> None:
    class Asks(Spider):
        start_urls = [f"{SITE}/"]

        async def parse(self, page: Any) -> Any:
            return {"status": (await self.fetch("/gone", statuses={404})).status}

    run = await crawled(Asks, Scripted({f"{SITE}/": ""}))

    assert run.items == [{"status": 404}]


async def test_the_request_says_how_it_is_asked_for_and_stays_in_the_session() -> None:
    asked = []

    async def answer(request: Request) -> Response:
        asked.append((request.method, request.json, request.session))
        return api(request.url, 1)

    class Posts(Spider):
        allowed_hosts = ["site.test"]

        async def start(self) -> AsyncIterator[Request]:
            yield Request(f"{SITE}/", session="anna")

        async def parse(self, page: Any) -> None:
            await self.fetch("/api", method="POST", json={"a": 1})
            await self.fetch(Request(f"{SITE}/api", session="ben"), method="PUT")
            await self.fetch(page.follow("/api"))

    await crawled(Posts, Scripted({f"{SITE}/": "", f"{SITE}/api": answer}))

    assert asked == [("POST", {"a": 1}, "anna"), ("PUT", None, "ben"), ("GET", None, "anna")]


async def test_limits_of_pages_do_not_hold_up_a_page_under_way() -> None:
    class Limited(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(5)]

        async def parse(self, page: Any) -> Any:
            return {"got": (await self.fetch("/more")).text}

    answers = {**{f"{SITE}/{number}": "" for number in range(5)}, f"{SITE}/more": "more"}
    run = await crawled(Limited, Scripted(answers), max_pages=2, concurrency=2)

    assert (run.items, run.reason, run.report.stats.pages) == ([{"got": "more"}] * 2, "max_pages", 2)


async def test_a_site_s_budget_does_not_hold_it_up_either() -> None:
    class Limited(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(5)]

        async def parse(self, page: Any) -> Any:
            return {"got": (await self.fetch("/more")).text}

    answers = {**{f"{SITE}/{number}": "" for number in range(5)}, f"{SITE}/more": "more"}
    async with asyncio.timeout(10):
        run = await crawled(Limited, Scripted(answers), max_pages_per_site=2, concurrency=4)

    assert run.items == [{"got": "more"}] * 2


def stopping(spider: type[Spider], answers: dict[str, Any], **settings: Any) -> tuple[Crawl, asyncio.Event]:
    """A crawl that is stopped as by Ctrl-C while ``/slow`` is under way, which comes when the event is set."""
    event = asyncio.Event()

    async def slow(request: Request) -> Response:
        crawl.stop("interrupted")
        await event.wait()
        return html(request.url, "slow")

    crawl = prepared(spider, Scripted({**answers, f"{SITE}/slow": slow}), **settings)
    return crawl, event


async def test_ctrl_c_lets_a_page_end_with_what_it_fetches() -> None:
    class Slow(Spider):
        start_urls = [f"{SITE}/"]
        got: list[str] = []

        async def parse(self, page: Any) -> AsyncIterator[Any]:
            self.got += [(await self.fetch("/slow")).text, (await self.fetch("/more")).text]
            yield {"got": 1}

    crawl, event = stopping(Slow, {f"{SITE}/": "", f"{SITE}/more": "more"})
    asyncio.get_running_loop().call_later(0.05, event.set)
    report = await crawl.run()

    assert (report.reason, Slow.got, report.stats.items) == ("interrupted", ["slow", "more"], 1)


async def test_after_the_grace_a_page_that_fetches_still_waits_for_the_next_run() -> None:
    class Slow(Spider):
        start_urls = [f"{SITE}/"]
        ended: list[str] = []

        async def parse(self, page: Any) -> Any:
            try:
                await asyncio.gather(self.fetch("/slow"), self.fetch("/slow?b"))
            except asyncio.CancelledError:
                self.ended.append("cancelled")
                raise
            return {"got": 1}

    crawl, _ = stopping(Slow, {f"{SITE}/": ""}, grace=0.05, concurrency_per_host=1)
    report = await crawl.run()

    assert (report.reason, Slow.ended, report.waiting) == ("interrupted", ["cancelled"], 1)
    assert (report.stats.items, report.stats.failed) == (0, 0)


async def test_a_fetch_that_its_author_gives_up_frees_the_host() -> None:
    class Impatient(Spider):
        start_urls = [f"{SITE}/"]

        async def parse(self, page: Any) -> Any:
            given_up = 0
            for _ in range(3):
                try:
                    async with asyncio.timeout(0.02):
                        await asyncio.gather(self.fetch("/hangs"), self.fetch("/waits"), self.fetch("/waits"))
                except TimeoutError:
                    given_up += 1
            return {"given up": given_up, "then": (await self.fetch("/then")).text}

    async def hangs(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("it never comes")

    answers: dict[str, Any] = {f"{SITE}/": "", f"{SITE}/hangs": hangs, f"{SITE}/waits": "", f"{SITE}/then": "then"}
    async with asyncio.timeout(10):
        run = await crawled(Impatient, Scripted(answers), concurrency_per_host=1)

    assert run.items == [{"given up": 3, "then": "then"}]


async def test_other_pages_of_the_host_go_on_while_one_waits_elsewhere() -> None:
    """Its part of the host is free while it waits for another host, which is slow."""
    done: list[str] = []

    async def slow(request: Request) -> Response:
        while len(done) < 5:
            await asyncio.sleep(0.001)
        return html(request.url)

    class Two(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(6)]
        allowed_hosts = ["site.test", "other.test"]

        async def parse(self, page: Any) -> None:
            if page.url.endswith("/0"):
                await self.fetch("http://other.test/")
            done.append(page.url)

    answers: dict[str, Any] = {f"{SITE}/{number}": "" for number in range(6)}
    async with asyncio.timeout(10):
        await crawled(Two, Scripted({**answers, "http://other.test/": slow}), concurrency_per_host=1, concurrency=2)

    assert done[-1] == f"{SITE}/0"


async def test_start_and_on_failure_may_fetch_too() -> None:
    class Starts(Spider):
        async def start(self) -> AsyncIterator[Any]:
            listing = await self.fetch("http://api.test/list")
            for url in listing.json():
                yield url

        async def parse(self, page: Any) -> Any:
            return {"url": page.url}

        async def on_failure(self, failure: Any) -> Any:
            return {"failed": failure.url, "cached": (await self.fetch(f"{failure.url}?cached")).text}

    listed = Response("http://api.test/list", 200, headers_of(), f'["{SITE}/a", "{SITE}/gone"]'.encode())
    answers: dict[str, Any] = {listed.url: listed, f"{SITE}/a": "", f"{SITE}/gone?cached": "old"}
    run = await crawled(Starts, Scripted(answers), concurrency_per_host=1)

    assert run.items == [{"url": f"{SITE}/a"}, {"failed": f"{SITE}/gone", "cached": "old"}]


async def test_a_start_whose_fetch_fails_ends_as_one_that_raises() -> None:
    class Starts(Spider):
        async def start(self) -> AsyncIterator[Any]:
            await self.fetch(f"{SITE}/gone")
            yield f"{SITE}/never"

    run = await crawled(Starts, Scripted({}))

    assert run.reason == "spider_failed"
    assert f"answered 404 ({SITE}/gone)" in str(run.report.error)


async def test_elsewhere_it_says_where_it_works() -> None:
    class Misplaced(Shop):
        async def opened(self) -> None:
            await self.fetch(SITE)

    with pytest.raises(crawler.engine.crawl.SpiderFailed, match="not in opened"):
        await crawled(Misplaced, Scripted({}))
    with pytest.raises(NoFetchHere, match="yield a Request there instead"):
        await Shop().fetch(SITE)


async def test_a_task_that_outlives_its_callback_cannot_fetch() -> None:
    left: list[asyncio.Task[Any]] = []

    class Leaves(Spider):
        start_urls = [f"{SITE}/"]

        async def later(self) -> None:
            await asyncio.sleep(0.01)
            await self.fetch("/more")

        async def parse(self, page: Any) -> None:
            left.append(asyncio.create_task(self.later()))

    await crawled(Leaves, Scripted({f"{SITE}/": ""}))
    with pytest.raises(NoFetchHere, match="await it in the callback"):
        await left[0]


async def test_what_is_fetched_beside_one_that_fails_ends_with_the_callback() -> None:
    left: list[asyncio.Task[Any]] = []

    async def hangs(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("it never comes")

    class Gathers(Spider):
        start_urls = [f"{SITE}/", f"{SITE}/last"]

        async def parse(self, page: Any) -> Any:
            if page.url.endswith("last"):
                return {"url": page.url}
            left.append(asyncio.create_task(self.fetch("/hangs")))
            return await asyncio.gather(self.fetch("/hangs"), self.fetch("/hangs"), self.fetch("/gone"))

    answers: dict[str, Any] = {f"{SITE}/": "", f"{SITE}/last": "", f"{SITE}/hangs": hangs}
    fetcher = Scripted(answers)
    async with asyncio.timeout(10):
        run = await crawled(Gathers, fetcher, concurrency=8)

    assert (run.items, run.failures, fetcher.in_flight) == ([{"url": f"{SITE}/last"}], {"callback_error": 1}, 0)
    with pytest.raises(NoFetchHere, match="await it in the callback"):
        await left[0]


async def test_one_callback_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner, "_MOST", 3)

    class Endless(Spider):
        start_urls = [f"{SITE}/"]

        async def parse(self, page: Any) -> None:
            while True:
                await self.fetch(page.url)

    run = await crawled(Endless, Scripted({f"{SITE}/": ""}))

    assert run.failure("callback_error").detail.startswith("more than 3 fetches in one callback: yield Requests")


async def test_a_page_that_raises_after_it_has_fetched_is_one_failure() -> None:
    class Raises(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(4)]

        async def parse(self, page: Any) -> AsyncIterator[Any]:
            yield {"half": True}
            await self.fetch("/more")
            raise ValueError("then")

    answers = {**{f"{SITE}/{number}": "" for number in range(4)}, f"{SITE}/more": ""}
    run = await crawled(Raises, Scripted(answers), concurrency_per_host=1)

    assert (run.items, run.failures, run.reason) == ([], {"callback_error": 4}, "complete")


async def test_a_forgotten_await_is_named() -> None:
    class Forgets(Spider):
        start_urls = [f"{SITE}/"]

        def parse(self, page: Any) -> Iterator[Any]:
            yield self.fetch("/more")

    run = await crawled(Forgets, Scripted({f"{SITE}/": ""}))

    assert "write await fetch(...)" in run.failure("callback_error").detail


def test_the_error_is_public_and_survives_another_process() -> None:
    assert crawler.FetchFailed is errors.FetchFailed
    assert cpu_bound is crawler.cpu_bound
    assert isinstance(crawler.FetchFailed(SITE, "answered 404", "http_404", 404, 1), crawler.FetchError)


async def test_an_outage_is_borne_as_for_pages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    stock = f"{SITE}/stock"
    fetcher = Scripted({f"{SITE}/book": BOOK, stock: [refused(stock), refused(stock), api(stock, 2)]})
    run = await crawled(Shop, fetcher, outage_patience=0.5)

    assert (run.items, caplog.records) == ([{"title": "A book", "stock": 2}], [])
