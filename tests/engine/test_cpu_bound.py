"""``@cpu_bound`` callbacks: the same results out of another process, and what it costs when one is lost."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import spiders_for_processes as spiders
from crawling import Scripted, crawled, prepared

from crawler.discovery import SpiderSource, source_of
from crawler.engine import crossing, remote
from crawler.engine.harvest import CallbackError
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.spider import Spider, cpu_bound

HOME = spiders.HOME
SITE = {HOME: '<h1>Home</h1><a href="/a">a</a><a href="/b">b</a>', f"{HOME}a": "<h1>A</h1>", f"{HOME}b": ""}


@pytest.fixture(autouse=True)
def processes_can_import_the_spiders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def sorted_by_text(values: list[Any]) -> list[Any]:
    return sorted(values, key=repr)


async def test_a_callback_in_a_process_gives_what_it_gives_here() -> None:
    here = await crawled(spiders.TitlesInline, Scripted(SITE), args={"shift": 2})
    there = await crawled(spiders.Titles, Scripted(SITE), args={"shift": 2})

    assert sorted_by_text(there.items) == sorted_by_text(here.items)
    assert there.rejects == here.rejects != []
    assert there.items[:3] == [
        {"url": HOME, "title": "Home"},
        {"depth": 0, "meta": {}, "shifted": 3},
        {"amount": 1.5},
    ]
    assert there.failures == here.failures == {}


async def test_a_request_comes_out_of_a_process_as_it_was_made() -> None:
    run = await crawled(spiders.Replaced, Scripted({HOME: "page"}))

    assert run.items == [{"method": "POST", "json": {"a": [1]}, "headers": {"X-A": "b"}}]


async def test_callbacks_run_in_as_many_processes_as_asked_for_and_not_in_this_one() -> None:
    pages = dict.fromkeys(spiders.Pids.start_urls, "page")

    run = await crawled(spiders.Pids, Scripted(pages), parse_processes=2)

    pids = {item["pid"] for item in run.items}
    assert len(run.items) == 8
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


async def test_no_more_callbacks_run_at_once_than_there_are_processes(tmp_path: Path) -> None:
    pages = dict.fromkeys(spiders.CountsAtOnce.start_urls, "page")

    run = await crawled(
        spiders.CountsAtOnce, Scripted(pages), args={"folder": str(tmp_path)}, parse_processes=2, concurrency=12
    )

    assert len(run.items) == 12
    assert max(item["at_once"] for item in run.items) <= 2


async def test_an_error_in_a_process_comes_back_whole_and_the_others_go_on() -> None:
    pages = dict.fromkeys(spiders.Raises.start_urls, "page")

    run = await crawled(spiders.Raises, Scripted(pages))

    assert run.items == [{"url": f"{HOME}fine"}]
    assert run.failures == {"callback_error": 3}
    by_url = {failure.url: failure for failure in run.report.stats.examples["callback_error"]}
    file = spiders.__file__
    lines = Path(file).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# THE LINE" in text)
    assert by_url[HOME].detail == f"LookupError: nothing at {HOME} at {file}:{line}"
    frames = [part.strip() for part in by_url[HOME].traceback.splitlines() if part.strip().startswith("File ")]
    assert [frame.split(", ")[0] for frame in frames] == [f'File "{file}"'] * 2
    assert "gave the coroutine fetched() without awaiting it" in by_url[f"{HOME}forgotten"].detail
    assert by_url[f"{HOME}exit"].detail.startswith("SystemExit: 3")


async def test_a_process_that_dies_once_costs_one_more_try(tmp_path: Path) -> None:
    fetcher = Scripted(dict.fromkeys(spiders.Dies.start_urls, "page"))

    run = await crawled(spiders.Dies, fetcher, args={"folder": str(tmp_path), "deaths": 1})

    assert sorted(item["url"] for item in run.items) == sorted(spiders.Dies.start_urls)
    assert (run.failures, run.report.stats.retries) == ({}, 1)
    assert fetcher.asked.count(f"{HOME}deadly") == 2


async def test_a_page_that_kills_twice_is_given_up_and_the_crawl_goes_on(tmp_path: Path) -> None:
    fetcher = Scripted(dict.fromkeys(spiders.Dies.start_urls, "page"))

    run = await crawled(spiders.Dies, fetcher, args={"folder": str(tmp_path), "deaths": 9})

    assert sorted(item["url"] for item in run.items) == sorted(spiders.Dies.start_urls[1:])
    assert (run.reason, run.failures) == ("complete", {"parse_process_died": 1})
    assert fetcher.asked.count(f"{HOME}deadly") == 2


async def test_a_callback_that_hangs_is_given_up_and_the_crawl_goes_on() -> None:
    fetcher = Scripted(dict.fromkeys(spiders.Hangs.start_urls, "page"))

    run = await crawled(spiders.Hangs, fetcher, parse_timeout=0.3, parse_processes=2)

    assert sorted(item["url"] for item in run.items) == [f"{HOME}1", f"{HOME}2"]
    assert run.failures == {"parse_timeout": 1}
    assert "gave no answer in 0.3 s and was killed" in run.failure("parse_timeout").detail


async def test_a_crawl_that_is_stopped_does_not_wait_for_a_callback_that_hangs() -> None:
    fetcher = Scripted({spiders.Hangs.start_urls[0]: "page"})
    crawl = prepared(spiders.Hangs, fetcher, grace=0.05)
    running = asyncio.create_task(crawl.run())
    while not fetcher.asked:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)

    crawl.stop("interrupted")

    assert (await asyncio.wait_for(running, 5.0)).reason == "interrupted"


async def test_a_spider_that_cannot_be_built_in_a_process_fails_its_pages_with_the_reason() -> None:
    run = await crawled(spiders.BuiltHereAlone, Scripted({HOME: "page"}), args={"pid": os.getpid()})

    assert (run.reason, run.failures) == ("complete", {"callback_error": 1})
    assert (
        "it cannot be built in a parse process: the licence is for one process" in run.failure("callback_error").detail
    )


async def test_a_spider_inside_a_function_is_told_where_it_belongs() -> None:
    class Local(Spider):
        start_urls = [HOME]

        @cpu_bound
        def parse(self, page: Any) -> None:
            pass

    run = await crawled(Local, Scripted({HOME: "page"}))

    assert run.failures == {"callback_error": 1}
    assert "@cpu_bound needs the spider at the top level of a file" in run.failure("callback_error").detail


REFRESH = '<meta http-equiv="refresh" content="0; url={}">'


@pytest.mark.parametrize("processes", [1, "auto"])
async def test_a_page_that_goes_on_to_another_one_is_a_redirect_wherever_it_is_worked_on(processes: int | str) -> None:
    pages = {
        f"{HOME}sign": REFRESH.format("/there"),
        f"{HOME}ticker": REFRESH.format("/ticker"),
        f"{HOME}there": "page",
    }

    run = await crawled(spiders.Signs, Scripted(pages), parse_processes=processes)

    assert sorted(item["url"] for item in run.items) == [f"{HOME}there", f"{HOME}ticker"]
    assert run.report.stats.redirects == 1


async def pids_of(
    pages: int, seconds: float, body: str = "<h1>page</h1>", cpu: float = 0.0, **settings: Any
) -> list[int]:
    """Where the pages of a crawl were worked on, one after the other."""
    fetcher = Scripted({f"{HOME}{number}": body for number in range(pages)})
    args = {"pages": pages, "seconds": seconds, "cpu": cpu}
    run = await crawled(spiders.Where, fetcher, args=args, concurrency=1, **settings)
    assert len(run.items) == pages
    return [item["pid"] for item in run.items]


async def test_with_auto_short_pages_stay_and_no_process_is_started() -> None:
    assert set(await pids_of(20, 0.0, parse_processes="auto")) == {os.getpid()}


async def test_with_auto_the_pages_after_one_that_takes_long_go_to_a_process() -> None:
    first, *others = await pids_of(4, 0.12, parse_processes="auto")

    assert first == os.getpid()
    assert len(set(others)) == 1
    assert os.getpid() not in others


@pytest.mark.parametrize(("cores", "gone"), [(1, 0), (2, 6)])
async def test_with_auto_pages_of_some_length_go_where_there_is_a_core_for_them(
    monkeypatch: pytest.MonkeyPatch, cores: int, gone: int
) -> None:
    monkeypatch.setattr("crawler.parse.pool.available_cores", lambda: cores)

    pids = await pids_of(12, 0.0, cpu=0.02, parse_processes="auto")

    assert sum(pid != os.getpid() for pid in pids) >= gone
    assert gone or set(pids) == {os.getpid()}


async def test_with_auto_a_page_that_is_too_heavy_for_this_process_goes_to_another() -> None:
    pids = await pids_of(1, 0.0, "<h1>page</h1>" + "<b>" * 60_000, parse_processes="auto")

    assert pids != [os.getpid()]


@pytest.mark.parametrize("processes", [1, "auto"])
async def test_it_fetches_nothing_wherever_it_runs(processes: int | str) -> None:
    run = await crawled(spiders.FetchesApart, Scripted({HOME: "page"}), parse_processes=processes)

    assert run.items == [{"refused": True}]


async def test_with_auto_a_spider_with_async_steps_has_its_items_checked_before_them_all_the_same() -> None:
    run = await crawled(spiders.Stepping, Scripted({HOME: "page"}), parse_processes="auto")

    assert [(item["number"], item["plain"]) for item in run.items] == [(0, "elsewhere"), (2, "elsewhere")]


@pytest.fixture
def parse_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, as if it were the other end."""
    monkeypatch.setattr(remote, "_source", None)
    monkeypatch.setattr(remote, "_spider", None)


def a_task(callback: str = "parse") -> crossing.Task:
    response = Response(HOME, 200, headers_of({"Content-Type": "text/html"}), b"<h1>Home</h1>")
    return crossing.Task(Request(HOME, callback), response, 4)


@pytest.mark.usefixtures("parse_process")
def test_records_cross_as_bytes_with_their_type_by_name() -> None:
    remote.prepare(source_of(spiders.Titles, {"shift": 1}))

    harvest = remote.work(a_task())

    types = [(record.data[:9], record.item, record.type) for record in harvest.records]
    assert types == [
        (b'{"url":"h', None, spiders.Title),
        (b'{"depth":', None, None),
        (b'{"amount"', None, spiders.Price),
    ]


@pytest.mark.usefixtures("parse_process")
def test_the_spider_is_built_once_for_all_tasks_of_a_process() -> None:
    remote.prepare(source_of(spiders.Titles, {}))
    remote.work(a_task())
    built = remote._spider

    remote.work(a_task("parse_more"))

    assert remote._spider is built is not None


@pytest.mark.usefixtures("parse_process")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SpiderSource("no_such_module", "Spider", None, (), {}), "cannot be imported in a parse process"),
        (source_of(spiders.BuiltHereAlone, {"pid": -1}), "the licence is for one process"),
    ],
)
def test_a_spider_that_cannot_be_built_is_an_error_of_its_page(source: SpiderSource, words: str) -> None:
    remote.prepare(source)

    with pytest.raises(CallbackError, match=words):
        remote.work(a_task())


def test_a_type_inside_a_function_does_not_cross() -> None:
    class Inner:
        pass

    assert [remote._by_reference(kind) for kind in (None, Inner, spiders.Price)] == [None, None, spiders.Price]
