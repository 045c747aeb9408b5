"""Callbacks of every kind: what they may give, what becomes of their mistakes, and what they may take of the loop."""

import asyncio
import functools
import inspect
import logging
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crawler.engine.callback import run_callback, run_callback_here
from crawler.engine.harvest import CallbackError, Harvest
from crawler.engine.watchdog import Watchdog
from crawler.items.item import Item
from crawler.parse.page import Page
from crawler.request import Request
from crawler.response import Response, headers_of

URL = "http://site.test/page"
PAGE = Page(Response(URL, 200, headers_of({"Content-Type": "text/html"}), b"<p>hello</p>"))
HERE = __file__


class Book(Item):
    title: str


@dataclass
class Row:
    number: int


async def fetched() -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"fetched": True}


async def paged() -> AsyncIterator[dict[str, Any]]:
    yield {"page": 1}


async def run(callback: Callable[..., Any], slow: float = 10.0) -> Harvest:
    return await run_callback(callback, PAGE, URL, Watchdog(slow))


async def error_of(callback: Callable[..., Any]) -> CallbackError:
    with pytest.raises(CallbackError) as caught:
        await run(callback)
    return caught.value


def datas(harvest: Harvest) -> list[bytes]:
    return [record.data for record in harvest.records]


def line_of(function: Callable[..., Any], text: str) -> int:
    """The number of the line of *function* that holds *text*."""
    lines, first = inspect.getsourcelines(function)
    return next(number for number, line in enumerate(lines, first) if text in line)


class Shapes:
    """Callbacks that are right, each giving one item and one request."""

    def plain(self, page: Page) -> Any:
        return [{"n": 1}, Request(URL)]

    def generator(self, page: Page) -> Any:
        yield {"n": 1}
        yield Request(URL)

    async def coroutine(self, page: Page) -> Any:
        await asyncio.sleep(0)
        return [{"n": 1}, Request(URL)]

    async def async_generator(self, page: Page) -> Any:
        yield {"n": 1}
        await asyncio.sleep(0)
        yield Request(URL)

    def plain_giving_a_generator(self, page: Page) -> Any:
        return self.generator(page)

    def plain_giving_an_async_generator(self, page: Page) -> Any:
        return self.async_generator(page)

    async def coroutine_giving_a_generator(self, page: Page) -> Any:
        return self.generator(page)

    def nested(self, page: Page) -> Any:
        yield [({"n": 1},), [[], None, [Request(URL)]]]

    def generator_of_generators(self, page: Page) -> Any:
        yield None
        yield self.generator(page)

    def delegating(self, page: Page) -> Any:
        yield from self.generator(page)

    async def async_generator_of_generators(self, page: Page) -> Any:
        yield self.generator(page)

    @functools.lru_cache
    def decorated(self, page: Page) -> Any:
        return ({"n": 1}, Request(URL))


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@pytest.mark.parametrize("shape", [name for name in vars(Shapes) if not name.startswith("_")])
async def test_a_callback_of_any_shape_gives_items_and_requests(shape: str) -> None:
    harvest = await run(getattr(Shapes(), shape))

    assert (datas(harvest), harvest.requests, harvest.rejects) == ([b'{"n":1}'], [Request(URL)], [])


@pytest.mark.parametrize("shape", ["coroutine", "async_generator", "generator", "plain"])
async def test_a_decorator_that_keeps_the_functions_name_changes_nothing(shape: str) -> None:
    harvest = await run(kept(getattr(Shapes(), shape)))

    assert datas(harvest) == [b'{"n":1}']


@pytest.mark.parametrize(
    "shape", ["plain", "generator", "plain_giving_a_generator", "nested", "generator_of_generators", "delegating"]
)
def test_a_plain_callback_gives_the_same_without_a_loop(shape: str) -> None:
    harvest = run_callback_here(getattr(Shapes(), shape), PAGE, URL)

    assert (datas(harvest), harvest.requests) == ([b'{"n":1}'], [Request(URL)])


async def test_a_callback_may_give_nothing() -> None:
    def silent(page: Page) -> None:
        pass

    async def silent_too(page: Page) -> None:
        pass

    def empty(page: Page) -> Iterator[None]:
        yield from ()

    assert [await run(callback) for callback in (silent, silent_too, empty)] == [Harvest()] * 3


async def test_what_fails_its_type_is_a_reject_and_the_others_are_kept() -> None:
    def parse(page: Page) -> Iterator[Any]:
        yield Row("one")  # type: ignore[arg-type]  # that is the mistake
        yield Row(2)

    harvest = await run(parse)

    assert datas(harvest) == [b'{"number":2}']
    assert [(reject.url, reject.item_type, reject.field) for reject in harvest.rejects] == [(URL, "Row", "number")]


async def test_the_page_is_what_the_callback_gets() -> None:
    def parse(page: Page) -> Any:
        return {"text": page.css("p::text").get(), "url": page.url}

    assert datas(await run(parse)) == [b'{"text":"hello","url":"http://site.test/page"}']


class Forgetful:
    """Callbacks that forget an ``await``: the line that says HERE is to blame."""

    def returned(self, page: Page) -> Any:  # HERE: a plain function that has returned stands nowhere any more
        return fetched()

    async def returned_by_a_coroutine(self, page: Page) -> Any:  # HERE
        return fetched()

    def yielded(self, page: Page) -> Any:
        yield {"n": 1}
        yield fetched()  # HERE
        yield {"n": 2}

    async def yielded_by_an_async_generator(self, page: Page) -> Any:
        await asyncio.sleep(0)

        yield fetched()  # HERE

    def in_a_list(self, page: Page) -> Any:
        yield None
        yield [{"n": 1}, fetched()]  # HERE

    def _inner(self) -> Any:
        yield fetched()

    def a_task(self, page: Page) -> Any:
        self.task = asyncio.ensure_future(fetched())
        yield self.task  # HERE


@pytest.mark.parametrize("shape", [name for name in vars(Forgetful) if not name.startswith("_")])
async def test_a_forgotten_await_names_the_callback_and_the_line(shape: str) -> None:
    spider = Forgetful()
    callback = getattr(spider, shape)

    error = await error_of(callback)

    place = f"Forgetful.{shape} ({HERE}:{line_of(callback, 'HERE')})"
    assert error.summary.startswith(f"{place} gave ")
    assert "without awaiting it: write await" in error.summary
    if hasattr(spider, "task"):
        await spider.task


async def test_a_forgotten_await_of_a_coroutine_names_what_to_await() -> None:
    error = await error_of(Forgetful().yielded)

    assert error.summary.endswith("gave the coroutine fetched() without awaiting it: write await fetched(...)")
    assert error.trace == f"crawler.errors.ForgottenAwait: {error.summary}\n"


@pytest.mark.parametrize("delegates", [True, False], ids=["yield from", "yield"])
async def test_a_forgotten_await_in_an_inner_generator_names_the_inner_line(delegates: bool) -> None:
    def inner() -> Iterator[Any]:
        yield fetched()

    def parse(page: Page) -> Iterator[Any]:
        if delegates:
            yield from inner()
        else:
            yield inner()

    error = await error_of(parse)

    assert f"inner ({HERE}:{line_of(inner, 'yield fetched')}) gave" in error.summary


async def test_an_async_generator_that_is_given_whole_needs_a_loop_over_it() -> None:
    def parse(page: Page) -> Iterator[Any]:
        yield paged()

    error = await error_of(parse)

    assert f"parse ({HERE}:{line_of(parse, 'yield paged')}) gave the async generator paged() itself" in error.summary
    assert error.summary.endswith("write async for result in paged(...): yield result")


def test_a_forgotten_await_is_found_in_a_parse_process_too() -> None:
    with pytest.raises(CallbackError, match=r"gave the coroutine fetched\(\) without awaiting it"):
        run_callback_here(Forgetful().yielded, PAGE, URL)


@pytest.mark.parametrize(
    ("given", "words"), [(5, "gave 5, a int"), ("text", "gave 'text', a str"), ({1, 2}, "gave {1, 2}, a set")]
)
async def test_what_is_no_result_is_told_with_what_would_be_one(given: Any, words: str) -> None:
    def parse(page: Page) -> Iterator[Any]:
        yield given

    error = await error_of(parse)

    assert f"parse ({HERE}:{line_of(parse, 'yield given')}) {words}. A callback gives items" in error.summary


async def test_a_long_wrong_result_is_cut() -> None:
    error = await error_of(lambda page: "x" * 10_000)

    assert len(error.summary) < 500


async def test_the_traceback_holds_the_users_frames_alone() -> None:
    def price(text: str) -> float:
        return float(text)

    def parse(page: Page) -> Iterator[Any]:
        yield {"price": price("free")}

    error = await error_of(parse)

    frames = [line.strip() for line in error.trace.splitlines() if line.strip().startswith("File ")]
    assert frames == [
        f'File "{HERE}", line {line_of(parse, "yield")}, in parse',
        f'File "{HERE}", line {line_of(price, "return")}, in price',
    ]
    assert error.trace.endswith("ValueError: could not convert string to float: 'free'\n")
    place = f"{HERE}:{line_of(price, 'return')}"
    assert error.summary == f"ValueError: could not convert string to float: 'free' at {place}"


class Raising:
    """Callbacks that raise, each in its own way, at the line that says HERE."""

    def plain(self, page: Page) -> Any:
        raise KeyError("title")  # HERE

    def generator(self, page: Page) -> Any:
        yield {"n": 1}
        raise KeyError("title")  # HERE

    async def coroutine(self, page: Page) -> Any:
        await asyncio.sleep(0)
        raise KeyError("title")  # HERE

    async def async_generator(self, page: Page) -> Any:
        yield {"n": 1}
        await asyncio.sleep(0)
        raise KeyError("title")  # HERE

    async def coroutine_giving_a_generator(self, page: Page) -> Any:
        return self.generator(page)


@pytest.mark.parametrize("shape", ["plain", "generator", "coroutine", "async_generator"])
async def test_an_error_in_any_shape_names_its_line_and_nothing_of_ours(shape: str) -> None:
    callback = getattr(Raising(), shape)
    line = line_of(callback, "HERE")

    error = await error_of(callback)

    assert error.summary == f"KeyError: 'title' at {HERE}:{line}"
    frames = [part.strip() for part in error.trace.splitlines() if part.strip().startswith("File ")]
    assert frames == [f'File "{HERE}", line {line}, in {shape}']


async def test_an_error_in_a_returned_generator_shows_the_generators_line() -> None:
    error = await error_of(Raising().coroutine_giving_a_generator)

    assert error.summary == f"KeyError: 'title' at {HERE}:{line_of(Raising.generator, 'HERE')}"


async def test_a_mistake_in_a_selector_shows_the_users_line_and_not_the_depths_of_the_library() -> None:
    def parse(page: Page) -> Any:
        return {"title": page.css("p[").get()}

    error = await error_of(parse)

    frames = [part.strip() for part in error.trace.splitlines() if part.strip().startswith("File ")]
    assert frames == [f'File "{HERE}", line {line_of(parse, "page.css")}, in parse']
    assert error.summary.endswith(f" at {HERE}:{line_of(parse, 'page.css')}")


async def test_a_callback_with_the_wrong_parameters_says_so() -> None:
    def parse() -> None:
        pass

    error = await error_of(parse)

    assert error.summary.endswith("parse() takes 0 positional arguments but 1 was given")


async def test_an_error_that_cannot_be_shown_is_a_failure_like_any_other() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise AttributeError("no words")

    def parse(page: Page) -> None:
        raise Unspeakable

    assert "Unspeakable" in (await error_of(parse)).summary


async def test_an_error_with_a_cause_shows_both() -> None:
    def parse(page: Page) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    trace = (await error_of(parse)).trace

    assert "KeyError: 'inner'" in trace
    assert "ValueError: outer" in trace
    assert "crawler/engine" not in trace


def test_sys_exit_in_a_parse_process_is_an_error_of_its_page() -> None:
    def parse(page: Page) -> None:
        raise SystemExit(3)

    with pytest.raises(CallbackError, match="SystemExit: 3"):
        run_callback_here(parse, PAGE, URL)


async def test_an_error_of_something_awaited_reaches_the_callback_which_may_handle_it() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise OSError("gone")

    async def parse(page: Page) -> AsyncIterator[Any]:
        for number in range(2):
            try:
                await asyncio.create_task(fails())
            except OSError as error:
                yield {"n": number, "error": str(error)}

    assert datas(await run(parse)) == [b'{"n":0,"error":"gone"}', b'{"n":1,"error":"gone"}']


async def test_a_time_limit_inside_a_callback_works() -> None:
    async def parse(page: Page) -> Any:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return {"late": True}

    assert datas(await run(parse)) == [b'{"late":true}']


@pytest.mark.parametrize("is_generator", [True, False])
async def test_a_cancellation_passes_through_and_cleans_up(is_generator: bool) -> None:
    entered, cleaned = asyncio.Event(), []

    async def waits() -> None:
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def coroutine(page: Page) -> None:
        await waits()

    async def generator(page: Page) -> AsyncIterator[Any]:
        yield {"n": 1}
        await waits()

    task = asyncio.create_task(run(generator if is_generator else coroutine))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert cleaned == [True]


@pytest.mark.parametrize("is_generator", [True, False])
async def test_the_end_of_another_task_is_an_error_not_a_cancellation(is_generator: bool) -> None:
    async def of_another() -> None:
        other = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        other.cancel()
        await other

    async def coroutine(page: Page) -> None:
        await of_another()

    async def generator(page: Page) -> AsyncIterator[Any]:
        yield {"n": 1}
        await of_another()

    error = await error_of(generator if is_generator else coroutine)

    assert error.summary.startswith("asyncio.exceptions.CancelledError at ")


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_generator_is_closed_when_what_it_gave_is_wrong(is_async: bool) -> None:
    closed = []

    def generator(page: Page) -> Iterator[Any]:
        try:
            yield 5
        finally:
            closed.append("generator")

    async def async_generator(page: Page) -> AsyncIterator[Any]:
        try:
            yield 5
        finally:
            await asyncio.sleep(0)
            closed.append("generator")

    try:
        await run(async_generator if is_async else generator)
    except CallbackError:
        closed.append("told")

    assert closed == ["generator", "told"]


def test_a_callback_error_survives_its_way_out_of_a_process() -> None:
    error = pickle.loads(pickle.dumps(CallbackError("summary", "trace")))

    assert (str(error), error.summary, error.trace) == ("summary", "summary", "trace")


class Blocking:
    """Callbacks that hold the loop for 30 ms."""

    def plain(self, page: Page) -> Any:
        time.sleep(0.03)

    def generator(self, page: Page) -> Any:
        yield {"n": 1}
        time.sleep(0.03)

    def inner_generator(self, page: Page) -> Any:
        return [self.generator(page)]

    async def coroutine(self, page: Page) -> Any:
        await asyncio.sleep(0)
        time.sleep(0.03)
        await asyncio.sleep(0)

    async def coroutine_giving_a_generator(self, page: Page) -> Any:
        return self.generator(page)

    async def async_generator(self, page: Page) -> Any:
        yield {"n": 1}
        await asyncio.sleep(0)
        time.sleep(0.03)
        yield {"n": 2}
        await asyncio.sleep(0)

    async def many_short_stretches(self, page: Page) -> Any:
        for number in range(6):
            time.sleep(0.005)
            yield {"n": number}  # a yield gives nobody else the loop

    def raising(self, page: Page) -> Any:
        time.sleep(0.03)
        raise ValueError


@pytest.mark.parametrize("shape", [name for name in vars(Blocking) if not name.startswith("_")])
async def test_a_callback_that_holds_the_loop_is_reported(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    callback = getattr(Blocking(), shape)

    try:
        await run(callback, slow=0.02)
    except CallbackError:
        assert shape == "raising"

    (report,) = [record.getMessage() for record in caplog.records]
    name, milliseconds = report.split(" held the event loop for ")
    assert name == f"Blocking.{shape} ({HERE}:{line_of(callback, 'def ')})"
    assert 30 <= float(milliseconds.partition(" ms")[0]) < 300
    assert f"at {URL}: nothing else could run" in report
    assert "mark it @cpu_bound (from crawler import cpu_bound)" in report


@pytest.mark.parametrize("shape", ["coroutine", "async_generator"])
async def test_time_spent_awaiting_is_not_held(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    async def coroutine(page: Page) -> None:
        await asyncio.sleep(0.06)

    async def async_generator(page: Page) -> AsyncIterator[Any]:
        await asyncio.sleep(0.03)
        yield {"n": 1}
        await asyncio.sleep(0.03)

    await run({"coroutine": coroutine, "async_generator": async_generator}[shape], slow=0.04)

    assert caplog.records == []


async def test_time_that_others_took_while_it_waited_is_not_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async def waits(page: Page) -> None:
        await asyncio.sleep(0)

    async def another() -> None:
        time.sleep(0.03)

    await asyncio.gather(run(waits, slow=0.02), another())

    assert caplog.records == []


async def test_a_callback_is_reported_three_times_and_another_one_still(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(0.001)

    def first(page: Page) -> None:
        time.sleep(0.002)

    def second(page: Page) -> None:
        time.sleep(0.002)

    with caplog.at_level(logging.WARNING):
        for callback in [first] * 5 + [second] * 2:
            await run_callback(callback, PAGE, URL, watchdog)

    names = [record.getMessage().partition(" (")[0].rpartition(".")[2] for record in caplog.records]
    assert names == ["first"] * 3 + ["second"] * 2


async def test_a_callable_without_code_is_named_by_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    class Slow:
        def __call__(self, page: Page) -> None:
            time.sleep(0.002)

        def __repr__(self) -> str:
            return "<Slow>"

    await run(Slow(), slow=0.001)

    assert [record.getMessage().partition(" held")[0] for record in caplog.records] == ["<Slow>"]
