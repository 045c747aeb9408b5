"""Room in memory for the bodies that are held at once, by all who fetch.

Rule 1: small bodies cost nothing: what is below ``free`` bytes is not counted.
Rule 2: while there is room everyone reads on. Past it a reader waits, and the server with it, since nobody takes what it
sends: bodies that are begun are not lost.
Rule 3: one of those who wait is *favoured*, and reads on to its end, so that there is always somebody who will make
room: the one that began first.
Rule 4: one that is slow waits on its own time, after those that are not, and is favoured no longer than that: a server
cannot keep the others waiting by dripping. Past twice the room nobody else is favoured until something is given back.
Rule 5: what a task holds it holds until :meth:`Room.release`, or its end.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

from crawler.fetch.deadline import Deadline

FREE = 1024 * 1024
"""Bytes: far more than an HTML page usually has, so that those are never counted."""
_LEAST_FREE = 64 * 1024
_LOOK = 0.25
"""Seconds after which the favoured one is looked at."""
_PACE = 64 * 1024
"""Bytes a second. Who reads less than that is slow."""

Holder = asyncio.Task[Any]  # Any: tasks of any kind fetch


class _Share:
    """What one task holds."""

    __slots__ = ("is_slow", "read_on_at", "size", "size_then", "waiter")

    def __init__(self) -> None:
        self.size = 0
        self.size_then = 0  # when it was last looked at
        self.read_on_at = -inf  # when it was last told that it may
        self.is_slow = False
        self.waiter: asyncio.Future[None] | None = None


class Room:
    """Belongs to one event loop."""

    def __init__(self, limit: int, readers: int) -> None:
        """
        :param limit: bytes of all bodies together
        :param readers: how many there may be at once: what is free for all of them is no more than *limit* in sum,
            unless they are thousands
        """
        self.free = max(_LEAST_FREE, min(FREE, limit // readers))
        self._limit = limit
        self._shares: dict[Holder, _Share] = {}  # in the order of their begin
        self._favoured: _Share | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.held = 0
        """Bytes that are counted."""
        self.waiting = 0
        """Readers that wait."""

    async def take(self, more: int, deadline: Deadline) -> None:
        """The calling task holds *more* bytes. It may read on when this returns."""
        task = asyncio.current_task()
        assert task is not None
        share = self._shares.get(task)
        if share is None:
            share = self._shares[task] = _Share()
            task.add_done_callback(self._let_go)
        share.size += more
        self.held += more
        clock = asyncio.get_running_loop().time
        if self.held > self._limit and share is not self._favoured:
            share.is_slow = share.read_on_at > -inf and more < _PACE * (clock() - share.read_on_at)
            await self._wait(share, deadline)
        share.read_on_at = clock()

    def release(self) -> None:
        """The calling task holds nothing any more."""
        if not self._shares:
            return
        task = asyncio.current_task()
        if task is not None and task in self._shares:
            task.remove_done_callback(self._let_go)
            self._let_go(task)

    def _let_go(self, task: Holder) -> None:
        share = self._shares.pop(task)
        self.held -= share.size
        if share is self._favoured:
            self._favoured = None
        self._go_on()

    async def _wait(self, share: _Share, deadline: Deadline) -> None:
        share.waiter = asyncio.get_running_loop().create_future()
        self.waiting += 1
        if not share.is_slow:
            deadline.pause()
        self._go_on()
        try:
            await share.waiter
        finally:
            share.waiter = None
            self.waiting -= 1
            deadline.resume()

    def _go_on(self) -> None:
        """Let those read on who may."""
        if not self.waiting:
            return
        if self.held <= self._limit:
            for share in self._shares.values():
                _wake(share)
        elif self._favoured is None:
            self._favour()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _favour(self) -> None:
        waiting = [share for share in self._shares.values() if share.waiter is not None and not share.waiter.done()]
        self._favoured = next((share for share in waiting if not share.is_slow), waiting[0] if waiting else None)
        if self._favoured is not None:
            self._favoured.size_then = self._favoured.size
            _wake(self._favoured)

    def _look(self) -> None:
        """Has the favoured one read on? If not, it may be in the hands of a callback by now, which is no fault."""
        self._timer = None
        favoured = self._favoured
        if favoured is not None and favoured.size - favoured.size_then < _PACE * _LOOK and self.held < 2 * self._limit:
            self._favoured = None
        elif favoured is not None:
            favoured.size_then = favoured.size
        self._go_on()


def _wake(share: _Share) -> None:
    if share.waiter is not None and not share.waiter.done():
        share.waiter.set_result(None)
