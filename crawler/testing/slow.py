"""Attacks on patience: servers that give little, or without end, and hold a connection for it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from crawler.testing.attack import ANYWHERE, BODY, Attack, Play, Visit, answer, head

_HURRY = {"timeout": 1.0}
"""Seconds for a page, so that these need not take the 30 of the default."""
_HANDSHAKE = {"connect_timeout": 1.0}
_CHUNKED = head("Transfer-Encoding: chunked")
_BLOCK = b"x" * 65_536
_CHUNK = b"10000\r\n" + _BLOCK + b"\r\n"


def _drip(begin: bytes, drops: bytes, seconds: float = 1.0) -> Play:
    """*begin* at once, then *drops* over and over, one in *seconds*."""

    async def play(visit: Visit) -> None:
        await visit.send(begin)
        while True:
            await visit.send(drops)
            await visit.rest(seconds)

    return play


def _flood(begin: bytes, wave: bytes) -> Play:
    """*begin*, then *wave* over and over, as fast as it is taken."""

    async def play(visit: Visit) -> None:
        await visit.send(begin)
        while True:
            await visit.send(wave)

    return play


def _silence(begin: bytes) -> Play:
    async def play(visit: Visit) -> None:
        await visit.send(begin)
        await visit.until_gone()

    return play


async def _drip_whole_answer(visit: Visit) -> None:
    for byte in answer():
        await visit.send(bytes([byte]))
        await visit.rest(0.3)


async def _stall_at_second(visit: Visit) -> None:
    """The first page of a connection is well, and leads to another; then nothing comes."""
    for number in itertools.count():
        await visit.next_request()
        path = visit.head.split(b" ", 2)[1]
        if path == b"/robots.txt":
            await visit.send(answer(b"", status="404 Not Found"))
        elif number > 1:
            await visit.until_gone()
        else:
            await visit.send(answer(b"", "Location: /next", status="302 Found"))


async def _accept_and_rest(visit: Visit) -> None:
    await visit.until_gone()


async def _drip_handshake(visit: Visit) -> None:
    """The beginning of a TLS record of 16 KB, a byte at a time."""
    for byte in itertools.chain(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", itertools.repeat(0)):
        await visit.send(bytes([byte]))
        await visit.rest(0.3)


async def _half_a_page(visit: Visit) -> None:
    await visit.send(head("Content-Length: 100000") + BODY)
    await asyncio.sleep(0.1)


_ROWS = (
    Attack("one byte a second in the body", _drip(head("Content-Length: 100000"), b"x"), "timeout", _HURRY),
    Attack("one byte a second in a body without length", _drip(head(), b"x"), "timeout", _HURRY),
    Attack("one chunk a second", _drip(_CHUNKED, b"1\r\nx\r\n"), "timeout", _HURRY),
    Attack("one byte of a chunk size a second", _drip(_CHUNKED, b"0"), "timeout", _HURRY),
    Attack("one byte of a trailer a second", _drip(_CHUNKED + b"1\r\nx\r\n0\r\nX-A: ", b"x"), "timeout", _HURRY),
    Attack("one byte a second in the headers", _drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"x"), "timeout", _HURRY),
    Attack("one header a second", _drip(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"), "timeout", _HURRY),
    Attack("one byte a third of a second in the status", _drip(b"HTTP/1.1 ", b" ", 0.3), "timeout", _HURRY),
    Attack("a whole answer at three bytes a second", _drip_whole_answer, "timeout", _HURRY),
    Attack("silence after the request", _silence(b""), "timeout", _HURRY),
    Attack("silence after the status line", _silence(b"HTTP/1.1 200 OK\r\n"), "timeout", _HURRY),
    Attack("silence after the headers", _silence(head("Content-Length: 12")), "timeout", _HURRY),
    Attack("silence before the last byte", _silence(answer()[:-1]), "timeout", _HURRY),
    Attack("silence before the last chunk", _silence(_CHUNKED + b"1\r\nx\r\n"), "timeout", _HURRY),
    Attack("silence before the end of the trailers", _silence(_CHUNKED + b"1\r\nx\r\n0\r\n"), "timeout", _HURRY),
    Attack("silence in the body of a 404", _silence(head("Content-Length: 12", status="404 No")), "timeout", _HURRY),
    Attack("silence past the longest silence", _silence(head()), "timeout", {"read_timeout": 1.0}),
    Attack("silence after accept", _accept_and_rest, "timeout", _HURRY, place=ANYWHERE),
    Attack("a second request that gets no answer", _stall_at_second, "timeout", _HURRY, place=ANYWHERE, requests=3),
    Attack("a robots.txt that never comes", _silence(b""), "timeout", _HURRY, place="/robots.txt"),
    Attack("a TLS handshake that stalls", _accept_and_rest, "connect", _HANDSHAKE, place=ANYWHERE, scheme="https"),
    Attack("a TLS handshake a byte at a time", _drip_handshake, "connect", _HANDSHAKE, place=ANYWHERE, scheme="https"),
    Attack("a body that stops half-way", _half_a_page, "truncated_body"),
    Attack("an endless body", _flood(head(), _BLOCK), "body_too_large"),
    Attack("an endless chunked body", _flood(_CHUNKED, _CHUNK), "body_too_large"),
    Attack("an endless chunk", _flood(_CHUNKED + b"7fffffffffffffff\r\n", _BLOCK), "body_too_large"),
    Attack("an endless chunk size", _flood(_CHUNKED, b"0" * 65_536), "malformed_response"),
    Attack("an endless chunk extension", _flood(_CHUNKED + b"1;a=", _BLOCK), "malformed_response"),
    Attack("endless chunk extensions", _flood(_CHUNKED, b"1;a=" + b"x" * 10_000 + b"\r\nx\r\n"), "malformed_response"),
    Attack("endless trailers", _flood(_CHUNKED + b"0\r\n", b"X-A: 1\r\n" * 5_000), "malformed_response"),
    Attack("an endless trailer", _flood(_CHUNKED + b"0\r\nX-A: ", _BLOCK), "malformed_response"),
    Attack("endless headers", _flood(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n" * 5_000), "malformed_response"),
    Attack("an endless header", _flood(b"HTTP/1.1 200 OK\r\nX-A: ", _BLOCK), "malformed_response"),
    Attack("an endless status line", _flood(b"HTTP/1.1 200 ", _BLOCK), "malformed_response"),
    Attack("endless empty lines", _flood(b"", b"\r\n" * 30_000), "malformed_response"),
    Attack("endless bytes that are no HTTP", _flood(b"", _BLOCK), "malformed_response"),
    Attack("a flood of 100 Continue", _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000), "malformed_response"),
    Attack(
        "a flood of early hints",
        _flood(b"", (b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"a" * 100_000 + b">\r\n\r\n")),
        "malformed_response",
    ),
    Attack("an interim answer a second", _drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "timeout", _HURRY),
    Attack("an endless body of a redirect", _flood(head("Location: /page", status="302 Found"), _BLOCK), requests=3),
    Attack("an endless body of a 404", _flood(head(status="404 Not Found"), _BLOCK), "body_too_large"),
    Attack("an endless body of a 204", _flood(head(status="204 No Content"), _BLOCK)),
    Attack("an endless answer after the answer", _flood(answer(), _BLOCK)),
    Attack("an endless robots.txt", _flood(head(type_="text/plain"), b"Disallow: /x\n" * 5_000), place="/robots.txt"),
)
ATTACKS = tuple(replace(row, alone=True) for row in _ROWS)
