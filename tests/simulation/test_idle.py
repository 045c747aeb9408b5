"""What a crawl does while it waits: nothing. Each time that its event loop wakes is counted, on a virtual clock."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from virtual import VirtualLoop

from crawler.assemble import assemble, build_spider
from crawler.config import SETTINGS, Settings
from crawler.export.sink import NullSink
from crawler.fetch.canned import CannedFetcher
from crawler.spider import Spider

DELAY = 10.0
URLS = [f"http://site.test/{number}" for number in range(4)]
OTHERS = [f"http://other{number}.test/{page}" for number in range(50) for page in range(2)]


class _Loop(VirtualLoop):
    def __init__(self) -> None:
        super().__init__()
        self.woken: list[float] = []
        """When it woke because a time had come."""

    def select(self, timeout: float | None) -> list[Any]:
        events = super().select(timeout)
        if timeout:
            self.woken.append(self.time())
        return events


def crawl_times(urls: Sequence[str], **settings: Any) -> tuple[list[float], list[float]]:
    """When the pages of a crawl came, and when its event loop woke."""
    loop = _Loop()
    came: list[float] = []

    class Visitor(Spider):
        start_urls = urls

        def parse(self, page: Any) -> None:
            came.append(loop.time())

    async def crawl() -> str:
        values = {name: setting.default for name, setting in SETTINGS.items()}
        resolved = Settings({**values, "delay": DELAY, "obey_robots": False, **settings}, {}, {})
        fetcher = CannedFetcher(dict.fromkeys(urls, "<p>a page"))
        crawl = assemble(build_spider(Visitor, {}), {}, resolved, [NullSink(), NullSink()], fetcher)
        return (await crawl.run()).reason

    try:
        assert loop.run_until_complete(crawl()) == "complete"
    finally:
        loop.close()
    return came, loop.woken


def test_between_two_pages_of_a_host_it_wakes_to_commit_the_first_and_for_the_second() -> None:
    came, woken = crawl_times(URLS)

    waits = [[time for time in woken if begin < time <= end] for begin, end in pairwise(came)]
    assert [round(end - begin, 3) for begin, end in pairwise(came)] == [DELAY] * 3
    assert max(map(len, waits)) <= 3


def test_it_wakes_no_more_often_for_many_hosts_that_rest() -> None:
    came, woken = crawl_times(OTHERS)

    first, last = came[0], came[-1]
    assert round(last - first, 3) == DELAY
    assert len([time for time in woken if first + 1.0 < time < last - 1.0]) == 0
