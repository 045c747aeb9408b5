"""The spider's hooks: before the first page, after the last one, and for each URL given up."""

import asyncio
import logging
from typing import Any

import pytest
from crawling import SITE, Kept, Scripted, crawled, html, refused

from crawler.engine.crawl import SpiderFailed
from crawler.errors import PageTooHeavy
from crawler.request import Request
from crawler.spider import Spider

HOME = f"{SITE}/"


class Hooked(Spider):
    """Writes down what is called, in order."""

    start_urls = [HOME]

    def __init__(self) -> None:
        self.calls: list[str] = []

    def parse(self, page: Any) -> None:
        self.calls.append("parse")


class Plain(Hooked):
    def opened(self) -> None:
        self.calls.append("opened")

    def closed(self, reason: str) -> None:
        self.calls.append(f"closed: {reason}")


class Async(Hooked):
    async def opened(self) -> None:
        await asyncio.sleep(0)
        self.calls.append("opened")

    async def closed(self, reason: str) -> None:
        await asyncio.sleep(0)
        self.calls.append(f"closed: {reason}")


@pytest.mark.parametrize("spider", [Plain, Async])
async def test_a_spider_is_opened_before_its_first_page_and_closed_after_its_last(spider: type[Spider]) -> None:
    run = await crawled(spider, Scripted({HOME: ""}))

    assert run.spider.calls == ["opened", "parse", "closed: complete"]


async def test_closed_hears_why_the_crawl_ended() -> None:
    class Endless(Plain):
        def parse(self, page: Any) -> Any:
            return Request(f"{page.url}x")

    class Every(Scripted):
        async def _answer(self, request: Request) -> Any:
            return html(request.url)

    run = await crawled(Endless, Every({}), max_pages=3)
    assert run.spider.calls[-1] == "closed: max_pages"


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_spider_that_cannot_be_opened_fetches_nothing(is_async: bool) -> None:
    class Plainly(Plain):
        def opened(self) -> None:
            raise OSError("no login")

    class Waiting(Plain):
        async def opened(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            raise OSError("no login")

    fetcher, sink = Scripted({HOME: ""}), Kept()
    with pytest.raises(SpiderFailed) as caught:
        await crawled(Waiting if is_async else Plainly, fetcher, sinks=[sink])

    name = "Waiting" if is_async else "Plainly"
    assert str(caught.value) == f"{name}.opened() raised OSError: no login"
    assert caught.value.trace.count('File "') == 1
    assert (fetcher.asked, fetcher.is_closed, sink.is_open) == ([], True, False)


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_closed_that_raises_is_told_and_changes_nothing(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Plainly(Plain):
        def closed(self, reason: str) -> None:
            raise OSError("no mail")

    class Waiting(Plain):
        async def closed(self, reason: str) -> None:  # type: ignore[override]
            raise OSError("no mail")

    run = await crawled(Waiting if is_async else Plainly, Scripted({HOME: ""}))

    assert (run.reason, run.report.stats.pages) == ("complete", 1)
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "OSError: no mail" in told.getMessage()


class Mourning(Spider):
    """Hears of the URLs that were given up, and makes something of each."""

    start_urls = [HOME]

    def __init__(self) -> None:
        self.failures: list[Any] = []

    def parse(self, page: Any) -> Any:
        return {"url": page.url}

    def on_failure(self, failure: Any) -> Any:
        self.failures.append(failure)
        yield {"failed": failure.url, "reason": failure.reason}
        yield Request(f"{SITE}/mirror")


class AsyncMourning(Mourning):
    async def on_failure(self, failure: Any) -> Any:
        self.failures.append(failure)
        await asyncio.sleep(0)
        yield {"failed": failure.url, "reason": failure.reason}
        yield Request(f"{SITE}/mirror")


class ReturningMourning(Mourning):
    async def on_failure(self, failure: Any) -> Any:
        self.failures.append(failure)
        return [{"failed": failure.url, "reason": failure.reason}, Request(f"{SITE}/mirror")]


@pytest.mark.parametrize("spider", [Mourning, AsyncMourning, ReturningMourning])
async def test_a_failure_may_yield_items_and_requests(spider: type[Spider]) -> None:
    run = await crawled(spider, Scripted({f"{SITE}/mirror": ""}))

    assert run.items == [{"failed": HOME, "reason": "http_404"}, {"url": f"{SITE}/mirror"}]
    assert (run.failures, run.report.stats.pages) == ({"http_404": 1}, 1)


async def test_a_failure_is_told_once_after_all_its_tries() -> None:
    run = await crawled(Mourning, Scripted({HOME: refused(HOME), f"{SITE}/mirror": ""}), retries=2)

    (failure,) = run.spider.failures
    assert (failure.url, failure.reason, failure.attempts) == (HOME, "connect", 3)


async def test_a_callback_s_error_comes_with_its_traceback() -> None:
    class Bad(Mourning):
        def parse(self, page: Any) -> Any:
            raise ValueError("bad page")

        def on_failure(self, failure: Any) -> None:
            self.failures.append(failure)

    run = await crawled(Bad, Scripted({HOME: ""}))

    (failure,) = run.spider.failures
    assert (failure.reason, failure.status) == ("callback_error", 200)
    assert failure.traceback.endswith("ValueError: bad page\n")
    assert f'File "{__file__}"' in failure.traceback


@pytest.mark.parametrize("trouble", [ValueError("twice unlucky"), PageTooHeavy("http://site.test/a-page-it-kept")])
async def test_an_on_failure_that_raises_is_told_and_the_crawl_goes_on(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Worse(Mourning):
        start_urls = [HOME, f"{SITE}/1"]

        def on_failure(self, failure: Any) -> Any:
            raise trouble

    run = await crawled(Worse, Scripted({f"{SITE}/1": ""}))

    assert (run.reason, len(run.items), run.failures) == ("complete", 1, {"http_404": 1})
    assert run.report.stats.callback_errors == 1
    assert any("on_failure raised at" in record.getMessage() for record in caplog.records)
