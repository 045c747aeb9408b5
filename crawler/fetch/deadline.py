"""How long one fetch may take: its head, its body, each silence, and all of it.

Rule 1: a server that sends something from time to time, and never all of it, gets no more time for that: the head must be
whole by the time by which a connection and an answer must have begun, and a body must come at ``FLOOR`` at least.
Rule 2: time that this side spends, waiting for room in memory, is not the server's.
Rule 3: one timer for all fetches, which comes when the first of them may be due. Most are over before theirs would.
"""

from __future__ import annotations

import asyncio
from math import inf
from types import TracebackType
from typing import Protocol, Self

FLOOR = 1024
"""Bytes of a body a second, as they come: no network that still loads pages is as slow as that."""
WINDOW = 30.0
"""Seconds over which it must keep to that. It matters where ``timeout`` is longer."""
_EARLY = 0.002
"""Seconds by which a timer may come too soon."""
_SPACING = 20e-6
"""Seconds between two looks, for each fetch that is looked at: 0.2 s for 10,000, of which 1 % is spent looking."""


class Coming(Protocol):
    """An answer, as far as its deadline is concerned."""

    heard: float
    come: int
    status: int

    @property
    def is_expected(self) -> bool:
        """Whether the server is to say something: not while it is being told, nor while nothing is taken from it."""


class Watch:
    """Looks after the deadlines of all fetches over one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf

    def add(self, deadline: Deadline, due: float) -> None:
        """Look at *deadline* when it is *due*, or soon after."""
        self._open.add(deadline)
        if due < self._due:
            self._set(due)

    def remove(self, deadline: Deadline) -> None:
        self._open.discard(deadline)

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer, self._due = None, inf
        now = self.loop.time()
        due = min((deadline.look(now + _EARLY) for deadline in self._open), default=inf)
        if due < inf:
            self._set(max(due, now + len(self._open) * _SPACING))


class Deadline:
    """Ends the ``with`` block of the task that entered it, by a TimeoutError that says what took too long."""

    __slots__ = (
        "_answer",
        "_cancelling",
        "_ends",
        "_has_begun",
        "_paused_at",
        "_seen",
        "_silence",
        "_step_ends",
        "_task",
        "_total",
        "_verdict",
        "_watch",
        "waited",
    )

    def __init__(self, total: float, head: float, silence: float = inf, watch: Watch | None = None) -> None:
        """
        :param total: seconds for all of it
        :param head: for what comes before the body
        :param silence: for each time that nothing comes, once the request is sent
        :param watch: that of the fetcher; None makes one
        """
        self._watch = watch or Watch()
        now = self._watch.loop.time()
        self._total = total
        self._silence = silence
        self._ends = now + total
        self._step_ends = now + head  # when the head is due, or the next part of the body
        self._has_begun = False
        self._answer: Coming | None = None
        self._seen = 0
        self._paused_at: float | None = None
        self._verdict = ""
        self.waited = 0.0
        """Seconds that this side has spent."""

    def __enter__(self) -> Self:
        loop = self._watch.loop
        task = asyncio.current_task(loop)  # without the loop it asks the system for the process, on Python 3.11
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._watch.add(self, min(self._ends, self._step_ends, loop.time() + self._silence))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.remove(self)
        self._answer = None
        if self._verdict and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError(self._verdict) from error

    def asked(self, answer: Coming) -> None:
        """The request is sent, and *answer* comes."""
        self._answer = answer

    def pause(self) -> None:
        """Until :meth:`resume`, nothing is expected of the server."""
        self._paused_at = self._watch.loop.time()

    def resume(self) -> None:
        if self._paused_at is None:
            return
        now = self._watch.loop.time()
        waited = now - self._paused_at
        self._paused_at = None
        self.waited += waited
        self._ends += waited
        self._step_ends += waited
        if self._answer is not None:
            self._answer.heard = now
        # not looked at here: who cancels himself is past the block by then
        self._watch.add(self, min(self._ends, self._step_ends, now + self._silence))

    def look(self, now: float) -> float:
        """When to look again; what is late is ended."""
        if self._paused_at is not None or self._verdict:
            return inf
        self._verdict = self._judge(now)
        if self._verdict:
            self._task.cancel()
            return inf
        return min(self._ends, self._step_ends, self._silent_at(now))

    def _judge(self, now: float) -> str:
        """What took too long; empty if nothing did."""
        if now >= self._ends:
            return f"no complete answer in {self._total:g} s"
        if now >= self._silent_at(now):
            return "Timeout on reading data from socket"
        if now < self._step_ends:
            return ""
        if self._answer is None or not self._answer.status:
            return "the headers took too long"
        come = self._answer.come
        if self._has_begun and come - self._seen < FLOOR * WINDOW:
            return f"the body comes at less than {FLOOR} bytes a second"
        self._seen, self._step_ends, self._has_begun = come, now + WINDOW, True
        return ""

    def _silent_at(self, now: float) -> float:
        """When it has been silent for too long."""
        answer = self._answer
        return (now if answer is None or not answer.is_expected else answer.heard) + self._silence
