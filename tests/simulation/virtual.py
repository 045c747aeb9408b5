"""An event loop whose clock is a number, and a thread that is none: hours pass in milliseconds, and a run can be
repeated exactly.

Rule 1: time passes only while nothing is ready; then the clock jumps to the next timer.
Rule 2: what a thread would do happens at one moment of the virtual time, and is answered at a later one, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class Stuck(AssertionError):
    """Nothing is ready, and no timer is set: it would wait for ever."""


class Endless(AssertionError):
    """It goes round and round."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Selects from nothing: there are no sockets in a virtual world."""

    def __init__(self, begin: float = 0.0, steps: int = 200_000, seconds: float = 1e7) -> None:
        """*steps* and *seconds* are what a run may take at most."""
        super().__init__()
        self._now = begin
        self._selector = self
        self._steps = steps
        self._end = begin + seconds
        self.set_exception_handler(lambda *_: None)  # a loop that is thrown away has tasks that never end

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:  # Any: there are no events
        self._steps -= 1
        if timeout is None:
            raise Stuck("nothing is ready, and no timer is set")
        self._now += timeout
        if self._steps < 0 or self._now > self._end:
            raise Endless("it takes too many steps, or too long")
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in :meth:`select`."""


class VirtualThread(Executor):
    """Runs one thing after the other. *seconds* gives how long one takes: (until it happens, until it is answered)."""

    def __init__(self, loop: VirtualLoop, seconds: Callable[[], tuple[float, float]]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._asked: deque[tuple[Future[Any], Callable[[], Any], float]] = deque()
        self._answered: deque[tuple[Future[Any], Callable[[], None]]] = deque()
        self._free_at = self._silent_until = 0.0
        self.is_dead = False
        """Nothing happens any more, and everything is answered with None."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # Any: as Executor has it
        future: Future[Any] = Future()
        if self.is_dead:
            future.set_result(None)
            return future
        before, after = self._seconds()
        now = self._loop.time()
        self._free_at = max(now, self._free_at) + before
        self._asked.append((future, lambda: work(*args, **kwargs), after))
        if self._free_at <= now:
            self._happen()
        else:
            self._loop.call_at(self._free_at, self._happen)
        return future

    def _happen(self) -> None:
        future, work, after = self._asked.popleft()
        if self.is_dead or not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:  # whoever waits for it gets it
            failure = error
            self._answered.append((future, lambda: future.set_exception(failure)))
        else:
            self._answered.append((future, lambda: future.set_result(result)))
        now = self._loop.time()
        self._silent_until = max(self._silent_until, now + after)
        if self._silent_until <= now:
            self._answer()
        else:
            self._loop.call_at(self._silent_until, self._answer)

    def _answer(self) -> None:
        if not self.is_dead:
            self._answered.popleft()[1]()
