"""A connection: a request goes over it as it was written, and what comes is its :class:`Answer`'s.

It is joined to the library in one place, :func:`install`; what it uses of it beyond the documented is named there.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import ClientConnectionResetError, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from crawler.fetch.answer import Answer, Heads

_EARLY = 256 * 1024
"""Bytes that come before anything is asked past which no more are taken."""


def install(connector: TCPConnector) -> None:
    """Let every connection of *connector* be a :class:`Line`.

    The library has no documented place for it: ``_factory`` makes the protocol of each connection. What it knows of a
    protocol is what a :class:`ResponseHandler` has: ``read`` and ``set_response_params`` (for the answer of a proxy to
    a CONNECT), ``transport``, ``is_connected``, ``close``. :class:`HttpResponseParser` is its parser, which is handed
    heads without their bodies. A test tells if a new version of the library has one of these no more.
    """
    heads = Heads(connector._loop)  # noqa: SLF001 - see above
    connector._factory = partial(Line, connector._loop, heads)  # type: ignore[assignment]  # noqa: SLF001


class Line(ResponseHandler):
    """One connection. It is asked once at a time, and rests in between."""

    beside: object = None
    """What has to live as long."""
    rested_at = 0.0
    """When its last answer was whole, by the loop's clock."""
    _answer: Answer | None = None
    _connection: Connection | None = None
    _early = b""
    _is_fresh = True
    _give_back: Callable[[Line], object] | None = None
    _on_end: Callable[[Line], object] | None = None
    _readable: Callable[[], object] | None = None
    _tunnel: Answer | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop, heads: Heads) -> None:
        super().__init__(loop)
        self.loop = loop
        self.heads = heads

    def own(self, connection: Connection, on_end: Callable[[Line], object]) -> None:
        """It is made, and can be asked.

        :param connection: the library's own handle of it
        :param on_end: called once, when it can be asked no more
        """
        self._connection = connection
        self._on_end = on_end

    def ask(self, raw: bytes, answer: Answer, give_back: Callable[[Line], object]) -> None:
        """Send *raw*, a request; *answer* is told what comes.

        :param give_back: called when the answer is whole and the connection can be asked again
        :raises ClientConnectionResetError: it has ended meanwhile
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        self._give_back = give_back
        self._listen(answer)
        transport.write(raw)

    def _listen(self, answer: Answer) -> None:
        self._answer = answer
        answer.heard = self.loop.time()
        self._is_fresh = False
        if self._early:
            early, self._early = self._early, b""
            self._give_back = None  # who answers before he is asked may do so again
            self.continue_reading()
            answer.feed(early)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is not None:
            answer.heard = self.loop.time()
            answer.feed(data)
        elif self._is_fresh:
            self._early += data
            if len(self._early) > _EARLY:
                self.stop_reading()
        elif self.transport is not None:
            self.transport.close()  # nobody asked for it

    def connection_lost(self, exc: BaseException | None) -> None:
        answer, self._answer = self._answer, None
        super().connection_lost(exc)
        if answer is not None:
            answer.lose(exc)
        self.hang_up()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer is not None:
            self._answer.heard = self.loop.time()

    def end_answer(self, keeps: bool) -> None:
        """The answer is whole: what comes now is none of it."""
        self._answer = None
        give_back, self._give_back = self._give_back, None
        if not keeps or give_back is None or self.transport is None or self.transport.get_write_buffer_size():
            self.hang_up()  # with something unsent it was answered too early, and the rest would follow
        else:
            self.rested_at = self.loop.time()
            give_back(self)

    def hang_up(self) -> None:
        """End it. Twice is once."""
        self._answer = self._give_back = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)

    def is_connected(self) -> bool:
        """Whether it can be asked: not if bytes have come that nobody asked for, or its end."""
        transport = self.transport
        return transport is not None and not transport.is_closing() and not self._has_unread()

    def stop_reading(self) -> None:
        if self.transport is not None:
            try:
                self.transport.pause_reading()
            except RuntimeError:
                pass  # it is closing

    def continue_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            try:
                self.transport.resume_reading()
            except RuntimeError:
                pass  # as above

    def yield_turn(self, answer: Answer) -> None:
        """Read no more before others had their turn."""
        self.stop_reading()
        self.loop.call_soon(self._read_on, answer)

    def _read_on(self, answer: Answer) -> None:
        if not answer.is_paused:  # else its reader knows when to go on
            self.continue_reading()

    def _has_unread(self) -> bool:
        """Asks the system: the loop may not have come to it yet. Browsers do so before they use a connection again."""
        if self._readable is None:
            socket = None if self.transport is None else self.transport.get_extra_info("socket")
            if socket is None:
                return False
            self._readable = _readable(socket.fileno())
        return bool(self._readable())

    # What follows is for the library alone, which asks a proxy for a tunnel.

    def set_response_params(self, **_: Any) -> None:  # Any: meant for the library's own parser
        self._tunnel = Answer(self, "CONNECT", 0)
        self._listen(self._tunnel)
        if self.transport is None:
            self._tunnel.lose(None)

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        tunnel, self._tunnel = self._tunnel, None
        assert tunnel is not None, "set_response_params() comes before read()"
        message = await tunnel.arrive()
        self._answer, self._is_fresh = None, True  # what comes before the handshake begins is nobody's
        return message, EMPTY_PAYLOAD


def _readable(descriptor: int) -> Callable[[], object]:
    """Gives something true if there is something to read. It is made once for a connection: some loops are slow to tell
    the number.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)
