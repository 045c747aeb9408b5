"""``Spider.steps``: what happens to an item between the callback that gave it and the check of its type.

Rule 1: a page is whole or a failure: when a step raises, nothing of its page is kept.
Rule 2: plain steps run as the item is given; from the first ``async`` one on the items of a page wait for its callback
to end, and go on side by side. They are kept in the order in which they were given.
Rule 3: at most ``concurrency`` items are in an ``async`` step at once; the others wait in order. Each of them belongs to a
page that has not ended, and so to a worker: a step that is slower than the crawl slows it down, and fills no memory.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from crawler.discovery import nearest
from crawler.engine.harvest import Harvest, in_own_words, is_cancellation, misfit
from crawler.engine.watchdog import Stopwatch, Watchdog, watched, where_of
from crawler.errors import PageTooHeavy, SinkError, UsageError, WrongResult
from crawler.items.check import is_item, item_of, to_record
from crawler.outcome import Record
from crawler.request import Request
from crawler.spider import Spider, concurrency_of

_GIVES = "A step gives the item, another one, several (a list, a generator), or None to drop it."


class Step:
    """One of them."""

    __slots__ = ("concurrency", "function", "is_async", "name", "turns")

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.is_async = _is_async(function)
        self.concurrency = concurrency_of(function)
        self.turns = asyncio.Semaphore(self.concurrency)

    def call(self, item: Any, watch: Stopwatch | None) -> Any:
        """What a plain step makes of *item*: an item, or a list of them.

        :raises CallbackError: it raised, or gave something that cannot be right
        """
        caller = watch.hand_over(self.function) if watch is not None else None
        try:
            given = self.function(item)
            return given if is_item(given) and not isinstance(given, Request) else self._sorted(given)
        except (Exception, SystemExit) as error:
            if isinstance(error, PageTooHeavy):
                raise
            raise in_own_words(error, self.name) from None
        finally:
            if watch is not None and caller is not None:
                watch.hand_over(caller)

    async def wait(self, item: Any, watch: Callable[[Callable[..., Any]], Stopwatch]) -> Any:
        """The same of an ``async`` one, when it is *item*'s turn."""
        async with self.turns:
            stopwatch = watch(self.function)
            try:
                given = self.function(item)
                coroutine = _gathered(given) if inspect.isasyncgen(given) else given
                given = await watched(coroutine, stopwatch) if inspect.iscoroutine(coroutine) else await given
                return given if is_item(given) and not isinstance(given, Request) else self._sorted(given)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                if is_cancellation(error) or isinstance(error, (PageTooHeavy, SinkError)):
                    raise
                raise in_own_words(error, self.name) from None
            finally:
                stopwatch.pause()

    def _sorted(self, given: Any) -> list[Any]:
        return list(self._items(given))

    def _items(self, given: Any) -> Iterator[Any]:
        if given is None:
            return
        if isinstance(given, Request):
            where = where_of(self.function)
            raise WrongResult(f"{where} gave a Request: a step makes items of items; a callback gives Requests")
        if is_item(given):
            yield given
        elif isinstance(given, (list, tuple)) or inspect.isgenerator(given):
            for each in given:
                yield from self._items(each)
        else:
            raise misfit(given, self.function, _GIVES)


class Steps:
    """Those of one spider, in order."""

    def __init__(self, steps: Iterable[Callable[[Any], Any]] = ()) -> None:
        self._steps = [Step(function) for function in steps]
        waits = [step.concurrency for step in self._steps if step.is_async]
        self._width = max(waits, default=1)
        self.first_async = next((number for number, step in enumerate(self._steps) if step.is_async), None)
        """The number of the first ``async`` one."""

    def __bool__(self) -> bool:
        return bool(self._steps)

    def take(self, item: Any, intake: Intake, index: int = 0) -> None:
        """Let *item* go through the plain steps from that one on, up to an ``async`` one or into the harvest."""
        steps = self._steps
        while index < len(steps):
            step = steps[index]
            if step.is_async:
                intake.harvest.pending.append((copy.copy(item), index))  # its callback may go on changing its own
                return
            index += 1
            given = step.call(item, intake.watch)
            if type(given) is list:
                self._take_all(given, step, intake, index)
                return
            item = given
        intake.keep(item)

    def _take_all(self, items: list[Any], step: Step, intake: Intake, index: int) -> None:
        if not items:
            dropped = intake.harvest.dropped
            dropped[step.name] = dropped.get(step.name, 0) + 1
        for item in items:
            self.take(item, intake, index)

    def resume(self, harvest: Harvest) -> None:
        """The items of *harvest* came out of a parse process, where the plain steps before the first ``async`` one ran."""
        if self.first_async is not None:
            index = self.first_async
            harvest.pending = [(item_of(record), index) for record in harvest.records]
            harvest.records = []

    async def finish(self, harvest: Harvest, url: str, watchdog: Watchdog) -> None:
        """Let all that is pending go through the rest of the steps.

        :raises CallbackError: a step raised, or gave something that cannot be right
        """
        pending, harvest.pending = harvest.pending, []
        parts = [Harvest() for _ in pending]
        waiting = iter(zip(pending, parts, strict=True))
        watch = partial(_stopwatch, watchdog, url)

        async def go_on() -> None:
            for (item, index), part in waiting:
                await self._go_on(item, index, Intake(part, self, url), watch)

        crew = min(len(pending), self._width)
        if crew == 1:
            await go_on()
        else:
            await _together(go_on, crew)
        for part in parts:
            harvest.records += part.records
            harvest.rejects += part.rejects
            for name, times in part.dropped.items():
                harvest.dropped[name] = harvest.dropped.get(name, 0) + times

    async def _go_on(
        self, item: Any, index: int, intake: Intake, watch: Callable[[Callable[..., Any]], Stopwatch]
    ) -> None:
        step = self._steps[index]
        given = await step.wait(item, watch)
        intake.watch = watch(step.function)
        try:
            self._take_all(given if type(given) is list else [given], step, intake, index + 1)
        finally:
            intake.watch.pause()
        pending, intake.harvest.pending = intake.harvest.pending, []
        for further, number in pending:
            await self._go_on(further, number, intake, watch)


class Intake:
    """Where the results of one callback go."""

    __slots__ = ("harvest", "steps", "url", "watch")

    def __init__(self, harvest: Harvest, steps: Steps, url: str, watch: Stopwatch | None = None) -> None:
        self.harvest = harvest
        self.steps = steps
        self.url = url
        self.watch = watch

    def take(self, item: Any) -> None:
        """The callback gave *item*."""
        if self.steps:
            self.steps.take(item, self)
        else:
            self.keep(item)

    def keep(self, item: Any) -> None:
        """*item* has been through all steps: is it what its type says?"""
        checked = to_record(item, self.url)
        if isinstance(checked, Record):
            self.harvest.records.append(checked)
        else:
            self.harvest.rejects.append(checked)


NO_STEPS = Steps()


def steps_of(spider: Spider) -> Steps:
    """What ``spider.steps`` names.

    :raises UsageError: one of them is no function of an item
    """
    given: object = spider.steps
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UsageError(f"{_shown(spider)} is {given!r:.80}; write a list of functions, or of names of methods")
    functions = [_function(spider, each) for each in given]
    return Steps(functions) if functions else NO_STEPS


def _function(spider: Spider, given: Any) -> Callable[[Any], Any]:
    """*given* ready to be called with an item."""
    function = given
    if isinstance(given, str):
        function = getattr(spider, given, None)
        if not callable(function):
            known = [name for name in dir(type(spider)) if callable(getattr(type(spider), name, None))]
            raise UsageError(f"{_shown(spider)} names {given!r}, and there is no such method{nearest(given, known)}")
    elif isinstance(given, (staticmethod, classmethod)):
        function = given.__get__(spider, type(spider))
    elif inspect.isfunction(given) and any(vars(kind).get(given.__name__) is given for kind in type(spider).__mro__):
        function = getattr(spider, given.__name__)  # written in the class, where it was a plain function still
    if not callable(function):
        raise UsageError(
            f"{_shown(spider)} holds {given!r:.80}, a {type(given).__name__}: a step is a function, or the name of a method"
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        name = getattr(function, "__name__", repr(function))
        raise UsageError(f"{_shown(spider)}: {name} is called with one item, and does not fit: {error}") from None
    except ValueError:
        pass  # it is written in C, and does not tell
    return function  # type: ignore[no-any-return]  # users may give any callable


def _shown(spider: Spider) -> str:
    return f"{type(spider).__name__}.steps"


def _is_async(function: Callable[..., Any]) -> bool:
    bare = inspect.unwrap(function)
    call = getattr(type(bare), "__call__", None)  # noqa: B004 (of an object that has one, is it async?)
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (bare, call))


def _stopwatch(watchdog: Watchdog, url: str, function: Callable[..., Any]) -> Stopwatch:
    return watchdog.stopwatch(function, url)


async def _gathered(given: Any) -> list[Any]:
    """What an async generator gives."""
    try:
        return [each async for each in given]
    finally:
        await given.aclose()


async def _together(work: Callable[[], Any], times: int) -> None:
    """Run *work* so many times at once. The first error ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(times):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
