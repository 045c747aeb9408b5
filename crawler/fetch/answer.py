"""One answer, read as browsers read it.

aiohttp's parser, which reads the heads, is strict where browsers are not: it refuses a line without a colon, two equal
lengths, a length beside ``chunked``. And bytes that come after an answer it takes for the answer to the next request of
that connection. So it is given heads alone; how a body is framed, and where it ends, is decided here:

Rule 1: what a server sends beyond an answer costs the connection, and is never the beginning of another one.
Rule 2: a head that the parser takes is not touched; one that it refuses is mended if browsers show it.
Rule 3: a body that breaks off or is malformed is an error of that body, at once: never a wait, never a success.
Rule 4: who waits is woken once for a short page: nobody needs its head before its end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import ClientOSError, ClientPayloadError, ServerDisconnectedError, hdrs
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage

from crawler.fetch.chunks import BadChunk, Chunks
from crawler.fetch.mend import mended

HEAD_LIMIT = 256 * 1024
"""Bytes of all headers of an answer, as Chrome allows. The same for one of them: it may be the only one."""
HEADERS_LIMIT = 10_000
"""Headers of an answer. Browsers have no limit but the one above."""
AT_ONCE = 64 * 1024
"""Bytes of a short body: its reader is woken when it is whole."""
_INTERIM_LIMIT = 100
"""Answers of the 1xx kind before the real one. Some sites send a dozen early hints; a flood never ends."""
_JUNK = 4
"""Bytes before "HTTP" that are skipped, as Chrome does: servers send an empty line too many."""
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_FRAMING = re.compile(rb"\n(?:transfer-encoding|content-length[ \t])", re.IGNORECASE)
"""What the parser heeds and does not tell as such: it takes a space behind a name for a part of it."""
_HELD = 256 * 1024
"""Bytes of a body that nobody has read yet, past which no more are taken from the server."""
_TINY_AT_ONCE = 1_000
"""Tiny chunks, about 1 ms of work, after which others have their turn before more is read. A fast loop would read on
thirty-two times: half a second of them."""
_HTTP = b"http"


class MalformedBody(ClientPayloadError):
    """The chunks of a body are none."""


class Heads:
    """Reads the heads of answers, of all connections: each is handed over as a whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser: Any = None  # the library's, whose two kinds have no common type

    def read(self, head: bytes) -> RawResponseMessage:
        """
        :raises Exception: whatever the library dislikes about *head*
        """
        parser = self._parser or self._made()
        self._parser = None
        ((message, _),) = parser.feed_data(head)[0]
        if not message.should_close and message.code >= 200:
            self._parser = parser  # it begins anew. Otherwise, and after an error, it takes nothing any more
        found: RawResponseMessage = message
        return found

    def _made(self) -> Any:
        return HttpResponseParser(
            None,  # the protocol, which it needs for bodies alone
            self._loop,
            _HELD,
            response_with_body=False,
            auto_decompress=False,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            max_headers=HEADERS_LIMIT,
        )


class Asked(Protocol):
    """The connection that an answer comes over, as far as the answer is concerned."""

    loop: asyncio.AbstractEventLoop
    heads: Heads

    @property
    def writing_paused(self) -> bool:
        """Whether the request is not sent yet."""

    def stop_reading(self) -> None: ...

    def continue_reading(self) -> None: ...

    def yield_turn(self, answer: Answer) -> None:
        """Read no more before others had their turn."""

    def end_answer(self, keeps: bool) -> None:
        """The answer is whole: what comes now is none of it."""

    def hang_up(self) -> None:
        """End it. Twice is once."""


class Answer:
    """One answer: what comes over its line goes in, and its reader takes it out."""

    __slots__ = (
        "_at_once",
        "_chunks",
        "_error",
        "_head",
        "_held",
        "_interim",
        "_is_awaited",
        "_keeps",
        "_left",
        "_line",
        "_pieces",
        "_take",
        "_waiter",
        "come",
        "content_length",
        "headers",
        "heard",
        "is_over",
        "is_paused",
        "message",
        "method",
        "status",
    )

    def __init__(self, line: Asked, method: str, at_once: int) -> None:
        """
        :param at_once: bytes of a body with a length up to which it is short
        """
        self.method = method
        self.message: RawResponseMessage | None = None
        self.status = 0
        """0 until the head has come."""
        self.content_length: int | None = None
        """As the head says it."""
        self.heard = 0.0
        """When something came last, or the request was sent, by the loop's clock."""
        self.come = 0
        """Bytes of the body, packed if it is."""
        self.is_over = False
        """All of it has come; not all need be read."""
        self.is_paused = False
        """Nothing is taken from the server until what has come is read."""
        self._line = line
        self._at_once = at_once
        self._take: Callable[[Answer, bytes], None] = Answer._take_head
        """What is done with the next bytes. A bound method would be a cycle for each answer, left to the collector."""
        self._head = b""
        self._interim = 0
        self._left = 0
        self._chunks: Chunks | None = None
        self._keeps = True
        self._pieces: list[bytes] = []
        self._held = 0
        self._is_awaited = False
        """The body is short, and its reader sleeps until it is whole."""
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_expected(self) -> bool:
        """Whether the server is to say something: not while it is being told, nor while nothing is taken from it."""
        return not (self.is_over or self.is_paused or self._line.writing_paused)

    # The reader's side.

    async def arrive(self) -> RawResponseMessage:
        """Wait until the head has come, and of a short page all.

        :raises HttpProcessingError: it is no head
        :raises ServerDisconnectedError, ClientOSError: the connection ended before it was whole
        """
        while self.message is None or self._is_awaited:
            if self._error is not None:
                raise self._error
            await self._wait()
        return self.message

    async def readany(self) -> bytes:
        """What has come of the body, at least a byte; nothing at its end.

        :raises ClientPayloadError: it broke off or is malformed, and all that came before is read
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.is_over:
                return b""
            await self._wait()
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        """What has come of the body and is not read yet."""
        pieces = self._pieces
        read = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._held = 0
        if self.is_paused:
            self.is_paused = False
            self.heard = self._line.loop.time()
            self._line.continue_reading()
        return read

    def close(self) -> None:
        """Nobody reads on. What has not come yet costs the connection."""
        if not self.is_over:
            self.is_over = True
            self._line.hang_up()

    async def _wait(self) -> None:
        self._waiter = self._line.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The line's side.

    def feed(self, raw: bytes) -> None:
        try:
            self._take(self, raw)
        except HttpProcessingError as error:
            self._fail(error)
        except BadChunk as error:
            self._fail(MalformedBody(str(error)))

    def lose(self, reason: BaseException | None) -> None:
        """The connection has ended; *reason* is None if it did so in order."""
        if self.is_over:
            return
        if self.message is None:
            self._fail(self._why_no_head(reason))
        elif self._chunks is not None:
            self._fail(ClientPayloadError("Not enough data to satisfy transfer length header."))
        elif self.content_length is not None and self._take is Answer._take_sized:
            whole = self.content_length
            received = f"(received {whole - self._left} of {whole} bytes)"
            self._fail(ClientPayloadError(f"Not enough data to satisfy content length header {received}."))
        elif reason is not None:
            self._fail(ClientPayloadError("the connection was reset"))
        else:
            self._end()

    def _why_no_head(self, reason: BaseException | None) -> BaseException:
        head = self._head.lower()
        if _begin_of_http(head) is None and not _HTTP.startswith(head):
            return BadHttpMessage("the answer does not begin as HTTP does")
        if reason is None:
            return ServerDisconnectedError()
        return ClientOSError(*reason.args) if isinstance(reason, OSError) else reason

    def _take_head(self, raw: bytes) -> None:
        """Heads of the 1xx kind, up to the one that counts, and what of its body came with it."""
        known = len(self._head)
        if known:
            raw = self._head + raw
        while True:
            begin = _begin_of_http(raw)
            if begin is None:
                if len(raw) >= _JUNK + len(_HTTP):
                    raise BadHttpMessage("the answer does not begin as HTTP does")
                break
            found = _END_OF_HEAD.search(raw, max(known - 2, begin))
            end = found.end() if found else len(raw)
            if end > HEAD_LIMIT:
                raise BadHttpMessage(f"the headers have more than {HEAD_LIMIT} bytes")
            if found is None:
                break
            message = self._parsed(raw[begin:end])
            if message.code >= 200 or message.code < 100:
                self._head = b""
                rest = raw[end:]
                self._begin_body(message, has_more=bool(rest))
                if rest:
                    self._take(self, rest)
                return
            self._count_interim(message)
            raw, known = raw[end:], 0
        self._head = raw

    def _parsed(self, head: bytes) -> RawResponseMessage:
        try:
            message = self._line.heads.read(head)
            if not message.chunked and _is_misread(message, head):
                raise BadHttpMessage("an unusual transfer encoding, or length")  # whose meaning browsers agree on
        except Exception:  # whatever it dislikes: if it has reason to, it will say so once more
            self._keeps = False  # who writes such a head may be wrong about its end, too
            try:
                return self._line.heads.read(mended(head))
            except HttpProcessingError:
                raise
            except Exception as error:  # Unmendable, or whatever the library dislikes about what is mended
                raise BadHttpMessage(str(error)) from error
        return message

    def _count_interim(self, message: RawResponseMessage) -> None:
        self._interim += 1
        if message.code == 101:
            raise BadHttpMessage("the server changes to a protocol that nobody asked for")
        if self._interim > _INTERIM_LIMIT:
            raise BadHttpMessage(f"more than {_INTERIM_LIMIT} interim answers")

    def _begin_body(self, message: RawResponseMessage, *, has_more: bool) -> None:
        """Read on as the head says; there *has_more* come with it."""
        self.message, self.headers, self.status = message, message.headers, message.code
        if message.should_close:
            self._keeps = False
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        if length is not None:
            self.content_length = self._left = int(length)
        if self.method == "HEAD" or self.status in EMPTY_BODY_STATUS_CODES:
            self._left = 0
            self._take = Answer._take_sized
        elif message.chunked:
            self._chunks = Chunks()
            self._take = Answer._take_chunks
        elif length is None or self.method == "CONNECT":
            self._take = Answer._take_rest
        else:
            self._take = Answer._take_sized
            self._is_awaited = self._is_short()
        if self._take is Answer._take_sized and not self._left:
            self._take = Answer._take_surplus
            self._keeps = self._keeps and not has_more
            self._end()
        elif not self._is_awaited:
            self._wake()

    def _is_short(self) -> bool:
        """Whether its reader needs nothing of the head before the end: of a redirect he does, of a proxy's own answer,
        and of one that sets cookies, which are kept even if the body breaks off."""
        return (
            0 < self._left <= self._at_once
            and (self.status < 300 or self.status >= 400)
            and self.status != 407
            and hdrs.SET_COOKIE not in self.headers
        )

    def _take_sized(self, raw: bytes) -> None:
        surplus = len(raw) - self._left
        if surplus < 0:
            self._left = -surplus
            self._add(raw)
            return
        self._left = 0
        self._keeps = self._keeps and not surplus
        self._add(raw[:-surplus] if surplus else raw)
        self._end()

    def _take_rest(self, raw: bytes) -> None:
        self._add(raw)

    def _take_chunks(self, raw: bytes) -> None:
        chunks = self._chunks
        assert chunks is not None
        before = chunks.tiny
        body, surplus = chunks.take(raw)
        if body:
            self._add(body)
        if chunks.is_over:
            self._keeps = self._keeps and not surplus
            self._end()
        elif chunks.tiny - before > _TINY_AT_ONCE:
            self._line.yield_turn(self)

    def _take_surplus(self, _: bytes) -> None:
        """It is over, and its line was given back or has hung up: of what came with its end nothing is used."""

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.come += len(piece)
        self._held += len(piece)
        if self._is_awaited:
            return
        self._wake()
        if self._held > 2 * _HELD and not self.is_paused:
            self.is_paused = True
            self._line.stop_reading()

    def _end(self) -> None:
        self.is_over = True
        self._is_awaited = False
        if self.is_paused:
            self.is_paused = False
            self._line.continue_reading()
        self._line.end_answer(self._keeps)
        self._wake()

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._is_awaited = False
        self.is_over = True
        self._line.hang_up()
        self._wake()


def _is_misread(message: RawResponseMessage, head: bytes) -> bool:
    """Whether *head* tells more of its body than the parser says."""
    headers = message.headers
    return hdrs.TRANSFER_ENCODING in headers or (hdrs.CONTENT_LENGTH not in headers and bool(_FRAMING.search(head)))


def _begin_of_http(raw: bytes) -> int | None:
    """Where the status line begins; None if it does not, or not yet."""
    if raw.startswith(b"HTTP"):
        return 0
    found = raw[: _JUNK + len(_HTTP)].lower().find(_HTTP)
    return found if found >= 0 else None
