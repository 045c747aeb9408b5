"""Crawling from Python: ``async for item in crawl(...)`` and ``run(...)``."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

import crawler
from crawler import CannedFetcher, CrawlResult, Item, Request, Spider, SpiderError, UsageError, crawl, css, run
from crawler.engine.crawl import SpiderFailed
from crawler.errors import ConfigError, OutputError, SpiderLoadError
from crawler.outcome import Record

ROOT = Path(__file__).parents[1]
HOME = "http://shop.example/"
SITE = {
    HOME: '<a href="/1">1</a> <a href="/2">2</a>',
    HOME + "1": "<h1>One</h1>",
    HOME + "2": "<h1>Two</h1>",
    HOME + "robots.txt": "",
}
FAST = {"delay": 0, "commit_interval": 0.001}


class Book(Item):
    url: str
    title: str = css("h1::text")


class Books(Spider):
    start_urls = [HOME]

    def parse(self, page):
        if page.css("h1"):
            yield page.extract(Book)
        yield from page.follow_all("a")


class Endless(Spider):
    """Every page leads to the next two."""

    ended: list[str] = []

    def parse(self, page):
        yield {"url": page.url}
        number = int(page.url.rpartition("/")[2] or 0)
        yield from (Request(f"{self.start_urls[0]}{number * 2 + step}") for step in (1, 2))

    async def closed(self, reason):
        self.ended.append(reason)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Endless.ended = []


def canned() -> CannedFetcher:
    return CannedFetcher(SITE)


@pytest.fixture
async def endless(aiohttp_server) -> tuple[str, list[str]]:
    """The URL of an endless site, and the paths it was asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="<p>x", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    server = await aiohttp_server(app)
    return str(server.make_url("/")), asked


async def test_items_come_as_the_spider_made_them():
    items = [item async for item in crawl(Books, settings=FAST, fetcher=canned())]
    assert sorted(items, key=lambda item: item.url) == [
        Book(url=HOME + "1", title="One"),
        Book(url=HOME + "2", title="Two"),
    ]


async def test_the_report_tells_how_it_went():
    crawling = crawl(Books, settings=FAST, fetcher=canned())
    assert crawling.report is None
    assert [item.title async for item in crawling]
    assert crawling.report is not None
    assert (crawling.report.reason, crawling.report.stats.pages, crawling.report.stats.items) == ("complete", 3, 2)


async def test_leaving_the_loop_stops_the_crawl(endless):
    url, asked = endless
    spider = type("Leaving", (Endless,), {"start_urls": [url]})
    crawling = crawl(spider, settings={"obey_robots": False, **FAST})  # kept: the crawl must end all the same
    async for _ in crawling:
        break
    for _ in range(100):
        await asyncio.sleep(0.01)
        if crawling.report is not None:
            break
    assert crawling.report.reason == "interrupted"
    assert Endless.ended == ["interrupted"]
    count = len(asked)
    await asyncio.sleep(0.1)
    assert len(asked) == count
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith(("worker", "committer", "seeds"))] == []


async def test_an_error_in_the_loop_stops_the_crawl(endless):
    url, asked = endless
    spider = type("Failing", (Endless,), {"start_urls": [url]})

    async def read() -> None:
        async with aclosing(aiter(crawl(spider, settings={"obey_robots": False, **FAST}))) as items:
            async for _ in items:
                1 / 0

    with pytest.raises(ZeroDivisionError):
        await read()
    count = len(asked)
    await asyncio.sleep(0.05)
    assert len(asked) == count
    assert Endless.ended == ["interrupted"]


async def test_leaving_does_not_wait_for_pages_that_run(aiohttp_server):
    async def answer(request: web.Request) -> web.Response:
        if request.path != "/":
            await asyncio.sleep(30)
        return web.Response(text="<p>x", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    server = await aiohttp_server(app)
    spider = type("Slow", (Endless,), {"start_urls": [str(server.make_url("/"))]})
    async with asyncio.timeout(5):
        async with aclosing(aiter(crawl(spider, settings={"obey_robots": False, **FAST}))) as items:
            assert await anext(items) == {"url": str(server.make_url("/"))}


async def test_leaving_while_the_crawl_waits_for_its_reader(endless, monkeypatch):
    from crawler.export.sink import StreamSink

    monkeypatch.setattr(StreamSink, "_BOUND", 2)
    url, _ = endless
    spider = type("Full", (Endless,), {"start_urls": [url]})
    async with asyncio.timeout(5):
        async with aclosing(aiter(crawl(spider, settings={"obey_robots": False, **FAST}))) as items:
            await anext(items)
            await asyncio.sleep(0.1)
    assert Endless.ended == ["interrupted"]


async def test_a_cancelled_reader_stops_the_crawl(endless):
    url, asked = endless
    spider = type("Cancelled", (Endless,), {"start_urls": [url]})

    async def read() -> None:
        async for _ in crawl(spider, settings={"obey_robots": False, **FAST}):
            await asyncio.sleep(30)

    reading = asyncio.create_task(read())
    while not asked:
        await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0.05)
    count = len(asked)
    await asyncio.sleep(0.05)
    assert len(asked) == count


def test_leaving_the_loop_at_the_end_of_the_program_warns_of_nothing(tmp_path: Path):
    script = """
    import asyncio
    from crawler import CannedFetcher, Spider, crawl

    class Two(Spider):
        start_urls = ["http://a.example/1", "http://a.example/2"]
        def parse(self, page):
            return {"url": page.url}

    async def main():
        canned = CannedFetcher({"http://a.example/1": "x", "http://a.example/2": "x"})
        async for item in crawl(Two, settings={"delay": 5, "obey_robots": False}, fetcher=canned):
            print(item["url"])
            break

    asyncio.run(main())
    """
    assert in_script(tmp_path, script, "-X", "dev", "-W", "error") == ("http://a.example/1\n", "", 0)


def in_script(folder: Path, text: str, *options: str) -> tuple[str, str, int]:
    file = folder / "script.py"
    file.write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, *options, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ended.stdout, ended.stderr, ended.returncode


async def test_each_iteration_is_a_crawl_of_its_own():
    crawling = crawl(Books, settings=FAST, fetcher=None)
    for _ in range(2):
        crawling._fetcher = canned()
        assert len([item async for item in crawling]) == 2


async def test_two_crawls_share_a_loop():
    class Others(Books):
        start_urls = [HOME + "2"]

    async def titles(spider: type[Spider]) -> list[str]:
        return sorted([item.title async for item in crawl(spider, settings=FAST, fetcher=canned())])

    assert await asyncio.gather(titles(Books), titles(Others)) == [["One", "Two"], ["Two"]]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"settings": {"dely": 1}}, ConfigError, "settings=: there is no setting 'dely'. Did you mean 'delay'?"),
        ({"settings": {"delay": "1"}}, ConfigError, "expected a number or unset"),
        (
            {"args": {"color": 1}, "spider": type("Strict", (Books,), {"__init__": lambda self: None})},
            UsageError,
            "color",
        ),
        ({"spider": Books()}, UsageError, "give the class itself, as in run(Books)"),
        ({"spider": "books"}, UsageError, "'books' is no Spider class"),
        ({"spider": type("Bare", (Spider,), {})}, UsageError, "Bare has nowhere to begin"),
    ],
)
async def test_a_mistake_is_a_usage_error(options: dict[str, Any], error: type[Exception], said: str):
    spider = options.pop("spider", Books)
    with pytest.raises(error) as caught:
        async for _ in crawl(spider, fetcher=canned(), **options):
            pass
    assert said in str(caught.value)
    with pytest.raises(error):
        run(spider, fetcher=canned(), **options)
    assert list(Path.cwd().iterdir()) == []


async def test_what_opened_raises_is_raised():
    class Shut(Books):
        def opened(self):
            raise KeyError("no database")

    with pytest.raises(SpiderFailed, match=r"Shut.opened\(\) raised KeyError"):
        async for _ in crawl(Shut, fetcher=canned()):
            pass


def test_what_a_constructor_raises_is_the_cause():
    class Shut(Books):
        def __init__(self):
            raise KeyError("no database")

    with pytest.raises(SpiderLoadError) as caught:
        run(Shut, fetcher=canned())
    assert isinstance(caught.value.__cause__, KeyError)


def test_run_gives_the_items_and_how_it_went():
    result = run(Books, settings=FAST, fetcher=canned())
    assert isinstance(result, CrawlResult)
    assert len(result) == 2
    assert sorted(item.title for item in result) == ["One", "Two"]
    assert result[0] in result[:2]
    assert (result.reason, result.stats.pages) == ("complete", 3)
    assert repr(result) == "<CrawlResult complete: 2 items, 3 pages, 0 failed>"


def test_run_gives_one_item_of_each_key_and_how_well_fields_are_filled():
    class Last(Item, key="name"):
        name: str
        number: int | None

    class First(Last, keep="first"):
        pass

    class Numbers(Spider):
        start_urls = [HOME]

        def parse(self, page):
            for number in (1, 2, None):
                yield Last(name="a", number=number)
                yield First(name="a", number=number)

    found = run(Numbers, settings=FAST, fetcher=CannedFetcher(SITE))
    assert list(found) == [First(name="a", number=1), Last(name="a", number=None)]
    assert found.stats.items == 6
    assert found.stats.filled["Last"].shares() == {"name": 1.0, "number": 2 / 3}


async def test_items_with_a_key_come_as_they_are_saved():
    class Keyed(Item, key="name"):
        name: str
        number: int

    class Numbers(Spider):
        start_urls = [HOME]

        def parse(self, page):
            yield from (Keyed(name="a", number=number) for number in (1, 2))

    found = [item.number async for item in crawl(Numbers, settings=FAST, fetcher=CannedFetcher(SITE))]
    assert found == [1, 2]


def test_run_works_twice_in_one_process():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert [len(run(Books, settings=FAST, fetcher=canned())) for _ in range(2)] == [2, 2]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


async def test_run_works_where_a_loop_is_running():
    assert len(run(Books, settings=FAST, fetcher=canned())) == 2
    with pytest.raises(UsageError):
        run(Books, settings={"dely": 1})
    assert [thread.name for thread in threading.enumerate() if thread.name == "crawl"] == []


def test_run_works_in_a_thread():
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(len(run(Books, settings=FAST, fetcher=canned()))))
    thread.start()
    thread.join()
    assert found == [2]


def test_run_works_without_uvloop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert len(run(Books, settings=FAST, fetcher=canned())) == 2


def test_run_works_where_a_loop_takes_no_signals(monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refused)
    assert len(run(Books, settings=FAST, fetcher=canned())) == 2


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def test_an_output_takes_the_items():
    result = run(Books, settings=FAST, fetcher=canned(), output="a.jsonl")
    assert len(result) == 0
    assert result.stats.items == 2
    assert sorted(line["title"] for line in lines("a.jsonl")) == ["One", "Two"]


@pytest.mark.parametrize("output", [Path("a.jsonl"), ["a.jsonl", Path("b.jsonl")], ("a.jsonl",)])
def test_an_output_may_be_a_path_or_several(output):
    run(Books, settings=FAST, fetcher=canned(), output=output)
    assert len(lines("a.jsonl")) == 2


def test_an_output_that_exists_is_refused_replaced_or_continued():
    def again(**options: Any) -> int:
        run(Books, settings=FAST, fetcher=canned(), output="a.jsonl", **options)
        return len(lines("a.jsonl"))

    assert again() == 2
    with pytest.raises(OutputError, match=r"a\.jsonl exists already"):
        again()
    assert again(append=True) == 4
    assert again(overwrite=True) == 2
    with pytest.raises(UsageError, match="exclude each other"):
        again(append=True, overwrite=True)


def test_arguments_may_be_of_any_type():
    class Picky(Books):
        def __init__(self, wanted: set[str]):
            super().__init__()
            self.wanted = wanted

        def parse(self, page):
            return {"wanted": sorted(self.wanted)}

    assert run(Picky, args={"wanted": {"b", "a"}}, settings=FAST, fetcher=canned()).items == [{"wanted": ["a", "b"]}]


def test_the_configuration_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch):
    Path("config.toml").write_text("[crawl]\nmax_pages = 1\ndelay = 0\n")
    assert run(Books, fetcher=canned()).reason == "max_pages"
    monkeypatch.setenv("CRAWL_MAX_PAGES", "2")
    assert run(Books, fetcher=canned()).stats.pages == 2
    assert run(Books, fetcher=canned(), settings={"max_pages": None}).reason == "complete"


def test_rejects_are_counted_where_there_is_no_file():
    class Strict(Item):
        title: int = css("h1::text")

    class Typed(Books):
        def parse(self, page):
            yield page.extract(Strict)

    result = run(Typed, settings=FAST, fetcher=canned())
    assert (len(result), result.stats.rejects) == (0, 1)
    assert list(Path.cwd().iterdir()) == []


@dataclass
class Plain:
    title: str


def test_items_of_a_parse_process_come_back_with_their_types(tmp_path: Path):
    script = """
    from dataclasses import dataclass
    from crawler import CannedFetcher, Item, Spider, cpu_bound, css, run

    class Book(Item):
        url: str
        title: str = css("h1::text")

    @dataclass
    class Plain:
        title: str

    class Books(Spider):
        start_urls = ["http://a.example/"]

        @cpu_bound
        def parse(self, page):
            class Inner(Item):
                title: str
            yield page.extract(Book)
            yield Plain("plain")
            yield {"title": "dict"}
            yield Inner(title="inner")

    if __name__ == "__main__":
        site = CannedFetcher({"http://a.example/": "<h1>One</h1>"})
        result = run(Books, settings={"parse_processes": 1, "delay": 0}, fetcher=site)
        print(*result.items, sep="\\n")
        print(type(result[0]) is Book, type(result[1]) is Plain)
    """
    out, err, code = in_script(tmp_path, script)
    assert (err, code) == ("", 0)
    assert out.splitlines() == [
        "Book(url='http://a.example/', title='One')",
        "Plain(title='plain')",
        "{'title': 'dict'}",
        "{'title': 'inner'}",
        "True True",
    ]


def test_a_record_of_a_pydantic_model_becomes_the_model_again():
    pydantic = pytest.importorskip("pydantic")
    from crawler.items.check import item_of

    class Model(pydantic.BaseModel):
        title: str

    assert item_of(Record(b'{"title":"One"}', None, Model)) == Model(title="One")
    assert item_of(Record(b'{"title":"One"}', None, Plain)) == Plain("One")
    assert item_of(Record(b'{"title":"One"}', None, None)) == {"title": "One"}


def test_a_signal_stops_a_script(tmp_path: Path):
    script = """
    import os, signal
    from crawler import CannedFetcher, Request, Spider, run

    class Books(Spider):
        start_urls = ["http://a.example/"]

        def parse(self, page):
            os.kill(os.getpid(), signal.SIGTERM)
            yield {"url": page.url}
            yield Request("http://a.example/2")

    result = run(Books, settings={"delay": 0.3}, fetcher=CannedFetcher({"http://a.example/": "x"}))
    print(result.reason, len(result), result.report.waiting)
    """
    assert in_script(tmp_path, script) == ("interrupted 1 1\n", "", 0)


def test_every_public_name_is_there_and_no_other():
    for name in crawler.__all__:
        assert getattr(crawler, name) is not None
    assert set(crawler._HOMES) == set(crawler.__all__)
    assert issubclass(SpiderError, crawler.CrawlerError)
    with pytest.raises(AttributeError, match="module 'crawler' has no attribute 'Spidr'"):
        crawler.Spidr


def test_the_version_is_the_one_that_is_packaged():
    assert msgspec.convert(crawler.__version__.split("."), list[int], strict=False)


async def test_nothing_is_left_for_the_collector_to_complain_of():
    async for _ in crawl(Books, settings=FAST, fetcher=canned()):
        break
    await asyncio.sleep(0.05)
    gc.collect()


SCRIPT = """
import sys
from crawler import CannedFetcher, Spider, cpu_bound, run

class Cpu(Spider):
    start_urls = ["http://a.test/"]

    @cpu_bound
    def parse(self, page):
        return {"url": page.url}

GUARD
    print(run(Cpu, fetcher=CannedFetcher({"http://a.test/": "x"}), settings={"parse_processes": 1}))
"""


def apart(*arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parent.parent)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, input=typed, capture_output=True, text=True, timeout=50, check=False
    )


def test_a_script_that_starts_its_crawl_in_the_parse_process_too_is_told_where_to_put_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    ended = {}
    for guard in ("if True:", 'if __name__ == "__main__":'):
        script.write_text(SCRIPT.replace("GUARD", guard))
        ended[guard] = apart(str(script))

    unguarded, guarded = ended.values()
    assert 'below if __name__ == "__main__":' in unguarded.stderr
    assert "0 items" in unguarded.stdout
    assert (guarded.stdout, guarded.stderr) == ("<CrawlResult complete: 1 items, 1 pages, 0 failed>\n", "")


def test_a_spider_typed_at_a_prompt_with_a_callback_for_a_process_is_refused() -> None:
    typed = SCRIPT.replace("GUARD", "if True:")
    ended = apart(typed=typed)
    assert "put the spider into a file" in ended.stderr
