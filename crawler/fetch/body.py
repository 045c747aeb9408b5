"""The body of an answer: unpacked, counted while it streams, and whole or an error."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import hdrs

from crawler.errors import BodyTooLarge, MalformedResponse, TruncatedBody
from crawler.fetch.answer import Answer
from crawler.fetch.coding import STEP, Decoder, Undecodable, decoder_of
from crawler.fetch.deadline import Deadline
from crawler.fetch.room import Room

_DRAIN = 64 * 1024
"""Bytes of a redirect's body that are read to keep its connection; a longer one costs the connection."""
_DRAIN_SECONDS = 1.0
"""So does a slower one. A new connection takes less."""


async def read_body(
    answer: Answer, url: str, limit: int, room: Room | None = None, deadline: Deadline | None = None
) -> bytes:
    """The body, unpacked; no more than *limit* bytes and one step of a decoder are ever held.

    :param room: what all who read have together; the calling task gives back what it takes of that. It takes a *deadline*
    :raises BodyTooLarge: it has more than *limit* bytes, or says so
    :raises TruncatedBody: its packed stream has no end
    :raises MalformedResponse: it cannot be unpacked
    """
    announced = 0 if answer.method == "HEAD" else answer.content_length or 0
    if announced > limit:
        raise BodyTooLarge(url, f"the body has {announced} bytes; max_body is {limit}")
    try:
        decoder = _decoder_for(answer)
        if decoder is None:
            return await _plain(answer, _Size(url, limit, room, deadline))
        return await _unpacked(answer, decoder, _Size(url, limit, room, deadline))
    except Undecodable as error:
        raise _malformed(url, error) from error


async def read_head(answer: Answer, url: str, limit: int) -> bytes:
    """The first *limit* bytes of the body, unpacked. What follows is left where it is, and costs the connection.

    :raises TruncatedBody: its packed stream ends before both its end mark and *limit*
    :raises MalformedResponse: it cannot be unpacked
    """
    head = bytearray()
    try:
        decoder = _decoder_for(answer)
        while raw := await answer.readany():
            for piece in (raw,) if decoder is None else decoder.unpack(raw):
                head += piece
                if len(head) >= limit:
                    return bytes(head[:limit])
    except Undecodable as error:
        raise _malformed(url, error) from error
    if decoder is not None:
        _check_end(decoder, url)
    return bytes(head)


async def drain(answer: Answer, deadline: Deadline) -> bytes:
    """Nobody needs the body of a redirect: a short one is read, so that its connection can be used again."""
    if answer.is_over:
        return b""
    deadline.pause()  # nothing is lost if no more comes
    length = answer.content_length
    if length is not None and length <= _DRAIN:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await answer.readany():
                    pass
        except (aiohttp.ClientError, TimeoutError):
            pass  # what matters, the Location, has come
    return b""


def _decoder_for(answer: Answer) -> Decoder | None:
    """What unpacks the body; None if it comes as it is.

    :raises Undecodable: nothing here does
    """
    if hdrs.CONTENT_ENCODING not in answer.headers:
        return None
    return decoder_of(answer.headers.getall(hdrs.CONTENT_ENCODING))


class _Size:
    """What a body has, so far."""

    __slots__ = ("_counted", "_deadline", "_room", "limit", "unnoticed", "url")

    def __init__(self, url: str, limit: int, room: Room | None, deadline: Deadline | None) -> None:
        self.url = url
        self.limit = limit
        self.unnoticed = limit if room is None else min(limit, room.free)
        """Bytes past which :meth:`note` is to be called."""
        self._room = room
        self._deadline = deadline
        self._counted = 0

    async def note(self, size: int) -> None:
        """The body has *size* bytes by now. Waits while there is no room for more.

        :raises BodyTooLarge: those are too many
        """
        if size > self.limit:
            raise _too_large(self.url, self.limit)
        if self._room is not None and self._deadline is not None:
            more, self._counted = size - self._counted, size
            await self._room.take(more, self._deadline)


async def _plain(answer: Answer, bound: _Size) -> bytes:
    pieces = []
    size = 0
    unnoticed = bound.unnoticed
    while piece := await answer.readany():
        size += len(piece)
        if size > unnoticed:
            await bound.note(size)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _unpacked(answer: Answer, decoder: Decoder, bound: _Size) -> bytes:
    pieces = []
    size = packed = rested = 0
    url, limit, unnoticed = bound.url, bound.limit, bound.unnoticed
    while raw := await answer.readany():
        packed += len(raw)
        if packed > limit + limit // 16 + 1024:  # what cannot be packed grows a little; junk after the end counts, too
            raise _too_large(url, limit)
        for piece in decoder.unpack(raw):
            size += len(piece)
            if size > unnoticed:
                await bound.note(size)
            pieces.append(piece)
            if size - rested >= STEP:
                rested = size
                await asyncio.sleep(0)  # a bomb does not keep the others waiting
    _check_end(decoder, url)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check_end(decoder: Decoder, url: str) -> None:
    if not decoder.is_whole:
        raise TruncatedBody(url, "the packed body ends before its end mark")


def _malformed(url: str, error: Undecodable) -> MalformedResponse:
    return MalformedResponse(url, f"the body cannot be unpacked: {error}")


def _too_large(url: str, limit: int) -> BodyTooLarge:
    return BodyTooLarge(url, f"the body has more than max_body = {limit} bytes")
