"""A site on many loopback addresses that answers as late as its URLs say; for the benchmarks of large crawls.

Run as ``python latency_server.py PORT ADDRESSES PAGES``; ends on SIGTERM. ``/200/17`` is page 17, which comes 200 ms
after it was asked for. A page links to its two children in a binary tree of PAGES pages, and to four that most crawls
have met already; with PAGES 0 the tree has no end, and there are no others. ``/robots.txt`` allows everything, at once.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
_ROBOTS = b"User-agent: *\nAllow: /\n"
_LETTERS = str.maketrans("0123456789", "aeioubdgkl")
_BACKLOG = 65_535
"""Connections that wait to be taken, at each address; the kernel has a bound of its own (net.core.somaxconn, 4,096 by
default), past which a client tries again after a second: 10,000 that come at once want several addresses."""


def address_of(number: int) -> str:
    """The loopback address of that number, from 0 on."""
    return f"127.0.{number // 250}.{number % 250 + 1}"


def body_of(milliseconds: int, number: int, pages: int) -> bytes:
    """Page *number*, 300 bytes with its links. No other one says what it says: it is no trap."""
    links = targets(number, pages)
    anchors = "".join(f'<li><a href="/{milliseconds}/{target}">{target}</a>\n' for target in links)
    word = f"{number * 7919 % 1_000_003:06}{number}".translate(_LETTERS)
    text = f"<!doctype html><title>Page {number}</title>\n<p>This page is about {word}.\n<ul>\n"
    return (text + anchors).encode()


def targets(number: int, pages: int) -> list[int]:
    """The pages that page *number* links to."""
    if not pages:
        return [number * 2 + 1, number * 2 + 2]
    children = [child for child in (2 * number + 1, 2 * number + 2) if child < pages]
    return [*children, 0, number // 2, number * 31 % pages // 4, number * 17 % pages // 4]


class Connection(asyncio.Protocol):
    """One client. Requests have no body, and none is sent before the last one was answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pages: int) -> None:
        self._loop = loop
        self._pages = pages
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        target = self._received.split(b" ", 2)[1]
        self._received = b""
        if target == b"/robots.txt":
            self._answer(b"text/plain", _ROBOTS)
            return
        _, wait, page = target.split(b"/")
        body = body_of(int(wait), int(page), self._pages)
        if wait == b"0":
            self._answer(b"text/html; charset=utf-8", body)
        else:
            self._loop.call_later(int(wait) / 1000, self._answer, b"text/html; charset=utf-8", body)

    def _answer(self, kind: bytes, body: bytes) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return  # whoever asked is gone
        self._transport.write(_HEAD % (kind, len(body)) + body)


async def serve(port: int, addresses: int, pages: int) -> None:
    """Answer until cancelled."""
    loop = asyncio.get_running_loop()
    hosts = [address_of(number) for number in range(addresses)]
    server = await loop.create_server(lambda: Connection(loop, pages), hosts, port, backlog=_BACKLOG)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:4])))
