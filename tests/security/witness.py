"""A server that remembers every byte that it was sent: what a crawler gave away, nobody can talk away there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from typing import NamedTuple


class Seen(NamedTuple):
    """One request, as its bytes came."""

    host: str
    """The Host header, without the port."""
    path: str
    raw: bytes
    """Head and body."""

    def values(self, name: str) -> list[str]:
        """Each line of the header *name*."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].lower() == name.lower()]


Answer = Callable[[Seen], bytes]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def reply(body: bytes | str = b"ok", *lines: str, status: str = "200 OK") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    has_type = any(line.lower().startswith("content-type:") for line in lines)
    head = [f"HTTP/1.1 {status}", *(() if has_type else ("Content-Type: text/html",)), *lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def to(location: str, *lines: str, status: int = 302) -> bytes:
    return reply(b"", f"Location: {location}", *lines, status=f"{status} Elsewhere")


def nothing(_: Seen) -> bytes:
    return reply()


class Witness:
    """Keeps its connections open. ``robots.txt`` is never there, unless *answer* says otherwise."""

    def __init__(self, answer: Answer = nothing) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.connections = 0
        self.port = 0
        self.scheme = "http"
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    def origin(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def raw(self) -> bytes:
        return b"".join(seen.raw for seen in self.seen)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls, backlog=200)
        self.port = self._server.sockets[0].getsockname()[1]
        self.scheme = "https" if tls else "http"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                while True:
                    raw = await _request(reader)
                    writer.write(self._answered(raw))
                    await writer.drain()
                    if b"\r\nconnection: close" in raw.lower():
                        return
        finally:
            self._talks.discard(talk)
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    def _answered(self, raw: bytes) -> bytes:
        path = raw.split(b" ", 2)[1].decode("latin-1")
        seen = Seen("", path, raw)
        host = (seen.values("host") or [""])[0].rpartition(":")[0]
        self.seen.append(seen._replace(host=host))
        answered = self.answer(self.seen[-1])
        return reply(b"", status="404 No") if path == "/robots.txt" and answered == reply() else answered


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
