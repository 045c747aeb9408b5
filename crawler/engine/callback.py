"""Running a spider's callback, of whichever kind, and gathering what it gives.

Rule 1: whatever a callback does wrong is the failure of its page, never of the crawl.
Rule 2: a callback that holds the event loop is reported by name, with the milliseconds: nobody else can run.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import traceback
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

import msgspec

from crawler.engine.watchdog import Stopwatch, Watchdog, where_of
from crawler.errors import CrawlerError, ForgottenAwait, PageTooHeavy, SpiderError, WrongResult
from crawler.items.check import is_item, to_record
from crawler.outcome import Record, Reject
from crawler.request import Request

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Harvest(msgspec.Struct):
    """What one callback gave. Plain data but for the items themselves, so that it can come from another process."""

    records: list[Record] = []
    rejects: list[Reject] = []
    requests: list[Request] = []
    forbids_following: bool = False
    """Whether the page asks that none of its links is followed; looked for only where there are requests."""


class CallbackError(CrawlerError):
    """A callback raised. *trace* is the user's own traceback, from the callback on."""

    def __init__(self, summary: str, trace: str) -> None:
        super().__init__(summary, trace)
        self.summary = summary
        self.trace = trace

    def __str__(self) -> str:
        return self.summary


async def run_callback(callback: Callable[..., Any], argument: Any, url: str, watchdog: Watchdog) -> Harvest:
    """Call *callback* with *argument* (a page, or a failure), and gather everything that it gives.

    :raises CallbackError: it raised, or gave something that cannot be right
    :raises PageTooHeavy: it asked for a tree that cannot be built, which is the page's fault and not its own
    """
    watch = watchdog.stopwatch(callback, url)
    harvest = Harvest()
    try:
        given = callback(argument)
        if inspect.isgenerator(given):
            _exhaust(given, harvest, url)
        elif inspect.isasyncgen(given):
            await _watched(_exhaust_async(given, harvest, url), watch)
        elif inspect.iscoroutine(given) and inspect.iscoroutinefunction(inspect.unwrap(callback)):
            _take(await _watched(given, watch), harvest, url, callback)
        else:
            _take(given, harvest, url, callback)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # Rule 1
        if is_cancellation(error) or isinstance(error, PageTooHeavy):
            raise
        raise _own_words(error) from None
    finally:
        watch.pause()
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
    except BaseException as error:  # Rule 1; the crawl's own process would be the one to obey a sys.exit()
        raise _own_words(error) from None
    return harvest


def is_cancellation(error: BaseException) -> bool:
    """Whether *error* ends this task, rather than being the end of another one that the spider awaited."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _exhaust(given: Generator[Any, Any, Any], harvest: Harvest, url: str) -> None:
    requests = harvest.requests
    try:
        for value in given:
            if type(value) is Request:
                requests.append(value)  # what a page gives most, by far
            else:
                _take(value, harvest, url, given)
    finally:
        given.close()


async def _exhaust_async(given: AsyncGenerator[Any, Any], harvest: Harvest, url: str) -> None:
    try:
        async for value in given:
            _take(value, harvest, url, given)
    finally:
        await given.aclose()  # or its own clean-up would be left to the garbage collector


def _take(value: Any, harvest: Harvest, url: str, source: Any) -> None:
    """Sort one result of a callback into *harvest*."""
    if value is None:
        return
    if isinstance(value, Request):
        harvest.requests.append(value)
    elif isinstance(value, Reject):  # what could not become an item at all; a Struct itself
        harvest.rejects.append(value)
    elif is_item(value):
        checked = to_record(value, url)
        if isinstance(checked, Record):
            harvest.records.append(checked)
        else:
            harvest.rejects.append(checked)
    elif inspect.isgenerator(value):
        _exhaust(value, harvest, url)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _take(inner, harvest, url, source)
    else:
        raise _misfit(value, source)


def _misfit(value: Any, source: Any) -> SpiderError:
    """What to tell the author of *source*, which gave *value*: nothing that can be kept."""
    where, name = where_of(source), getattr(value, "__qualname__", "")
    called = name.rpartition(".")[2]
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn about it a second time
        return ForgottenAwait(f"{where} gave the coroutine {name}() without awaiting it: write await {called}(...)")
    if inspect.isasyncgen(value):
        return ForgottenAwait(
            f"{where} gave the async generator {name}() itself: write async for result in {called}(...): yield result"
        )
    if inspect.isawaitable(value):
        return ForgottenAwait(f"{where} gave a {type(value).__name__} without awaiting it: write await before it")
    return WrongResult(
        f"{where} gave {value!r:.80}, a {type(value).__name__}. A callback gives items (dict, dataclass, attrs, "
        "msgspec.Struct, pydantic, Item), Requests, lists of them, or None."
    )


def _own_words(error: BaseException) -> CallbackError:
    """The error as its author needs it: their frames alone."""
    shown = traceback.TracebackException(type(error), error, _skip_ours(error.__traceback__))
    del shown.stack[_end_of_own(shown.stack) :]
    only = list(shown.format_exception_only())
    words = only[0].strip()[:500]
    if isinstance(error, SpiderError):  # its own words say all; how a library put it is of no use to an author
        words = str(error)[:500]
        shown.__cause__ = shown.__context__ = None
    if not shown.stack:
        return CallbackError(words, "".join(only))
    last = shown.stack[-1]
    return CallbackError(f"{words} at {last.filename}:{last.lineno}", "".join(shown.format()))


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    """*trace* without this file's frames at its top."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _end_of_own(stack: traceback.StackSummary) -> int:
    """How many frames of *stack* there are up to the last one that is not this package's."""
    own = [number for number, frame in enumerate(stack, 1) if not frame.filename.startswith(_PACKAGE)]
    return own[-1] if own else len(stack)


@types.coroutine
def _watched(coroutine: Coroutine[Any, Any, Any], watch: Stopwatch) -> Generator[Any, Any, Any]:
    """Await *coroutine*, timed: what lies between two of its steps is others' time."""
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
        watch.pause()
        try:
            yield waits_for
        except BaseException as error:  # a cancellation, or the error of what was awaited: theirs to handle
            step, argument = coroutine.throw, error
        else:
            step, argument = coroutine.send, None
        watch.resume()
