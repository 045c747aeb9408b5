"""Whole crawls on the loop that the command line uses, where timers are not asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crawler import CannedFetcher, Request, Response, Spider, run
from crawler.response import headers_of

HOSTS = [f"http://h{number}.test" for number in range(30)]
PAGES = {f"{host}/{page}": f"<a href=/{page + 1}>next</a>" for host in HOSTS for page in range(3)}


class Many(Spider):
    start_urls = [f"{host}/0" for host in HOSTS]
    allowed_hosts = ["*"]

    def parse(self, page: Any) -> Any:
        yield {"url": page.url}
        yield from page.follow_all("a")


class Flaky(CannedFetcher):
    """Every third URL answers 500 the first time."""

    async def fetch(self, request: Request, on_sent: Any = None, inside: bool = False) -> Response:
        asked = sum(earlier.url == request.url for earlier in self.requests)
        if not asked and len(self.requests) % 3 == 0 and not request.url.endswith("robots.txt"):
            self.requests.append(request)
            return Response(request.url, 500, headers_of())
        return await super().fetch(request, on_sent)


@pytest.mark.parametrize("delay", [0.013, 0.05, 0.1])
def test_many_hosts_with_a_pause_are_crawled_whole(delay: float) -> None:
    result = run(Many, fetcher=CannedFetcher(PAGES), settings={"delay": delay})

    assert (result.reason, sorted(item["url"] for item in result)) == ("complete", sorted(PAGES))


def test_retries_come_when_they_are_due() -> None:
    result = run(Many, fetcher=Flaky(PAGES), settings={"delay": 0, "retry_backoff": 0.05})

    assert (result.reason, len(result), result.stats.failed) == ("complete", len(PAGES), 30)  # /3 is nowhere
    assert result.stats.retries > 10


def test_seeds_are_crawled_as_they_come() -> None:
    class Slow(Spider):
        """Goes on when its last page was seen: a seed that waits for others would wait for ever."""

        def __init__(self) -> None:
            self.seen = asyncio.Event()

        async def start(self) -> AsyncIterator[Request]:
            for page in range(3):
                yield Request(f"{HOSTS[0]}/{page}")
            await self.seen.wait()

        def parse(self, page: Any) -> Any:
            if page.url.endswith("/2"):
                self.seen.set()
            return {"url": page.url}

    assert len(run(Slow, fetcher=CannedFetcher(PAGES), settings={"timeout": 5})) == 3


def test_an_address_that_no_url_can_hold_costs_nothing_but_itself() -> None:
    class Odd(Spider):
        start_urls = [f"{HOSTS[0]}/0", "http://a.test/\ud800"]

        def parse(self, page: Any) -> Any:
            return [{"url": page.url}, Request("http://b.test/\udfff")]

    result = run(Odd, fetcher=CannedFetcher(PAGES))

    assert [item["url"] for item in result] == [f"{HOSTS[0]}/0"]
    assert (result.reason, dict(result.stats.failures)) == ("complete", {"invalid_request": 1})


def test_a_spider_that_ends_the_program_ends_its_page() -> None:
    class Exiting(Spider):
        start_urls = [f"{host}/0" for host in HOSTS]
        allowed_hosts = ["*"]

        def parse(self, page: Any) -> Any:
            if page.url.startswith(HOSTS[3]):
                raise SystemExit(1)
            return {"url": page.url}

    result = run(Exiting, fetcher=CannedFetcher(PAGES))

    assert (len(result), dict(result.stats.failures)) == (29, {"callback_error": 1})


def test_what_is_left_of_a_dict_after_it_was_yielded_is_the_spider_s_own() -> None:
    class Reusing(Spider):
        start_urls = [f"{HOSTS[0]}/0"]

        def parse(self, page: Any) -> Any:
            item = {"n": 0}
            for number in range(3):
                item["n"] = number
                yield item

    assert [item["n"] for item in run(Reusing, fetcher=CannedFetcher(PAGES))] == [0, 1, 2]


def test_rejects_are_told_of_where_no_file_holds_them(caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(Spider):
        start_urls = [f"{HOSTS[0]}/0"]

        async def get(self) -> str:
            return "text"

        def parse(self, page: Any) -> Any:
            yield {"a": page.css("a")}
            yield {"b": self.get()}
            yield {"c": 1}

    result = run(Wrong, fetcher=CannedFetcher(PAGES))

    assert [(reject["field"], len(reject["reason"]) > 20) for reject in result.rejects] == [("a", True), ("b", True)]
    assert "nobody awaited: write await" in result.rejects[1]["reason"]
    assert repr(result) == "<CrawlResult complete: 1 items, 2 rejected, 1 pages, 0 failed>"
    assert "2 items failed their type and were rejected" in caplog.text


def test_the_names_of_another_framework_are_not_passed_over() -> None:
    class Theirs(Spider):
        start_urls = [f"{HOSTS[0]}/0"]
        custom_settings = {"DOWNLOAD_DELAY": 2}

        def parse(self, page: Any) -> Any: ...

    with pytest.raises(Exception, match=r"Theirs\.custom_settings is not read here: call it settings"):
        run(Theirs, fetcher=CannedFetcher(PAGES))
