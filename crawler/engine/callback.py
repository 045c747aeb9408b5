"""Running a spider's callback, of whichever kind, and gathering what it gives.

Rule 1: whatever a callback does wrong is the failure of its page, never of the crawl.
Rule 2: a callback that holds the event loop is reported by name, with the milliseconds: nobody else can run.
"""

from __future__ import annotations

import inspect
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import Any

import msgspec

from crawler.errors import CrawlerError, ForgottenAwait, SpiderError, WrongResult
from crawler.items.check import is_item, to_record
from crawler.outcome import Record, Reject
from crawler.request import Request

log = logging.getLogger("crawler")


class Harvest(msgspec.Struct):
    """What one callback gave. Plain data but for the items themselves, so that it can come from another process."""

    records: list[Record] = []
    rejects: list[Reject] = []
    requests: list[Request] = []


class CallbackError(CrawlerError):
    """A callback raised. *trace* is the user's own traceback, from the callback on."""

    def __init__(self, summary: str, trace: str) -> None:
        super().__init__(summary, trace)
        self.summary = summary
        self.trace = trace

    def __str__(self) -> str:
        return self.summary


class Watchdog:
    """Reports callbacks that hold the event loop for more than *slow* seconds; each by name, its first few times."""

    _REPORTS = 3

    def __init__(self, slow: float) -> None:
        self._slow = slow
        self._reported: Counter[str] = Counter()

    def see(self, callback: Callable[..., Any], url: str, seconds: float) -> None:
        """*callback* ran for *seconds* without a pause, at *url*."""
        if seconds <= self._slow:
            return
        name = _where(callback)
        self._reported[name] += 1
        if self._reported[name] > self._REPORTS:
            return
        log.warning(
            "%s held the event loop for %.0f ms at %s: nothing else could run. If it computes, mark it @cpu_bound "
            "(from crawler import cpu_bound); if it waits, await instead (asyncio.sleep, an async client).",
            name,
            seconds * 1000,
            url,
        )


async def run_callback(callback: Callable[..., Any], argument: Any, url: str, watchdog: Watchdog) -> Harvest:
    """Call *callback* with *argument* (a page, or a failure), and gather everything that it gives.

    :raises CallbackError: it raised, or gave something that cannot be right
    """
    watch = _Stopwatch(callback, url, watchdog)
    harvest = Harvest()
    try:
        given = watch.time(callback, argument)
        if inspect.isasyncgen(given):
            async for value in _Timed(given, watch):
                _take(value, harvest, url, given)
        elif inspect.iscoroutine(given) and inspect.iscoroutinefunction(inspect.unwrap(callback)):
            _take(await _timed(given, watch), harvest, url, callback)
        elif inspect.isgenerator(given):
            watch.time(_exhaust, given, harvest, url)
        else:
            _take(given, harvest, url, callback)
    except Exception as error:  # Rule 1
        raise _own_words(error) from None
    return harvest


def run_callback_here(callback: Callable[..., Any], argument: Any, url: str) -> Harvest:
    """The same for a parse process, which has no event loop: plain functions and generators.

    :raises CallbackError: as :func:`run_callback`
    """
    harvest = Harvest()
    try:
        given = callback(argument)
        if inspect.isgenerator(given):
            _exhaust(given, harvest, url)
        else:
            _take(given, harvest, url, callback)
    except Exception as error:  # Rule 1
        raise _own_words(error) from None
    return harvest


def _exhaust(given: Generator[Any, Any, Any], harvest: Harvest, url: str) -> None:
    requests = harvest.requests
    for value in given:
        if type(value) is Request:
            requests.append(value)  # what a page gives most, by far
        else:
            _take(value, harvest, url, given)


def _take(value: Any, harvest: Harvest, url: str, source: Any) -> None:
    """Sort one result of a callback into *harvest*."""
    if value is None:
        return
    if isinstance(value, Request):
        harvest.requests.append(value)
    elif is_item(value):
        checked = to_record(value, url)
        if isinstance(checked, Record):
            harvest.records.append(checked)
        else:
            harvest.rejects.append(checked)
    elif isinstance(value, (list, tuple)) or inspect.isgenerator(value):
        for inner in value:
            _take(inner, harvest, url, source)
    elif inspect.iscoroutine(value):
        value.close()  # or Python would warn about it a second time
        raise ForgottenAwait(
            f"{_where(source)} gave the coroutine {value.__qualname__}() without awaiting it: "
            f"write await {value.__qualname__.rpartition('.')[2]}(...)"
        )
    elif inspect.isasyncgen(value):
        raise ForgottenAwait(
            f"{_where(source)} gave the async generator {value.__qualname__}() itself: write "
            f"async for result in {value.__qualname__.rpartition('.')[2]}(...): yield result"
        )
    else:
        raise WrongResult(
            f"{_where(source)} gave {value!r:.80}, a {type(value).__name__}. A callback gives items (dict, dataclass, "
            "attrs, msgspec.Struct, pydantic, Item), Requests, lists of them, or None."
        )


def _where(source: Any) -> str:  # Any: a function, a generator or an async generator
    """The callback, and the line at which it stands just now, or where it begins."""
    frame = getattr(source, "gi_frame", None) or getattr(source, "ag_frame", None)
    if frame is not None:
        return f"{source.__qualname__} ({frame.f_code.co_filename}:{frame.f_lineno})"
    function = inspect.unwrap(getattr(source, "__func__", source))
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name


def _own_words(error: Exception) -> CallbackError:
    """The error as its author needs it: their frames alone."""
    if isinstance(error, SpiderError):
        return CallbackError(str(error), "".join(traceback.format_exception_only(error)))
    own = _skip_ours(error.__traceback__)
    shown = "".join(traceback.format_exception(type(error), error, own))
    last = traceback.extract_tb(own)[-1] if own is not None else None
    at = f" at {last.filename}:{last.lineno}" if last is not None else ""
    return CallbackError(f"{type(error).__name__}: {error}{at}"[:500], shown)


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    """*trace* without this file's frames at its top."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


class _Stopwatch:
    """Times each uninterrupted stretch of one callback."""

    __slots__ = ("_callback", "_url", "_watchdog")

    def __init__(self, callback: Callable[..., Any], url: str, watchdog: Watchdog) -> None:
        self._callback = callback
        self._url = url
        self._watchdog = watchdog

    def time(self, function: Callable[..., Any], *arguments: Any) -> Any:
        begun = perf_counter()
        try:
            return function(*arguments)
        finally:
            self._watchdog.see(self._callback, self._url, perf_counter() - begun)


class _Timed:
    """An async generator, each step of which is timed."""

    __slots__ = ("_generator", "_watch")

    def __init__(self, generator: AsyncIterator[Any], watch: _Stopwatch) -> None:
        self._generator = generator
        self._watch = watch

    def __aiter__(self) -> _Timed:
        return self

    async def __anext__(self) -> Any:
        return await _timed(anext(self._generator), self._watch)


class _timed:  # noqa: N801 (reads as a function at its call)
    """An awaitable, each step of which is timed: what lies between two steps is others' time."""

    __slots__ = ("_awaitable", "_watch")

    def __init__(self, awaitable: Awaitable[Any], watch: _Stopwatch) -> None:
        self._awaitable = awaitable
        self._watch = watch

    def __await__(self) -> Generator[Any, None, Any]:
        steps: Any = self._awaitable.__await__()  # Any: a coroutine's and an async generator's have no type in common
        step: Callable[..., Any] = steps.__next__
        argument: tuple[BaseException, ...] = ()
        while True:
            try:
                waits_for = self._watch.time(step, *argument)
            except StopIteration as end:
                return end.value
            try:
                yield waits_for
            except BaseException as error:  # a cancellation, or the error of what was awaited: theirs to handle
                step, argument = steps.throw, (error,)
            else:
                step, argument = steps.__next__, ()
