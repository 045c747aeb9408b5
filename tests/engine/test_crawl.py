"""One crawl from its seeds to its report: how it begins, what it goes on after, and how it ends."""

import asyncio
import gc
import logging
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from crawling import SITE, Kept, Scripted, crawled, html, prepared, refused, status

from crawler.engine.crawl import Crawl
from crawler.engine.stats import Stats
from crawler.errors import OutputError
from crawler.fetch.canned import CannedFetcher
from crawler.request import Request
from crawler.response import Response
from crawler.spider import Spider

LINKS = "".join(f'<a href="/{number}">{number}</a>' for number in range(20))
SHOP = {f"{SITE}/": LINKS, **{f"{SITE}/{number}": f"<h1>{number}</h1>" for number in range(20)}}


class Shop(Spider):
    """A page of links, and a page behind each."""

    start_urls = [f"{SITE}/"]

    def parse(self, page: Any) -> Any:
        yield from page.follow_all("a", callback=self.parse_one)

    def parse_one(self, page: Any) -> Any:
        return {"n": int(page.css("h1::text").get())}


async def test_a_crawl_visits_every_page_once_and_keeps_every_item() -> None:
    fetcher = CannedFetcher(SHOP)

    run = await crawled(Shop, fetcher)

    assert (run.reason, run.report.waiting, run.report.error) == ("complete", 0, None)
    assert sorted(item["n"] for item in run.items) == list(range(20))
    assert sorted(request.url for request in fetcher.requests) == sorted(SHOP)
    assert fetcher.is_closed


async def test_a_crawl_counts_what_it_did() -> None:
    stats = (await crawled(Shop, CannedFetcher(SHOP))).report.stats

    assert (stats.pages, stats.items, stats.requests, stats.failed, stats.retries) == (21, 20, 21, 0, 0)
    assert stats.bytes == sum(len(body) for body in SHOP.values())
    assert 0 < stats.seconds < 10


async def test_a_crawl_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()

    await crawled(Shop, CannedFetcher(SHOP))

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("concurrency", [1, 3, 500])
async def test_any_number_of_workers_gives_the_same_items(concurrency: int) -> None:
    run = await crawled(Shop, Scripted(SHOP, latency=0.001), concurrency=concurrency)

    assert sorted(item["n"] for item in run.items) == list(range(20))


async def test_workers_fetch_at_once_but_no_more_of_a_host_than_it_allows() -> None:
    fetcher = Scripted(SHOP, latency=0.005)

    await crawled(Shop, fetcher, concurrency=50, concurrency_per_host=4)

    assert fetcher.most_in_flight == 4


async def test_no_more_is_fetched_at_once_than_there_are_workers() -> None:
    class Wide(Spider):
        start_urls = [f"http://h{number}.test/" for number in range(30)]

        def parse(self, page: Any) -> None:
            pass

    fetcher = Scripted(dict.fromkeys(Wide.start_urls, ""), latency=0.002)
    await crawled(Wide, fetcher, concurrency=7)

    assert fetcher.most_in_flight == 7


async def test_one_page_that_fails_in_any_way_costs_the_others_nothing() -> None:
    class Mixed(Shop):
        def parse_one(self, page: Any) -> Any:
            number = int(page.css("h1::text").get())
            if number % 5 == 0:
                raise ValueError(number)
            if number % 5 == 1:
                return object()
            return {"n": number}

    answers: dict[str, Any] = {**SHOP, f"{SITE}/2": refused(f"{SITE}/2"), f"{SITE}/3": status(f"{SITE}/3", 404)}

    run = await crawled(Mixed, Scripted(answers, latency=0.001), retries=0)

    assert sorted(item["n"] for item in run.items) == [n for n in range(20) if n % 5 > 1 and n not in (2, 3)]
    assert run.failures == {"callback_error": 8, "connect": 1, "http_404": 1}
    assert (run.reason, run.report.stats.callback_errors) == ("complete", 8)


async def test_tracebacks_of_callbacks_are_shown_three_times_and_then_only_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Bad(Shop):
        def parse_one(self, page: Any) -> Any:
            raise ValueError("bad page")

    run = await crawled(Bad, CannedFetcher(SHOP))

    shown = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().count("ValueError: bad page") for record in shown] == [2, 2, 2]
    assert run.failures == {"callback_error": 20}
    assert len(run.report.stats.examples["callback_error"]) == 3


class Seeds(Spider):
    """Keeps the address of every page; its subclasses say how it starts."""

    allowed_hosts = ["*"]

    def parse(self, page: Any) -> Any:
        return {"url": page.url}


class _StartsAsyncGenerator(Seeds):
    async def start(self) -> AsyncIterator[Request]:
        yield Request(f"{SITE}/1")
        await asyncio.sleep(0)
        yield Request(f"{SITE}/2")


class _StartsCoroutine(Seeds):
    async def start(self) -> Any:  # type: ignore[override]  # a list, as people write it
        await asyncio.sleep(0)
        return [Request(f"{SITE}/1"), f"{SITE}/2"]


class _StartsGenerator(Seeds):
    def start(self) -> Iterator[Any]:  # type: ignore[override]
        yield Request(f"{SITE}/1")
        yield f"{SITE}/2"


class _StartsList(Seeds):
    def start(self) -> Any:
        return [f"{SITE}/1", f"{SITE}/2"]


class _StartsCoroutineGenerator(Seeds):
    async def start(self) -> Any:  # type: ignore[override]
        return (Request(f"{SITE}/{number}") for number in (1, 2))


class _StartUrls(Seeds):
    start_urls = (f"{SITE}/{number}" for number in (1, 2))


@pytest.mark.parametrize(
    "spider",
    [_StartsAsyncGenerator, _StartsCoroutine, _StartsGenerator, _StartsList, _StartsCoroutineGenerator, _StartUrls],
)
async def test_start_may_be_written_in_any_way(spider: type[Spider]) -> None:
    run = await crawled(spider, CannedFetcher({f"{SITE}/1": "", f"{SITE}/2": ""}))

    assert (run.reason, sorted(item["url"] for item in run.items)) == ("complete", [f"{SITE}/1", f"{SITE}/2"])


async def test_a_start_that_gives_nothing_ends_at_once() -> None:
    class Nothing(Seeds):
        async def start(self) -> Any:  # type: ignore[override]
            return None

    assert (await crawled(Nothing, CannedFetcher({}))).reason == "complete"


async def test_what_start_gave_before_it_raised_is_crawled() -> None:
    class Breaks(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            yield Request(f"{SITE}/1")
            yield Request(f"{SITE}/2")
            raise RuntimeError("the list ends here")

    run = await crawled(Breaks, CannedFetcher({f"{SITE}/1": "", f"{SITE}/2": ""}))

    assert (run.reason, len(run.items)) == ("spider_failed", 2)
    assert str(run.report.error) == "Breaks.start() raised RuntimeError: the list ends here"
    trace = getattr(run.report.error, "trace", "")
    assert trace.count('File "') == 1
    assert f'File "{__file__}"' in trace


@pytest.mark.parametrize("given", [5, None, {"url": SITE}])
async def test_a_start_that_gives_no_request_is_told_so(given: Any) -> None:
    class Wrong(Seeds):
        async def start(self) -> Any:  # type: ignore[override]
            return [f"{SITE}/1", given]

    run = await crawled(Wrong, CannedFetcher({f"{SITE}/1": ""}))

    assert (run.reason, len(run.items)) == ("spider_failed", 1)
    assert f"start() gave {given!r}" in str(run.report.error)
    assert "it gives Requests, or URLs as strings" in str(run.report.error)


async def test_a_start_whose_own_task_was_cancelled_has_failed() -> None:
    class Lost(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            yield Request(f"{SITE}/1")
            other = asyncio.create_task(asyncio.Event().wait())
            await asyncio.sleep(0)
            other.cancel()
            await other

    run = await crawled(Lost, CannedFetcher({f"{SITE}/1": ""}))

    assert (run.reason, len(run.items)) == ("spider_failed", 1)


async def test_pages_are_fetched_while_start_still_waits_for_more() -> None:
    parsed = asyncio.Event()

    class Slow(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            yield Request(f"{SITE}/1")
            await parsed.wait()
            yield Request(f"{SITE}/2")

        def parse(self, page: Any) -> Any:
            parsed.set()
            return super().parse(page)

    run = await asyncio.wait_for(crawled(Slow, CannedFetcher({f"{SITE}/1": "", f"{SITE}/2": ""})), 5.0)

    assert len(run.items) == 2


@pytest.mark.parametrize("limit", ["max_pages", "max_items", "max_errors"])
async def test_a_start_that_waits_for_ever_does_not_outlive_the_limit(limit: str) -> None:
    closed = []

    class Endless(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            try:
                yield Request(f"{SITE}/1")
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        def parse(self, page: Any) -> Any:
            if limit == "max_errors":
                raise ValueError
            return super().parse(page)

    run = await asyncio.wait_for(crawled(Endless, Scripted({f"{SITE}/1": ""}, latency=0.02), **{limit: 1}), 5.0)

    assert (run.reason, closed) == (limit, [True])


async def test_a_start_that_is_left_early_is_closed_within_the_crawl() -> None:
    closed = []

    class Endless(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            number = 0
            try:
                while True:
                    number += 1
                    yield Request(f"{SITE}/{number}")
            finally:
                await asyncio.sleep(0)
                closed.append(asyncio.current_task())

    run = await asyncio.wait_for(
        crawled(Endless, CannedFetcher({f"{SITE}/{number}": "" for number in range(1, 50)}), max_pages=5), 5.0
    )

    assert (run.reason, run.report.stats.pages, len(closed)) == ("max_pages", 5, 1)
    assert len(asyncio.all_tasks()) == 1


async def test_an_endless_start_that_never_waits_leaves_room_for_the_pages() -> None:
    class Endless(Seeds):
        def start(self) -> Iterator[Any]:  # type: ignore[override]
            number = 0
            while True:
                number += 1
                yield Request(f"http://elsewhere.test/{number}")  # out of scope, all of them
                if number == 2_000:
                    return

        allowed_hosts = ["site.test"]

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    run = await crawled(Endless, CannedFetcher({}))
    ticking.cancel()

    assert run.report.stats.skipped == {"out_of_scope": 2_000}
    assert ticks > 20


async def test_more_seeds_than_the_window_holds_are_all_crawled() -> None:
    drawn = 0

    class Many(Spider):
        async def start(self) -> AsyncIterator[Request]:
            nonlocal drawn
            for number in range(12_000):
                drawn += 1
                yield Request(f"{SITE}/{number}")

        def parse(self, page: Any) -> None:
            nonlocal ahead
            ahead = max(ahead, drawn - self.pages)
            self.pages += 1

        pages = 0

    ahead = 0

    class Every(Scripted):
        async def _answer(self, request: Request) -> Response:
            return html(request.url)

    run = await crawled(Many, Every({}), concurrency=100, concurrency_per_host=100)

    assert (run.reason, run.report.stats.pages) == ("complete", 12_000)
    assert ahead <= 10_000 + 100 + 100  # the window, one batch, and one for each worker


async def test_a_start_url_that_cannot_be_asked_is_a_failure_with_its_reason() -> None:
    class Wrong(Seeds):
        start_urls = ["site.test/without-a-scheme", "mailto:a@site.test", f"{SITE}/1"]

    run = await crawled(Wrong, CannedFetcher({f"{SITE}/1": ""}))

    assert (run.reason, len(run.items), run.failures) == ("complete", 1, {"invalid_request": 2})
    assert run.failure("invalid_request").detail.startswith("a start URL that cannot be asked: ")


async def test_what_start_gives_twice_is_fetched_once_unless_it_says_otherwise() -> None:
    class Twice(Seeds):
        async def start(self) -> Any:  # type: ignore[override]
            again = Request(f"{SITE}/2", unique=False)
            return [f"{SITE}/1", f"{SITE}/1", again, again]

    run = await crawled(Twice, CannedFetcher({f"{SITE}/1": "", f"{SITE}/2": ""}))

    assert (run.report.stats.pages, run.report.stats.duplicates) == (3, 1)


async def test_max_pages_is_exact_under_concurrency() -> None:
    run = await crawled(Shop, Scripted(SHOP, latency=0.001), max_pages=7, concurrency=20)

    assert (run.reason, run.report.stats.pages) == ("max_pages", 7)
    assert run.report.waiting == 14


async def test_max_items_is_exact_under_concurrency() -> None:
    run = await crawled(Shop, Scripted(SHOP, latency=0.001), max_items=5, concurrency=20)

    assert (run.reason, len(run.items), run.report.stats.items) == ("max_items", 5, 5)


async def test_a_page_with_more_items_than_are_wanted_gives_the_first_of_them() -> None:
    class Lists(Seeds):
        start_urls = [f"{SITE}/"]

        def parse(self, page: Any) -> Any:
            return [{"n": number} for number in range(10)]

    run = await crawled(Lists, CannedFetcher({f"{SITE}/": ""}), max_items=3)

    assert (run.reason, [item["n"] for item in run.items]) == ("max_items", [0, 1, 2])


async def test_errors_past_the_budget_stop_the_crawl() -> None:
    class Bad(Shop):
        def parse_one(self, page: Any) -> Any:
            raise ValueError

    run = await crawled(Bad, CannedFetcher(SHOP), max_errors=3, concurrency=1)

    assert (run.reason, run.report.stats.callback_errors) == ("max_errors", 3)
    assert run.report.waiting == 17


async def test_max_depth_ends_the_crawl_where_it_says() -> None:
    chain = {f"{SITE}/{number}": f'<a href="/{number + 1}">on</a>' for number in range(10)}

    class Chain(Spider):
        start_urls = [f"{SITE}/0"]

        def parse(self, page: Any) -> Any:
            yield {"depth": page.depth}
            yield from page.follow_all("a")

    run = await crawled(Chain, CannedFetcher(chain), max_depth=3)

    assert [item["depth"] for item in run.items] == [0, 1, 2, 3]
    assert run.report.stats.skipped == {"too_deep": 1}


async def test_priorities_are_kept_within_a_host() -> None:
    class Ordered(Spider):
        start_urls = [f"{SITE}/"]

        def parse(self, page: Any) -> Any:
            if page.url == f"{SITE}/":
                return [Request(f"{SITE}/{p}", priority=p) for p in (0, 5, -5, 3)]
            return None

    fetcher = Scripted({f"{SITE}/{p}": "" for p in ("", 0, 5, -5, 3)})
    await crawled(Ordered, fetcher, concurrency=1)

    assert fetcher.asked == [f"{SITE}/{p}" for p in ("", 5, 3, 0, -5)]


class Hanging(Scripted):
    """A fetcher whose pages never come, but for the first."""

    def __init__(self) -> None:
        super().__init__(SHOP)
        self.cancelled = 0
        self.hangs = asyncio.Event()

    async def _answer(self, request: Request) -> Response:
        if request.url == f"{SITE}/":
            return await super()._answer(request)
        self.hangs.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError


async def begun(crawl: Crawl) -> asyncio.Task[Any]:
    return asyncio.create_task(crawl.run())


async def test_after_a_stop_pages_that_run_get_their_time_and_are_kept() -> None:
    sink = Kept()
    fetcher = Scripted(SHOP, latency=0.03)
    crawl = prepared(Shop, fetcher, sinks=[sink], concurrency=4)
    running = await begun(crawl)
    while fetcher.in_flight < 4:
        await asyncio.sleep(0.001)
    assert crawl.is_stopping is False

    crawl.stop("interrupted")
    asked = len(fetcher.asked)
    report = await asyncio.wait_for(running, 2.0)

    assert (crawl.is_stopping, report.reason, len(fetcher.asked)) == (True, "interrupted", asked)
    assert len(sink.records) == asked - 1
    assert report.waiting == 21 - asked


async def test_pages_that_still_run_after_the_grace_are_given_up_and_wait_again() -> None:
    fetcher = Hanging()
    crawl = prepared(Shop, fetcher, sinks=[Kept()], concurrency=4, grace=0.02)
    running = await begun(crawl)
    await fetcher.hangs.wait()

    assert crawl.grace == 0.02
    crawl.stop("interrupted")
    report = await asyncio.wait_for(running, 2.0)

    assert (report.reason, report.waiting, report.stats.pages) == ("interrupted", 20, 1)
    assert fetcher.cancelled == len(fetcher.asked) - 1
    assert len(asyncio.all_tasks()) == 1


async def test_stopping_twice_grants_no_second_grace() -> None:
    fetcher = Hanging()
    crawl = prepared(Shop, fetcher, sinks=[Kept()], grace=0.03)
    running = await begun(crawl)
    await fetcher.hangs.wait()
    begun_at = time.monotonic()

    crawl.stop("interrupted")
    await asyncio.sleep(0.02)
    crawl.stop("again")

    assert (await asyncio.wait_for(running, 2.0)).reason == "interrupted"
    assert time.monotonic() - begun_at < 0.3


async def test_a_stop_leaves_no_alarm_behind() -> None:
    crawl = prepared(Shop, Scripted(SHOP, latency=0.005), sinks=[Kept()], grace=30.0)
    running = await begun(crawl)
    await asyncio.sleep(0.01)

    crawl.stop("interrupted")
    await running

    alarms = [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]
    assert alarms == []


async def test_a_stop_before_the_start_fetches_nothing() -> None:
    fetcher = Scripted(SHOP)
    crawl = prepared(Shop, fetcher, sinks=[Kept()])

    crawl.stop("interrupted")
    report = await asyncio.wait_for(crawl.run(), 2.0)

    assert (report.reason, fetcher.asked) == ("interrupted", [])


async def test_a_stop_ends_a_start_that_waits() -> None:
    class Waiting(Seeds):
        async def start(self) -> AsyncIterator[Request]:
            yield Request(f"{SITE}/1")
            await asyncio.Event().wait()

    crawl = prepared(Waiting, CannedFetcher({f"{SITE}/1": ""}), sinks=[Kept()])
    running = await begun(crawl)
    await asyncio.sleep(0.01)

    crawl.stop("interrupted")

    assert (await asyncio.wait_for(running, 2.0)).reason == "interrupted"


async def test_cancelling_a_crawl_ends_every_task_and_closes_everything() -> None:
    fetcher, sink = Hanging(), Kept()
    running = await begun(prepared(Shop, fetcher, sinks=[sink]))
    await fetcher.hangs.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (fetcher.is_closed, sink.is_open, len(asyncio.all_tasks())) == (True, False, 1)


async def test_an_output_that_cannot_be_opened_starts_nothing_and_closes_what_was_open() -> None:
    class Forbidden(Kept):
        async def open(self, position: int | None = None) -> int:
            raise OutputError("cannot create it")

    first, fetcher = Kept(), Scripted(SHOP)
    with pytest.raises(OutputError):
        await crawled(Shop, fetcher, sinks=[first, Forbidden()])

    assert (first.is_open, fetcher.asked) == (False, [])


async def test_what_ended_before_an_error_of_ours_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A stage that breaks its contract ends the crawl loudly; what was done before it is in the dataset."""

    sink = Kept()
    crawl = prepared(Shop, Scripted(SHOP), sinks=[sink], concurrency=1, commit_interval=60.0)
    takes = crawl.frontier.finish
    finished = 0

    def finish(outcome: Any) -> None:
        nonlocal finished
        finished += 1
        if finished == 6:
            raise RuntimeError("a defect")
        takes(outcome)

    crawl.frontier.finish = finish  # type: ignore[method-assign]

    report = await asyncio.wait_for(crawl.run(), 5.0)

    assert report.reason == "defect"
    assert "RuntimeError: a defect" in caplog.text
    assert len(sink.records) == 4
    assert len(asyncio.all_tasks()) == 1


def test_the_kinds_of_rejects_that_are_told_apart_are_bounded() -> None:
    stats = Stats()

    for number in range(3_000):
        stats.reject("Book", f"fields[{number}]", "expected str")
        stats.reject("Book", "", "no JSON")

    assert (stats.rejects, len(stats.rejected)) == (6_000, 1_000)
    assert stats.rejected["Book: no JSON"] == 3_000


def grown_by(pages: int) -> int:
    """Bytes that live on at the end of a crawl of so many pages, before it is let go of."""

    class Numbered(Spider):
        async def start(self) -> AsyncIterator[Request]:
            for number in range(pages):
                yield Request(f"{SITE}/{number}")

        def parse(self, page: Any) -> Any:
            return {"n": len(page.body)}

    class Every(Scripted):
        async def fetch(self, request: Request, on_sent: Any = None, inside: bool = False) -> Response:
            await asyncio.sleep(0)
            return html(request.url, "x" * 5_000)

    class Dropping(Kept):
        async def append(self, records: Any) -> int:
            return 0

    async def whole() -> int:
        crawl = prepared(Numbered, Every({}), sinks=[Dropping()], concurrency=50, concurrency_per_host=50)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        report = await crawl.run()
        assert report.stats.pages == pages
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del crawl, report
        return after - before

    try:
        with asyncio.Runner() as runner:
            return runner.run(whole())
    finally:
        tracemalloc.stop()


def test_a_crawl_four_times_as_long_keeps_no_page_of_it() -> None:
    grown_by(200)  # what is made once
    few = grown_by(5_000)
    many = grown_by(20_000)

    assert (many - few) / 15_000 < 150  # bytes for each URL that was seen; a page has 5,000
