"""What is done to the bytes of an answer before aiohttp's parser sees them.

That parser is strict where browsers are not: it refuses a line without a colon, two equal lengths, a length beside
``chunked``, any byte after a whole body; and bytes that come after an answer it takes for the answer to the next
request of that connection. So its protocol is given a parser that stands before the real one:

Rule 1: the real parser is handed one head, then exactly the bytes of its body, and nothing after them. What a server
sends beyond costs the connection, and is never the beginning of another answer.
Rule 2: a head that the real parser takes is not touched; one that it refuses is mended if browsers show it.
Rule 3: a body that breaks off or is malformed is an error of that body, at once: never a wait, never a success.

It is joined to the library in one place, :func:`install`; what it uses of it beyond the documented is named there.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import ClientPayloadError, StreamReader, TCPConnector, hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import BadHttpMessage, TransferEncodingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD

from crawler.fetch.chunks import BadChunk, Chunks
from crawler.fetch.mend import Unmendable, mended

HEAD_LIMIT = 256 * 1024
"""Bytes of all headers of an answer, as Chrome allows. The same for one of them: it may be the only one."""
HEADERS_LIMIT = 10_000
"""Headers of an answer. Browsers have no limit but the one above."""
_INTERIM_LIMIT = 100
"""Answers of the 1xx kind before the real one. Some sites send a dozen early hints; a flood never ends."""
_JUNK = 4
"""Bytes before "HTTP" that are skipped, as Chrome does: servers send an empty line too many."""
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_AT_ONCE = 64 * 1024
"""Bytes that come with a head up to which the real parser may have them all at once: it does not pause before."""
_TINY_AT_ONCE = 1_000
"""Tiny chunks, about 1 ms of work, after which others have their turn before more is read. A fast loop would read on
thirty-two times: half a second of them."""

_Messages = Sequence[tuple[RawResponseMessage, StreamReader]]
_Fed = tuple[_Messages, bool, bytes]
"""What a parser returns: messages, whether the protocol changes, and what is left for the new one."""
_NOTHING: _Fed = ((), False, b"")


class MalformedBody(ClientPayloadError):
    """The chunks of a body are none."""


def install(connector: TCPConnector) -> None:
    """Let every connection of *connector* read answers as this module says.

    The library has no documented place for it: ``_factory`` makes the protocol of each connection, whose ``_parser``,
    ``_tail``, ``_loop`` and ``_reading_paused`` are used here, and ``_exception`` in :func:`come_before`. A test tells if a new version of the library has them no more.
    """
    connector._factory = partial(Protocol, loop=connector._loop)  # type: ignore[assignment]  # noqa: SLF001 - see above


def come_before(content: StreamReader) -> bytes:
    """What had come of a body before the error that reading it raises: the library keeps it, and gives the error first."""
    error: Any = getattr(content, "_exception", None)  # Any: the library sets it to what it likes
    if error is None:
        return b""
    content._exception = None  # noqa: SLF001 - see install()
    try:
        return content.read_nowait()
    finally:
        content._exception = error  # noqa: SLF001


class Protocol(ResponseHandler):
    """aiohttp's end of a connection, with a :class:`Parser` before its own."""

    _parser: Any  # the library's, or a Parser: both have the three methods that are called
    _readable: Callable[[], object] | None = None

    def set_response_params(self, **params: Any) -> None:  # Any: handed on as they are
        """Called before each request of the connection."""
        early, self._tail = self._tail, b""
        self._params = params
        super().set_response_params(**params)
        self._parser = Parser(self, self._parser)
        if early:
            self.data_received(early)

    def real_parser(self) -> Any:  # Any: the library's parser, which has no public type
        """A new one, for the request at hand."""
        ours = self._parser
        super().set_response_params(**self._params)
        real, self._parser = self._parser, ours
        return real

    def is_connected(self) -> bool:
        """Whether it can be used for another request: not if bytes have come that nobody asked for, or its end."""
        parser = self._parser
        is_idle = isinstance(parser, Parser) and parser.is_over
        return super().is_connected() and not (is_idle and self._has_unread())

    def yield_turn(self) -> None:
        """Read no more before others had their turn."""
        if self.transport is not None and not self._reading_paused:
            self.transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        """Unless the reader of the body has no room: then it knows when to go on."""
        if self.transport is not None and not self._reading_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        parser = self._parser
        if isinstance(parser, Parser):
            parser.was_reset = exc is not None
            if parser.has_junk:
                self.set_exception(BadHttpMessage("the answer does not begin as HTTP does"))
        super().connection_lost(exc)

    def _has_unread(self) -> bool:
        """Asks the system: the loop may not have come to it yet. Browsers do so before they use a connection again."""
        if self._readable is None:
            socket = None if self.transport is None else self.transport.get_extra_info("socket")
            if socket is None:
                return False
            self._readable = _readable(socket.fileno())
        return bool(self._readable())


def _readable(descriptor: int) -> Callable[[], object]:
    """Gives something true if there is something to read. It is made once for a connection: some loops are slow to tell
    the number.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)


class Parser:
    """Cuts what comes over one connection into heads and bodies for the *real* parser. Made for one request."""

    # of the class: most answers change none of these, and one object is made for each
    _head = b""
    _interim = 0
    _left = 0
    _chunks: Chunks
    _payload: StreamReader | None = None
    _ends_with_connection = False
    is_over = False
    """The answer has come as a whole, or was given up."""
    was_reset = False
    """The connection ended with an error."""

    def __init__(self, protocol: Protocol, real: Any) -> None:  # Any: see Protocol.real_parser
        self._protocol = protocol
        self._real = real
        self._take: Callable[[Parser, bytes], _Fed] = Parser._take_first
        """What is done with the next bytes. A bound method would be a cycle for each answer, left to the collector."""

    def feed_data(self, raw: bytes) -> _Fed:
        if not raw:  # the reader of the body has room again
            fed: _Fed = self._real.feed_data(raw)
            return fed
        return self._take(self, raw)

    def feed_eof(self) -> Any:  # Any: what the library says of an unfinished head; nobody reads it
        if self.is_over and self._is_unfinished():
            self._real.feed_data(b"")  # it has all of the body: its reader gets it now, room or not
        if self.is_over or self._payload is None:
            return None
        if self._ends_with_connection and self.was_reset:
            raise TransferEncodingError("the connection was reset")
        return self._real.feed_eof()

    def pause_reading(self) -> None:
        self._real.pause_reading()

    @property
    def has_junk(self) -> bool:
        """Whether the connection ended before it was clear that this is no HTTP."""
        head = self._head.lower()
        return _begin_of_http(head) is None and not _HTTP.startswith(head)

    def _take_first(self, raw: bytes) -> _Fed:
        """The usual answer goes to the real parser as it came, which is the fastest.

        If there is anything unusual about it, another parser begins anew, and is given it piece by piece.
        """
        self._take = Parser._take_head
        end = _end_of_usual(raw)
        if not end:
            return self._take_head(raw)
        try:
            messages = self._real.feed_data(raw)[0]
        except Exception:  # whatever it dislikes: if it has reason to, it will say so once more
            messages = ()
        if len(messages) != 1 or not _is_usual(messages[0][0]):
            self._real = self._protocol.real_parser()
            return self._take_head(raw)
        message, payload = messages[0]
        self._begin_body(message, payload, len(raw) - end)
        return messages, False, b""

    def _take_head(self, raw: bytes) -> _Fed:
        """Heads of the 1xx kind, up to the one that counts, and what of its body came with it."""
        messages: list[tuple[RawResponseMessage, StreamReader]] = []
        raw, known = self._head + raw, len(self._head)
        while True:
            begin = _begin_of_http(raw)
            if begin is None:
                if len(raw) >= _JUNK + len(_HTTP):
                    raise BadHttpMessage("the answer does not begin as HTTP does")
                break
            found = _END_OF_HEAD.search(raw, max(known - 2, begin))
            if (found.end() if found else len(raw)) > HEAD_LIMIT:
                raise BadHttpMessage(f"the headers have more than {HEAD_LIMIT} bytes")
            if found is None:
                break
            message, payload = self._parsed(raw[begin : found.end()])
            messages.append((message, payload))
            raw, known = raw[found.end() :], 0
            if message.code >= 200 or message.code < 100:
                self._head = b""
                self._begin_body(message, payload, 0)
                if raw:
                    self._take(self, raw)
                return messages, False, b""
            self._count_interim(message)
        self._head = raw
        return messages, False, b""

    def _parsed(self, head: bytes) -> tuple[RawResponseMessage, StreamReader]:
        try:
            (only,) = self._real.feed_data(head)[0]
            if not only[0].chunked and hdrs.TRANSFER_ENCODING in only[0].headers:
                raise BadHttpMessage("an unusual transfer encoding")  # whose meaning browsers agree on
        except Exception:  # whatever it dislikes: if it has reason to, it will say so once more
            self._real = self._protocol.real_parser()
            self._protocol.force_close()  # who writes such a head may be wrong about its end, too
            try:
                (only,) = self._real.feed_data(mended(head))[0]
            except Unmendable as error:
                raise BadHttpMessage(str(error)) from error
        result: tuple[RawResponseMessage, StreamReader] = only
        return result

    def _count_interim(self, message: RawResponseMessage) -> None:
        self._interim += 1
        if message.code == 101:
            raise BadHttpMessage("the server changes to a protocol that nobody asked for")
        if self._interim > _INTERIM_LIMIT:
            raise BadHttpMessage(f"more than {_INTERIM_LIMIT} interim answers")

    def _begin_body(self, message: RawResponseMessage, payload: StreamReader, come: int) -> None:
        """Read on as the head says; the real parser has *come* bytes of what follows it already."""
        self._payload = payload
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        if payload is EMPTY_PAYLOAD or message.code in EMPTY_BODY_STATUS_CODES:
            length = "0"
        elif message.chunked:
            self._chunks = Chunks()
            self._take = Parser._take_chunks
            return
        if length is None:
            self._ends_with_connection = True
            self._take = Parser._take_rest
            return
        self._left = int(length) - come
        self._take = Parser._take_sized
        if self._left <= 0:
            self._end(has_surplus=self._left < 0)

    def _take_sized(self, raw: bytes) -> _Fed:
        surplus = len(raw) - self._left
        if surplus < 0:
            self._left = -surplus
        else:
            self._end(has_surplus=surplus > 0)
            raw = raw[: self._left] if surplus else raw
        self._real.feed_data(raw)
        return _NOTHING

    def _take_rest(self, raw: bytes) -> _Fed:
        fed: _Fed = self._real.feed_data(raw)
        return fed

    def _take_chunks(self, raw: bytes) -> _Fed:
        """The real parser gets one well-formed chunk for all that are in *raw*."""
        before = self._chunks.tiny
        try:
            body, surplus = self._chunks.take(raw)
        except BadChunk as error:
            self._give_up(MalformedBody(str(error)))
            return _NOTHING
        if self._chunks.tiny - before > _TINY_AT_ONCE:
            self._protocol.yield_turn()
        last = b""
        if self._chunks.is_over:
            self._end(has_surplus=bool(surplus))
            last = b"0\r\n\r\n"
        if body:
            last = b"%x\r\n%b\r\n%b" % (len(body), body, last)
        if last:
            self._real.feed_data(last)
        return _NOTHING

    def _end(self, *, has_surplus: bool) -> None:
        """The answer is whole with what the real parser has, or is given next: it may let go of the connection then."""
        self.is_over = True
        self._take = Parser._take_surplus
        if has_surplus:
            self._protocol.force_close()

    def _give_up(self, error: Exception) -> None:
        if self._payload is not None:
            self._payload.set_exception(error)
        self.is_over = True
        self._payload = None
        self._take = Parser._take_surplus
        self._take_surplus(b"")

    def _take_surplus(self, _: bytes) -> _Fed:
        self._protocol.force_close()
        if self._protocol.transport is not None and not self._is_unfinished():
            self._protocol.transport.close()
        return _NOTHING

    def _is_unfinished(self) -> bool:
        """Whether the real parser still holds a part of the body, until its reader has room."""
        return self._payload is not None and not self._payload.is_eof()


_HTTP = b"http"


def _end_of_usual(raw: bytes) -> int:
    """Where the first head ends; 0 if it, or what came with it, is not of the usual kind."""
    end = raw.find(b"\r\n\r\n") + 4
    if end < 4 or len(raw) > _AT_ONCE or not raw.startswith(b"HTTP/1.1 "):
        return 0
    if raw.find(b"\n\r\n", 0, end) != end - 3 or raw.find(b"\n\n", 0, end) >= 0:
        return 0  # it ends before, at a bare line feed
    return 0 if raw.find(b"hunked", 0, end) >= 0 else end


def _is_usual(message: RawResponseMessage) -> bool:
    return message.code >= 200 and hdrs.TRANSFER_ENCODING not in message.headers


def _begin_of_http(raw: bytes) -> int | None:
    """Where the status line begins; None if it does not, or not yet."""
    if raw.startswith(b"HTTP"):
        return 0
    found = raw[: _JUNK + len(_HTTP)].lower().find(_HTTP)
    return found if found >= 0 else None
