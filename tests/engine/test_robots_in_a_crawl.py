"""What robots.txt makes of a crawl: hosts that ask for too much, and pages beside them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from crawler.spider import Spider
from tests.engine.crawling import SITE, Scripted, crawled, html, status

ROBOTS = f"{SITE}/robots.txt"
OTHER = "http://other.test"


class Both(Spider):
    start_urls = [*(f"{SITE}/{number}" for number in range(5)), f"{OTHER}/a"]

    def parse(self, page: Any) -> Any:
        return {"url": page.url}


def asks_for(line: str) -> Scripted:
    pages = dict.fromkeys(Both.start_urls, "page")
    return Scripted({**pages, ROBOTS: html(ROBOTS, f"User-agent: *\n{line}\nDisallow: /private")})


@pytest.mark.parametrize("line", ["Crawl-delay: 61", "Request-rate: 1/2m", "Crawl-delay: 1e300"])
async def test_a_host_that_asks_for_more_than_the_limit_is_left_out_at_once(line: str) -> None:
    fetcher = asks_for(line)

    run = await crawled(Both, fetcher, obey_robots=True)

    assert (run.items, run.report.stats.skipped) == ([{"url": f"{OTHER}/a"}], {"crawl_delay": 5})
    assert Counter(fetcher.asked) == Counter([ROBOTS, f"{OTHER}/robots.txt", f"{OTHER}/a"])
    assert run.reason == "complete"
    assert run.failures == {}


async def test_a_host_that_asks_for_as_much_as_the_limit_is_waited_for() -> None:
    fetcher = asks_for("Crawl-delay: 0.05")

    run = await crawled(Both, fetcher, obey_robots=True, max_crawl_delay=0.05)

    assert (len(run.items), run.report.stats.skipped) == (6, {})
    times = [at for url, at in zip(fetcher.asked, fetcher.times, strict=True) if url.startswith(SITE)]
    assert times[-1] - times[0] >= 5 * 0.05 - 0.001


async def test_a_host_that_asks_for_more_may_be_waited_for_all_the_same() -> None:
    table = {"other.test": {"max_crawl_delay": 0.0}}
    robots = f"{OTHER}/robots.txt"
    fetcher = Scripted(
        {**dict.fromkeys(Both.start_urls, "page"), robots: html(robots, "User-agent: *\nCrawl-delay: 0.01")}
    )

    run = await crawled(Both, fetcher, obey_robots=True, hosts=table)

    assert (len(run.items), run.report.stats.skipped) == (5, {"crawl_delay": 1})


async def test_who_does_not_obey_robots_txt_is_not_asked_to_wait() -> None:
    fetcher = asks_for("Crawl-delay: 600")

    run = await crawled(Both, fetcher, obey_robots=False)

    assert (len(run.items), ROBOTS in fetcher.asked) == (6, False)


async def test_a_server_in_trouble_is_asked_as_often_as_there_are_retries() -> None:
    fetcher = Scripted({**dict.fromkeys(Both.start_urls, "page"), ROBOTS: status(ROBOTS, 503, Retry_After="0")})

    run = await crawled(Both, fetcher, obey_robots=True, retries=1)

    assert (Counter(fetcher.asked)[ROBOTS], run.failures) == (2, {"robots_unavailable": 5})
    assert run.items == [{"url": f"{OTHER}/a"}]
