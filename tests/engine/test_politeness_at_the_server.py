"""Courtesy as those see it to whom it is owed: measured where the requests arrive."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from crawling import Crawled, crawled
from watching import Reply, WatchingServer

from crawler.spider import Spider

DELAY = 0.04
TOLERANCE = 0.001


def pages(path: str, times: int) -> Reply:
    return Reply(404) if path == "/robots.txt" else Reply()


def slow_pages(path: str, times: int) -> Reply:
    return Reply(404) if path == "/robots.txt" else Reply(seconds=4 * DELAY)


async def visited(urls: Sequence[str], busy: float = 0.0, **settings: Any) -> Crawled:
    class Visitor(Spider):
        start_urls = urls

        def parse(self, page: Any) -> Any:
            time.sleep(busy)  # as a callback that computes does
            return {"url": page.url}

    return await crawled(Visitor, **{"concurrency": 32, "concurrency_per_host": 8, "obey_robots": True, **settings})


def some(server: WatchingServer, count: int) -> list[str]:
    return [f"{server.url}/{number}" for number in range(count)]


async def test_requests_are_spaced_while_slow_answers_overlap() -> None:
    with WatchingServer(slow_pages) as server:
        run = await visited(some(server, 12), delay=DELAY, throttle=False)

    assert (len(run.items), len(server.arrivals)) == (12, 13)
    assert min(server.gaps) >= DELAY - TOLERANCE
    assert sum(server.gaps) < 13 * DELAY * 1.5  # from start to start: nobody waited for the answers
    assert server.most_at_once > 1


async def test_robots_txt_redirects_and_retries_are_spaced_too() -> None:
    def reply(path: str, times: int) -> Reply:
        if path == "/robots.txt":
            return Reply(body="User-agent: *\nDisallow: /never")
        if path == "/1":
            return Reply(302, location="/moved")
        if path in ("/2", "/3") and times == 1:
            return Reply(500, seconds=0.01)
        return Reply()

    with WatchingServer(reply) as server:
        run = await visited([*some(server, 6), f"{server.url}/never"], delay=DELAY, retry_backoff=0.001)

    assert len(run.items) == 6
    assert sorted(server.paths) == ["/0", "/1", "/2", "/2", "/3", "/3", "/4", "/5", "/moved", "/robots.txt"]
    assert min(server.gaps) >= DELAY - TOLERANCE


async def test_no_host_is_asked_for_more_at_once_than_it_allows() -> None:
    with WatchingServer(lambda path, times: Reply(seconds=0.01)) as server:
        run = await visited(some(server, 40), delay=0.0, concurrency_per_host=3, obey_robots=False)

    assert (len(run.items), server.most_at_once) == (40, 3)


async def test_each_host_goes_at_its_own_pace() -> None:
    with WatchingServer(pages) as one, WatchingServer(pages, "127.0.0.2") as two:
        urls = [*some(one, 8), *some(two, 8)]
        run = await visited(urls, delay=DELAY)

    assert len(run.items) == 16
    for server in (one, two):
        assert min(server.gaps) >= DELAY - TOLERANCE
        assert sum(server.gaps) < 8 * DELAY * 2  # the other one took none of its time
    assert abs(min(one.arrivals).at - min(two.arrivals).at) < DELAY


async def test_another_port_is_another_host() -> None:
    with WatchingServer(pages) as one, WatchingServer(pages) as two:
        await visited([*some(one, 4), *some(two, 4)], delay=DELAY)

    assert abs(min(one.arrivals).at - min(two.arrivals).at) < DELAY
    assert min(one.gaps + two.gaps) >= DELAY - TOLERANCE


async def test_this_machine_is_owed_no_delay_by_default() -> None:
    with WatchingServer(pages) as server:
        run = await visited(some(server, 20), delay=None)

    assert len(run.items) == 20
    assert sum(server.gaps) < 1.0  # not 20 times a quarter of a second


async def test_a_host_s_own_table_holds_for_it_alone() -> None:
    with WatchingServer(slow_pages) as one, WatchingServer(slow_pages, "127.0.0.2") as two:
        table = {"127.0.0.2": {"delay": DELAY, "concurrency_per_host": 1, "obey_robots": False}}
        run = await visited([*some(one, 6), *some(two, 3)], delay=0.0, hosts=table)

    assert len(run.items) == 9
    assert (two.most_at_once, "/robots.txt" in two.paths) == (1, False)
    assert min(two.gaps) >= 4 * DELAY
    assert (one.most_at_once > 1, "/robots.txt" in one.paths) == (True, True)


async def test_a_crawl_delay_is_obeyed_where_it_asks_for_more() -> None:
    def reply(path: str, times: int) -> Reply:
        return Reply(body=f"User-agent: *\nCrawl-delay: {DELAY}") if path == "/robots.txt" else Reply()

    with WatchingServer(reply) as server:
        run = await visited(some(server, 6), delay=None)

    assert len(run.items) == 6
    assert min(server.gaps) >= DELAY - TOLERANCE


async def test_connections_that_are_refused_leave_the_host_its_pause() -> None:
    with WatchingServer(pages) as gone:
        urls = some(gone, 4)
    begun = time.monotonic()

    run = await visited(urls, delay=DELAY, obey_robots=False, retries=0)

    assert run.failures == {"connect": 4}
    assert time.monotonic() - begun >= 3 * DELAY - TOLERANCE


async def test_a_robots_txt_in_trouble_is_not_asked_for_again_and_again() -> None:
    with WatchingServer(lambda path, times: Reply(500)) as server:
        run = await visited(some(server, 6), delay=DELAY, retries=1)

    assert run.failures == {"robots_unavailable": 6}
    assert min(server.gaps) >= DELAY - TOLERANCE


async def test_robots_txts_that_moved_to_one_host_are_asked_for_there_one_after_the_other() -> None:
    def moved(path: str, times: int) -> Reply:
        return Reply(302, location=f"{server.url}/their-robots.txt") if path == "/robots.txt" else Reply()

    with (
        WatchingServer(pages) as server,
        WatchingServer(moved) as a,
        WatchingServer(moved) as b,
        WatchingServer(moved) as c,
    ):
        urls = [*some(server, 3), *(url for other in (a, b, c) for url in some(other, 1))]
        run = await visited(urls, delay=5 * DELAY, delay_per_ip=0.0)

    assert len(run.items) == 6
    assert sorted(server.paths) == ["/0", "/1", "/2", "/robots.txt", *["/their-robots.txt"] * 3]
    assert min(server.gaps) >= 5 * DELAY - 10 * TOLERANCE  # they are connections of their own, which take their time


async def test_a_robots_txt_that_moved_is_followed_without_haste() -> None:
    def reply(path: str, times: int) -> Reply:
        if path == "/robots.txt":
            return Reply(301, location="/elsewhere.txt")
        return Reply(404) if path == "/elsewhere.txt" else Reply()

    with WatchingServer(reply) as server:
        await visited(some(server, 2), delay=DELAY)

    assert min(server.gaps) >= DELAY - TOLERANCE


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_a_callback_that_holds_the_loop_brings_no_two_requests_together(loop_name: str) -> None:
    factory = asyncio.new_event_loop if loop_name == "asyncio" else pytest.importorskip("uvloop").new_event_loop

    with WatchingServer(pages) as server, asyncio.Runner(loop_factory=factory) as runner:
        run = runner.run(visited(some(server, 12), busy=DELAY / 2, delay=DELAY))

    assert len(run.items) == 12
    assert min(server.gaps) >= DELAY - TOLERANCE


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_callbacks_of_other_hosts_that_hold_the_loop_bring_no_two_requests_together(loop_name: str) -> None:
    factory = asyncio.new_event_loop if loop_name == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    table = {"127.0.0.2": {"delay": DELAY}}

    with (
        WatchingServer(pages) as busy,
        WatchingServer(pages, "127.0.0.2") as watched,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        urls = [*some(busy, 40), *some(watched, 12)]
        run = runner.run(visited(urls, busy=0.008, hosts=table, obey_robots=False, delay=0.0))

    assert len(run.items) == 52
    assert min(watched.gaps) >= DELAY - TOLERANCE
