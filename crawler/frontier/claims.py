"""What pages under way wait for: requests that their callbacks have asked for by ``await self.fetch(...)``.

Rule 1: a claim is one request on the wire, and keeps to everything that a lease keeps to, but needs no worker: it runs
in the task that waits for it. So nothing deadlocks, however many pages wait.
Rule 2: of one host claims go first, in their order; among hosts they take turns.
Rule 3: a host is looked at when it may have become free (``HostSchedule.stirred``) or when its rest is over: the cost
does not grow with the number of hosts that are waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from math import inf

from crawler.frontier.courtesy import Courtesy
from crawler.frontier.lanes import Lanes
from crawler.request import Entry

_Claim = tuple[Entry, asyncio.Future[None]]


class Claims:
    """Belongs to one frontier."""

    def __init__(
        self, courtesy: Courtesy, lanes: Lanes, loop: asyncio.AbstractEventLoop, look: Callable[[], None]
    ) -> None:
        """*look* is called when a claim may have come due, and calls :meth:`serve`."""
        self._schedule = courtesy.schedule
        self._outages = courtesy.outages
        self._lanes = lanes
        self._loop = loop
        self._look = look
        self.waiting: dict[str, deque[_Claim]] = {}
        """By host."""
        self.running = 0
        self._eager: dict[str, None] = {}  # hosts that may be free, in turn
        self._resting: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}  # of each host that rests, the earliest of its places above
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf

    def wait(self, entry: Entry) -> Coroutine[None, None, None]:
        """Wait for *entry*'s turn, which may come with the next :meth:`serve`; to be awaited at once."""
        queue = self.waiting.get(entry.host)
        if queue is None:
            queue = self.waiting[entry.host] = deque()
            self._schedule.urge(entry.host, self._loop.time(), is_urged=True)
        turn: asyncio.Future[None] = self._loop.create_future()
        queue.append((entry, turn))
        return self._wait(entry, turn)

    async def _wait(self, entry: Entry, turn: asyncio.Future[None]) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._eager[entry.host] = None  # it is taken out of the queue in its turn
            else:
                self.end(entry, sent=False)
            self._look()
            raise

    def end(self, entry: Entry, *, sent: bool) -> None:
        """*entry*, whose turn had come, is on the wire no more."""
        self.running -= 1
        self._schedule.finish(entry.host, entry, self._loop.time() if sent else None)

    def serve(self, on_wire: int) -> None:
        """Let those begin whose turn it is.

        :param on_wire: leases and claims that run
        """
        now, stirred, on_wire = self._loop.time(), self._schedule.stirred, on_wire - self.running
        if stirred:
            self._eager.update(stirred)
            stirred.clear()
        while self._resting and self._resting[0][0] <= now:
            due, host = heappop(self._resting)
            if self._due.get(host) == due:
                del self._due[host]
            self._eager[host] = None
        while self._eager and self._may_begin(now, on_wire):
            host = next(iter(self._eager))
            del self._eager[host]
            self._serve(host, now)
        self._arm(now, on_wire)

    def _may_begin(self, now: float, on_wire: int) -> bool:
        if self._outages.is_ours and not self._outages.may_probe(now, on_wire + self.running):
            return False
        return self._lanes.has_room(now)

    def _serve(self, host: str, now: float) -> None:
        """Let the first one begin that waits for *host*, if it may."""
        queue = self.waiting.get(host)
        if queue is None:
            return
        while queue and queue[0][1].done():  # cancelled while it waited
            queue.popleft()
        again = now
        if queue:
            again = self._schedule.take_ahead(host, queue[0][0], now)
            if again <= now:
                self.running += 1
                queue.popleft()[1].set_result(None)
        if not queue:
            del self.waiting[host]
            self._schedule.urge(host, now, is_urged=False)
        elif again <= now:
            self._eager[host] = None
        elif again < self._due.get(host, inf):
            self._due[host] = again
            heappush(self._resting, (again, host))

    def _arm(self, now: float, on_wire: int) -> None:
        due = self._resting[0][0] if self._resting else inf
        if self._eager:
            due = self._next_look(now, on_wire)
        if self._timer is not None:
            if self._timer_due <= due:
                return  # it comes early enough, and looks again then
            self._timer.cancel()
            self._timer = None
        if due < inf:
            self._timer, self._timer_due = self._loop.call_at(due, self._on_timer), due

    def _next_look(self, now: float, on_wire: int) -> float:
        """When time alone lets one of those begin whose host is free, but for whom there is no room."""
        due: float | None = self._lanes.look_at
        if self._outages.is_ours:
            due = self._outages.next_look(due, now, on_wire + self.running)
        return inf if due is None else due

    def _on_timer(self) -> None:
        self._timer = None
        self._look()
