"""Watching callbacks that hold the event loop: while one runs without a pause, nobody else can."""

from __future__ import annotations

import inspect
import logging
import threading
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

log = logging.getLogger("crawler")

_REPORTS = 3
"""Times that a callback is reported before it is only a repetition."""
_LOOK = 1.0
"""Seconds between two looks at what runs."""
_STUCK = 5.0
"""Seconds after which a callback that is still running is reported: it may never return."""


class Watchdog:
    """Reports callbacks that hold the event loop for more than *slow* seconds, by name, with the milliseconds."""

    def __init__(self, slow: float) -> None:
        self._slow = slow
        self._reported: Counter[str] = Counter()
        self.running: Stopwatch | None = None
        """The stretch that runs just now."""

    def stopwatch(self, callback: Callable[..., Any], url: str) -> Stopwatch:
        """One for *callback*, that runs already."""
        return Stopwatch(self, callback, url)

    def see(self, callback: Callable[..., Any], url: str, seconds: float) -> None:
        """*callback* ran for *seconds* without a pause, at *url*."""
        if seconds <= self._slow:
            return
        name = where_of(callback)
        self._reported[name] += 1
        if self._reported[name] > _REPORTS:
            return
        log.warning(
            "%s held the event loop for %.0f ms at %s: nothing else could run. If it computes, mark it @cpu_bound "
            "(from crawler import cpu_bound); if it waits, await instead (asyncio.sleep, an async client).",
            name,
            seconds * 1000,
            url,
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it a thread looks, once a second, for a callback that does not return."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look, args=(ended,), name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self, ended: threading.Event) -> None:
        told: Stopwatch | None = None
        while not ended.wait(_LOOK):
            running = self.running
            if running is None or running is told or perf_counter() - running.begun < _STUCK:
                continue
            told = running
            log.warning(
                "%s has not returned for %.0f s at %s: nothing else can run. Ctrl-C twice ends the crawl.",
                where_of(running.callback),
                perf_counter() - running.begun,
                running.url,
            )


class Stopwatch:
    """Times each stretch in which one callback held the event loop. It runs from the start."""

    __slots__ = ("_watchdog", "begun", "callback", "url")

    def __init__(self, watchdog: Watchdog, callback: Callable[..., Any], url: str) -> None:
        self._watchdog = watchdog
        self.callback = callback
        self.url = url
        self.begun = 0.0
        self.resume()

    def pause(self) -> None:
        self._watchdog.running = None
        self._watchdog.see(self.callback, self.url, perf_counter() - self.begun)

    def hand_over(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """What runs from now on is *callback*, called by the other one, which is given back."""
        now, before = perf_counter(), self.callback
        self._watchdog.see(before, self.url, now - self.begun)
        self.begun, self.callback = now, callback
        return before

    def resume(self) -> None:
        self.begun = perf_counter()
        self._watchdog.running = self


@types.coroutine
def watched(coroutine: Coroutine[Any, Any, Any], watch: Stopwatch) -> Generator[Any, Any, Any]:
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


def where_of(source: Any) -> str:  # Any: a function, a generator or an async generator
    """The callback, and the line at which it stands just now, or where it begins."""
    while inspect.isgenerator(getattr(source, "gi_yieldfrom", None)):
        source = source.gi_yieldfrom  # the line that gave the value is in there
    frame = getattr(source, "gi_frame", None) or getattr(source, "ag_frame", None)
    if frame is not None:
        return f"{source.__qualname__} ({frame.f_code.co_filename}:{frame.f_lineno})"
    function = inspect.unwrap(getattr(source, "__func__", source))
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
