"""How long one fetch may take: its head, its body, and all of it.

Rule 1: a server that sends something from time to time, and never all of it, gets no more time for that: the head must be
whole by the time by which a connection and an answer must have begun, and a body must come at ``FLOOR`` at least.
Rule 2: time that this side spends, waiting for room in memory, is not the server's.
Rule 3: one timer for each fetch. What is due when it comes is found out then: most fetches are over before.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import StreamReader

FLOOR = 1024
"""Bytes of a body a second, as they come: no network that still loads pages is as slow as that."""
WINDOW = 30.0
"""Seconds over which it must keep to that. It matters where ``timeout`` is longer."""
_EARLY = 0.002
"""Seconds by which a timer may come too soon."""


class Deadline:
    """Ends the ``with`` block of the task that entered it, by a TimeoutError that says what took too long."""

    __slots__ = (
        "_cancelling",
        "_content",
        "_ends",
        "_has_begun",
        "_loop",
        "_paused_at",
        "_seen",
        "_step_ends",
        "_task",
        "_timer",
        "_total",
        "_verdict",
        "waited",
    )

    def __init__(self, total: float, head: float) -> None:
        """*total*: seconds for all of it; *head*: for what comes before the body."""
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._total = total
        self._ends = now + total
        self._step_ends = now + head  # when the head is due, or the next part of the body
        self._has_begun = False
        self._content: StreamReader | None = None
        self._seen = 0
        self._paused_at: float | None = None
        self._verdict = ""
        self.waited = 0.0
        """Seconds that this side has spent."""

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(min(self._ends, self._step_ends), self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._verdict and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError(self._verdict) from error

    def head_came(self, content: StreamReader) -> None:
        """What comes from now on is the body."""
        self._content = content

    def pause(self) -> None:
        """Until :meth:`resume`, nothing is expected of the server."""
        self._paused_at = self._loop.time()

    def resume(self) -> None:
        if self._paused_at is None:
            return
        waited = self._loop.time() - self._paused_at
        self._paused_at = None
        self.waited += waited
        self._ends += waited
        self._step_ends += waited
        if self._timer is None:  # it came meanwhile. Not looked at here: who cancels himself is so past the block, too
            self._timer = self._loop.call_at(min(self._ends, self._step_ends), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._paused_at is not None or self._verdict:
            return
        now = self._loop.time() + _EARLY
        self._verdict = self._judge(now)
        if self._verdict:
            self._task.cancel()
        else:
            self._timer = self._loop.call_at(min(self._ends, self._step_ends), self._look)

    def _judge(self, now: float) -> str:
        """What took too long; empty if nothing did."""
        if now >= self._ends:
            return f"no complete answer in {self._total:g} s"
        if now < self._step_ends:
            return ""
        if self._content is None:
            return "the headers took too long"
        come = self._content.total_bytes
        if self._has_begun and come - self._seen < FLOOR * WINDOW:
            return f"the body comes at less than {FLOOR} bytes a second"
        self._seen, self._step_ends, self._has_begun = come, now + WINDOW, True
        return ""
