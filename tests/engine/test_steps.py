"""``Spider.steps``: what happens to items between a callback and the check of their type."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from crawling import SITE, Scripted, crawled, html, prepared
from spiders_for_processes import Stepping

from crawler import CannedFetcher, Item, Spider, run, step
from crawler.engine.steps import steps_of
from crawler.engine.watchdog import Watchdog
from crawler.errors import UsageError
from crawler.outcome import Tally
from crawler.request import Request


class Book(Item):
    title: str
    price: float


def clean_price(item: Any) -> Any:
    if isinstance(item["price"], str):
        item["price"] = float(item["price"].strip("£"))
    return item


def drop_out_of_stock(item: Any) -> Any:
    return item if item.get("stock", 1) else None


async def look_up(item: Any) -> Any:
    await asyncio.sleep(0)
    return {**item, "known": True}


def twice(item: Any) -> Iterator[Any]:
    yield {**item, "copy": 1}
    yield {**item, "copy": 2}


async def twice_slowly(item: Any) -> AsyncIterator[Any]:
    for copy in (1, 2):
        await asyncio.sleep(0)
        yield {**item, "copy": copy}


def as_book(item: Any) -> Book:
    return Book(title=item["title"], price=item["price"])


class Shelf(Spider):
    """Gives what ``books`` holds."""

    start_urls = [f"{SITE}/"]
    books: list[dict[str, Any]] = []

    def parse(self, page: Any) -> Any:
        yield from (dict(book) for book in self.books)


ONE, TWO = {"title": "One", "price": "£1.50"}, {"title": "Two", "price": "£2", "stock": 0}

CHAINS: list[tuple[list[Any], list[Any], dict[str, int]]] = [
    ([], [ONE, TWO], {}),
    ([clean_price], [{**ONE, "price": 1.5}, {**TWO, "price": 2.0}], {}),
    ([clean_price, drop_out_of_stock], [{**ONE, "price": 1.5}], {"drop_out_of_stock": 1}),
    ([drop_out_of_stock, look_up], [{**ONE, "known": True}], {"drop_out_of_stock": 1}),
    ([look_up, drop_out_of_stock], [{**ONE, "known": True}], {"drop_out_of_stock": 1}),
    ([drop_out_of_stock, twice], [{**ONE, "copy": 1}, {**ONE, "copy": 2}], {"drop_out_of_stock": 1}),
    ([twice_slowly, drop_out_of_stock], [{**ONE, "copy": 1}, {**ONE, "copy": 2}], {"drop_out_of_stock": 2}),
    ([twice, look_up, lambda item: [item] if item["copy"] == 2 else []], [], {"<lambda>": 2}),
    ([lambda item: [], look_up], [], {"<lambda>": 2}),
    ([clean_price, as_book], [{"title": "One", "price": 1.5}, {"title": "Two", "price": 2.0}], {}),
]
CHAINS[7] = (CHAINS[7][0], [{**b, "copy": 2, "known": True} for b in (ONE, TWO)], {"<lambda>": 2})


@pytest.mark.parametrize(("steps", "items", "dropped"), CHAINS)
async def test_items_go_through_the_steps_in_order(steps: list[Any], items: list[Any], dropped: dict[str, int]) -> None:
    kind = type("Kind", (Shelf,), {"books": [ONE, TWO], "steps": steps})
    run = await crawled(kind, Scripted({f"{SITE}/": ""}))

    assert (run.items, dict(run.report.stats.dropped), run.failures) == (items, dropped, {})
    assert run.report.stats.items == len(items)


async def test_steps_are_functions_names_or_methods_of_any_kind() -> None:
    class Methods(Shelf):
        books = [{"seen": []}]

        def __init__(self) -> None:
            super().__init__()
            self.steps = [*type(self).steps, self.bound]

        def in_class(self, item: Any) -> Any:
            return {"seen": [*item["seen"], f"in class of {self.name}"]}

        @staticmethod
        def static(item: Any) -> Any:
            return {"seen": [*item["seen"], "static"]}

        @classmethod
        def of_class(cls, item: Any) -> Any:
            return {"seen": [*item["seen"], cls.__name__]}

        async def named(self, item: Any) -> Any:
            return {"seen": [*item["seen"], "named"]}

        def bound(self, item: Any) -> Any:
            return {"seen": [*item["seen"], "bound"]}

        steps = [in_class, static, of_class, "named"]

    class Below(Methods):
        def in_class(self, item: Any) -> Any:
            return {"seen": ["overridden"]}

    seen = ["static", "Methods", "named", "bound"]
    assert (await crawled(Methods, Scripted({f"{SITE}/": ""}))).items == [{"seen": ["in class of methods", *seen]}]
    assert (await crawled(Below, Scripted({f"{SITE}/": ""}))).items == [
        {"seen": ["overridden", "static", "Below", "named", "bound"]}
    ]


NO_STEPS_AT_ALL: list[tuple[Any, str]] = [
    (["clean_prise"], "Kind.steps names 'clean_prise', and there is no such method. Did you mean 'clean_price'?"),
    ([3], "Kind.steps holds 3, a int: a step is a function, or the name of a method"),
    ("clean_price", "Kind.steps is 'clean_price'; write a list of functions"),
    (clean_price, "Kind.steps is <bound method clean_price"),
    ([lambda: None], "Kind.steps: <lambda> is called with one item, and does not fit: too many positional"),
    ([lambda item, page: None], "is called with one item, and does not fit: missing a required argument: 'page'"),
]


@pytest.mark.parametrize(("steps", "words"), NO_STEPS_AT_ALL)
def test_what_is_no_step_is_told_before_anything_is_fetched(steps: Any, words: str) -> None:
    kind = type("Kind", (Shelf,), {"steps": steps, "clean_price": lambda self, item: item})
    with pytest.raises(UsageError) as caught:
        run(kind, fetcher=CannedFetcher({}))

    assert words in str(caught.value)


async def forgotten(item: Any) -> Any:
    return item


MISTAKES: list[tuple[Any, str]] = [
    (
        lambda item: forgotten({**item}),
        "gave the coroutine forgotten() without awaiting it: write await forgotten(...)",
    ),
    (lambda item: Request(SITE), "gave a Request: a step makes items of items; a callback gives Requests"),
    (lambda item: 3, "gave 3, a int. A step gives the item, another one, several (a list, a generator), or None"),
    (lambda item: item["no such"], "KeyError: 'no such' at "),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
@pytest.mark.parametrize("after", [False, True])
async def test_a_step_that_is_wrong_fails_its_page_by_name(mistake: Any, words: str, after: bool) -> None:
    mistake.__name__ = "mistaken"
    kind = type("Kind", (Shelf,), {"books": [ONE], "steps": [look_up, mistake] if after else [mistake, look_up]})
    run = await crawled(kind, Scripted({f"{SITE}/": ""}))
    failure = run.failure("callback_error")

    assert (run.items, run.failures) == ([], {"callback_error": 1})
    assert failure.detail.startswith("step mistaken: ")
    assert words in failure.detail
    assert "crawler/engine" not in failure.traceback
    if "KeyError" in words:
        assert __file__ in failure.traceback


async def test_an_async_step_that_raises_shows_its_own_line() -> None:
    async def store(item: Any) -> Any:
        await asyncio.sleep(0)
        raise ConnectionError("the database is down")

    kind = type("Kind", (Shelf,), {"books": [ONE, TWO], "steps": [store]})
    failure = (await crawled(kind, Scripted({f"{SITE}/": ""}))).failure("callback_error")

    assert failure.detail.startswith(f"step store: ConnectionError: the database is down at {__file__}:")
    assert "crawler/engine" not in failure.traceback


def plainly(self: Any, page: Any) -> Iterator[Any]:
    for number in range(6):
        yield {"page": page.url, "number": number}
        yield page.follow(f"/new-{number}")
    if self.raises == "callback" and page.url.endswith("bad"):
        raise ValueError("in the middle")


async def asynchronously(self: Any, page: Any) -> AsyncIterator[Any]:
    for given in plainly(self, page):
        await asyncio.sleep(0)
        yield given


def raise_at_3(item: Any) -> Any:
    if item["number"] == 3 and item["page"].endswith("bad"):
        raise ValueError("at 3")
    return item


async def raise_at_3_later(item: Any) -> Any:
    await asyncio.sleep(0)
    return raise_at_3(item)


@pytest.mark.parametrize("parse", [plainly, asynchronously])
@pytest.mark.parametrize("steps", [[], [look_up], [raise_at_3], [raise_at_3_later], [look_up, raise_at_3]])
async def test_a_page_is_whole_or_a_failure_wherever_it_raises(parse: Any, steps: list[Any]) -> None:
    raises = "" if {raise_at_3, raise_at_3_later} & set(steps) else "callback"
    urls = [f"{SITE}/good", f"{SITE}/bad"]
    kind = type("Kind", (Spider,), {"start_urls": urls, "parse": parse, "steps": steps, "raises": raises})
    fetcher = Scripted({urls[0]: html(urls[0]), urls[1]: html(urls[1])})
    run = await crawled(kind, fetcher, concurrency=1)

    assert [(item["page"], item["number"]) for item in run.items] == [(urls[0], number) for number in range(6)]
    assert (run.failures["callback_error"], run.report.stats.pages) == (1, 1)
    assert len(fetcher.asked) == 8  # what the good page links to, once


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_of_a_page_with_a_reject_the_rest_is_kept(asynchronous: bool) -> None:
    class Rejected(Shelf):
        books = [{"title": f"{number}", "price": "x" if number == 2 else "£1"} for number in range(5)]

        def mend(self, item: Any) -> Any:
            price = item["price"].strip("£")
            return Book(title=item["title"], price=price if price == "x" else float(price))

        async def mend_later(self, item: Any) -> Any:
            return self.mend(item)

    kind = type("Kind", (Rejected,), {"steps": ["mend_later" if asynchronous else "mend"]})
    run = await crawled(kind, Scripted({f"{SITE}/": ""}))

    assert [item["title"] for item in run.items] == ["0", "1", "3", "4"]
    assert [reject["field"] for reject in run.rejects] == ["price"]


async def test_a_step_may_mend_what_the_type_would_refuse() -> None:
    @dataclasses.dataclass
    class Priced:
        price: Any

    @dataclasses.dataclass
    class Checked:
        price: float

    class Mends(Spider):
        start_urls = [f"{SITE}/"]

        def parse(self, page: Any) -> Any:
            return Checked("1.5")  # type: ignore[arg-type]

        def mend(self, item: Any) -> Any:
            item.price = float(item.price)
            return item

        steps = [mend]

    run = await crawled(Mends, Scripted({f"{SITE}/": ""}))

    assert (run.items, run.rejects) == ([{"price": 1.5}], [])


async def test_items_of_one_page_keep_their_order_though_later_ones_are_quicker() -> None:
    async def slower_first(item: Any) -> Any:
        for _ in range(20 - item["number"]):
            await asyncio.sleep(0)
        return item

    kind = type("Kind", (Shelf,), {"books": [{"number": n} for n in range(20)], "steps": [slower_first]})
    run = await crawled(kind, Scripted({f"{SITE}/": ""}))

    assert [item["number"] for item in run.items] == list(range(20))


async def test_what_a_callback_does_to_its_dict_later_does_not_reach_a_step() -> None:
    class Reuses(Shelf):
        steps = [look_up]

        def parse(self, page: Any) -> Any:
            item = {}
            for number in range(3):
                item["number"] = number
                yield item

    run = await crawled(Reuses, Scripted({f"{SITE}/": ""}))

    assert [item["number"] for item in run.items] == [0, 1, 2]


class Slow(Spider):
    """Two thousand items, and a database that takes two at once."""

    def __init__(self) -> None:
        super().__init__()
        self.start_urls = [f"{SITE}/{number}" for number in range(200)]
        self.at_once = self.most_at_once = self.fetched = self.under_way = self.most_under_way = 0
        self.ended: set[str] = set()

    def parse(self, page: Any) -> Any:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        return [{"page": page.url, "number": number} for number in range(10)]

    @step(concurrency=2)
    async def save(self, item: Any) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if item["number"] == 9:
            self.under_way -= 1
        return item

    steps = [save]


async def test_a_slow_step_slows_the_crawl_and_fills_no_memory() -> None:
    fetcher = Scripted({f"{SITE}/{number}": "" for number in range(200)})
    crawl = prepared(Slow, fetcher, concurrency=16, concurrency_per_host=4)
    begun = time.perf_counter()
    report = await crawl.run()
    seconds = time.perf_counter() - begun
    spider: Any = crawl.spider

    assert (report.stats.items, spider.most_at_once) == (2000, 2)
    assert 4 < spider.most_under_way <= 16  # past what the host allows at once: fetching goes on, up to the workers
    assert seconds >= 1.0  # at the step's own pace


async def test_a_step_may_fetch() -> None:
    class Enriches(Shelf):
        books = [{"number": number} for number in range(3)]

        async def enrich(self, item: Any) -> Any:
            return {**item, "more": (await self.fetch(f"/{item['number']}")).text}

        steps = [enrich]

    answers = {f"{SITE}/": "", **{f"{SITE}/{number}": f"more {number}" for number in range(3)}}
    run = await crawled(Enriches, Scripted(answers), concurrency_per_host=1)

    assert run.items == [{"number": number, "more": f"more {number}"} for number in range(3)]


async def test_what_on_failure_gives_goes_through_them_too() -> None:
    class Hears(Spider):
        start_urls = [f"{SITE}/gone"]
        steps = [look_up]

        def parse(self, page: Any) -> None:
            raise AssertionError("there is no page")

        def on_failure(self, failure: Any) -> Any:
            return {"failed": failure.url}

    assert (await crawled(Hears, Scripted({}))).items == [{"failed": f"{SITE}/gone", "known": True}]


async def test_a_step_that_holds_the_loop_is_reported_under_its_own_name(caplog: pytest.LogCaptureFixture) -> None:
    def busy(item: Any) -> Any:
        time.sleep(0.03)
        return item

    async def busy_later(item: Any) -> Any:
        time.sleep(0.03)
        return item

    for kind in (busy, busy_later):
        caplog.clear()
        spider = type("Kind", (Shelf,), {"books": [ONE], "steps": [kind]})
        await crawled(spider, Scripted({f"{SITE}/": ""}), slow_callback=0.02)
        [message] = [record.getMessage() for record in caplog.records if "held the event loop" in record.getMessage()]
        assert kind.__name__ in message
        assert "parse" not in message.partition(" held")[0].partition("(")[0]


async def test_plain_steps_run_in_the_parse_process_and_async_ones_here() -> None:
    run = await crawled(Stepping, Scripted({f"{SITE}/": ""}), parse_processes=1)

    assert [item["number"] for item in run.items] == [0, 2]
    assert {item["plain"] for item in run.items} == {"elsewhere"}
    assert {(item["async"], item["kind"]) for item in run.items} == {("here", "Numbered")}
    assert (dict(run.report.stats.dropped), len(run.rejects)) == ({"drop_1": 1}, 1)


async def test_a_plain_step_that_raises_there_is_named() -> None:
    run = await crawled(Stepping, Scripted({f"{SITE}/": ""}), args={"fails": "yes"}, parse_processes=1)

    assert run.failure("callback_error").detail.startswith("step drop_1: ValueError: there at ")


def test_what_was_dropped_is_told_and_counted_over_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crawler.engine.stats import Stats

    stats = Stats()
    stats.dropped.update({"drop_1": 3})
    tally = Tally()
    stats.fill(tally)
    resumed = Stats()
    resumed.restore(tally, [])

    assert dict(resumed.dropped) == {"drop_1": 3}


MISUSED: list[tuple[Any, Any, str]] = [
    (0, look_up, "it is a whole number, 1 or more"),
    ("4", look_up, "it is a whole number, 1 or more"),
    (4, clean_price, "@step on clean_price: only an async step waits"),
]


@pytest.mark.parametrize(("concurrency", "function", "words"), MISUSED)
def test_the_decorator_says_what_is_wrong(concurrency: Any, function: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        step(concurrency=concurrency)(function)


async def test_objects_that_can_be_called_are_steps() -> None:
    class Saves:
        async def __call__(self, item: Any) -> Any:
            return {**item, "saved": True}

    class Stringent:
        def __call__(self, item: Any) -> Any:
            return None

    assert steps_of(type("Kind", (Shelf,), {"steps": [Saves()]})()).first_async == 0
    kind = type("Kind", (Shelf,), {"books": [ONE], "steps": [Saves(), Stringent()]})
    run = await crawled(kind, Scripted({f"{SITE}/": ""}))

    assert (run.items, dict(run.report.stats.dropped)) == ([], {"Stringent": 1})


def test_a_stopwatch_passes_from_one_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    watch = Watchdog(0.0).stopwatch(clean_price, SITE)
    assert watch.hand_over(twice) is clean_price
    watch.pause()

    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == ["clean_price", "twice"]
