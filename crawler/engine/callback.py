"""Running a spider's callback, of whichever kind, and gathering what it gives.

Rule 1: whatever a callback does wrong is the failure of its page, never of the crawl.
Rule 2: a callback that holds the event loop is reported by name, with the milliseconds: nobody else can run.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from crawler.engine.harvest import Harvest, in_own_words, is_cancellation, misfit
from crawler.engine.steps import NO_STEPS, Intake, Steps
from crawler.engine.watchdog import Watchdog, watched
from crawler.errors import PageTooHeavy, SinkError
from crawler.items.check import is_item
from crawler.outcome import Reject
from crawler.request import Request


async def run_callback(
    callback: Callable[..., Any],
    argument: Any,
    url: str,
    watchdog: Watchdog,
    steps: Steps = NO_STEPS,
    before_waiting: Callable[[], None] = lambda: None,
) -> Harvest:
    """Call *callback* with *argument* (a page, or a failure), and gather everything that it gives.

    :param steps: what its items go through
    :param before_waiting: called when items have to wait for an ``async`` step
    :raises CallbackError: it raised, or a step did, or it gave something that cannot be right
    :raises PageTooHeavy: it asked for a tree that cannot be built, which is the page's fault and not its own
    :raises SinkError: it awaited a file, and the disk is full, say: that is the crawl's matter
    """
    watch = watchdog.stopwatch(callback, url)
    harvest = Harvest()
    intake = Intake(harvest, steps, url, watch)
    try:
        given = callback(argument)
        if inspect.isgenerator(given):
            _exhaust(given, intake)
        elif inspect.isasyncgen(given):
            await watched(_exhaust_async(given, intake), watch)
        elif inspect.iscoroutine(given) and inspect.iscoroutinefunction(inspect.unwrap(callback)):
            _take(await watched(given, watch), intake, callback)
        else:
            _take(given, intake, callback)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # Rule 1
        if is_cancellation(error) or isinstance(error, (PageTooHeavy, SinkError)):
            raise
        raise in_own_words(error) from None
    finally:
        watch.pause()
    if harvest.pending:
        before_waiting()
        await steps.finish(harvest, url, watchdog)
    return harvest


def run_callback_here(callback: Callable[..., Any], argument: Any, url: str, steps: Steps = NO_STEPS) -> Harvest:
    """The same for a parse process, which has no event loop: plain functions and generators. Items that have come to an
    ``async`` step are left there, in ``Harvest.pending``.

    :raises CallbackError: as :func:`run_callback`
    """
    harvest = Harvest()
    intake = Intake(harvest, steps, url)
    try:
        given = callback(argument)
        if inspect.isgenerator(given):
            _exhaust(given, intake)
        else:
            _take(given, intake, callback)
    except BaseException as error:  # Rule 1; the crawl's own process would be the one to obey a sys.exit()
        raise in_own_words(error) from None
    return harvest


def _exhaust(given: Generator[Any, Any, Any], intake: Intake) -> None:
    requests = intake.harvest.requests
    try:
        for value in given:
            if type(value) is Request:
                requests.append(value)  # what a page gives most, by far
            else:
                _take(value, intake, given)
    finally:
        given.close()


async def _exhaust_async(given: AsyncGenerator[Any, Any], intake: Intake) -> None:
    try:
        async for value in given:
            _take(value, intake, given)
    finally:
        await given.aclose()  # or its own clean-up would be left to the garbage collector


def _take(value: Any, intake: Intake, source: Any) -> None:
    """Sort one result of a callback into the harvest."""
    if value is None:
        return
    if isinstance(value, Request):
        intake.harvest.requests.append(value)
    elif isinstance(value, Reject):  # what could not become an item at all; a Struct itself
        intake.harvest.rejects.append(value)
    elif is_item(value):
        intake.take(value)
    elif inspect.isgenerator(value):
        _exhaust(value, intake)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _take(inner, intake, source)
    else:
        raise misfit(value, source)
