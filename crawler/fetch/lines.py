"""The kept connections of one way to the hosts, and the new ones.

Rule 1: a connection is used by one origin over one way alone; who may reach private addresses has another way.
Rule 2: how many there are is not bounded here: the frontier bounds the requests. One that rests is kept for ``KEEP``.
Rule 3: what is known of an origin is forgotten when nothing is open there and it was not asked for as long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import (
    ClientOSError,
    ClientRequest,
    ClientTimeout,
    ConnectionTimeoutError,
    ServerDisconnectedError,
    TCPConnector,
)

from crawler.fetch.answer import Answer
from crawler.fetch.deadline import Deadline
from crawler.fetch.head import Origin
from crawler.fetch.wire import Line

KEEP = 15.0
"""Seconds that an unused connection is kept, as aiohttp has it. A broad crawl has one for each host of that time."""
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110, section 9.2.2: methods that may be sent again if the connection ended before there was an answer."""


class Place:
    """An origin, and the connections to it that rest."""

    __slots__ = ("dialling", "open", "origin", "resting", "used_at")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.resting: deque[Line] = deque()  # the one that has rested the longest comes first
        self.open: set[Line] = set()
        self.dialling = 0
        self.used_at = 0.0


class Lines:
    """Belongs to one event loop."""

    def __init__(
        self, connector: TCPConnector, connect_timeout: float, write: Callable[[str], Origin], **dialled: Any
    ) -> None:  # Any: their types differ
        """
        :param write: makes what is not known of an origin yet
        :param dialled: what a new connection takes beside its origin, as arguments of :class:`ClientRequest`
        """
        self._connector = connector
        self._timeout = ClientTimeout(total=None, connect=connect_timeout)
        self._write = write
        self._dialled = dialled
        self._loop = asyncio.get_running_loop()
        self._places: dict[str, Place] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def place(self, origin: str) -> Place:
        place = self._places.get(origin)
        if place is None:
            place = self._places[origin] = Place(self._write(origin))
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(KEEP, self._sweep)
        place.used_at = self._loop.time()
        return place

    async def exchange(
        self,
        place: Place,
        raw: bytes,
        method: str,
        at_once: int,
        deadline: Deadline,
        on_sent: Callable[[], None] | None,
    ) -> Answer:
        """Send *raw*, a request, and wait for the head of its answer, or more of it if it is short.

        It is sent a second time if the connection ends before there is a head, once.

        :param at_once: see :class:`Answer`
        :param on_sent: called when it is sent for the first time
        """
        is_repeatable = method in _REPEATABLE
        while True:
            line = self._rested(place)
            if line is None:
                line = await self._dial(place)
            if on_sent is not None:
                on_sent()
                on_sent = None
            answer = Answer(line, method, at_once)
            try:
                line.ask(raw, answer, place.resting.append)
                deadline.asked(answer)
                await answer.arrive()
            except (ClientOSError, ServerDisconnectedError):
                if not is_repeatable:
                    raise
                is_repeatable = False
            except BaseException:
                answer.close()
                raise
            else:
                return answer

    def close(self) -> None:
        """End what is open. The connector is closed before, which waits for the ends."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for place in self._places.values():
            for line in tuple(place.open):
                line.hang_up()

    def _rested(self, place: Place) -> Line | None:
        """A connection that can be asked again."""
        resting = place.resting
        latest = self._loop.time() - KEEP
        while resting:
            line = resting.popleft()
            if line.rested_at >= latest and line.is_connected():
                return line
            line.hang_up()
        return None

    async def _dial(self, place: Place) -> Line:
        request = ClientRequest("GET", place.origin.url, loop=self._loop, **self._dialled)
        place.dialling += 1
        try:
            connection = await self._connector.connect(request, [], self._timeout)
        except TimeoutError as error:
            raise ConnectionTimeoutError(f"Connection timeout to host {place.origin.url}") from error
        finally:
            place.dialling -= 1
        line = connection.protocol
        assert isinstance(line, Line)
        line.own(connection, place.open.discard)
        place.open.add(line)
        return line

    def _sweep(self) -> None:
        """Hang up what has rested for too long, and forget who was not asked for as long."""
        latest = self._loop.time() - KEEP
        for origin, place in tuple(self._places.items()):
            for line in tuple(place.resting):
                if line.rested_at < latest or not line.is_connected():
                    place.resting.remove(line)
                    line.hang_up()
            if not place.open and not place.dialling and place.used_at < latest:
                del self._places[origin]
        self._sweeping = self._loop.call_later(KEEP, self._sweep) if self._places else None
