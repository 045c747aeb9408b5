"""Serve a folder from memory over HTTP/1.1 with keep-alive: for machines without nginx.

Run as ``python file_server.py FOLDER PORT``; ends on SIGTERM. It knows GET and nothing else: no ranges, no
validators, no queries.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_TYPES = {".html": b"text/html", ".txt": b"text/plain"}
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"


def load(folder: Path) -> dict[bytes, bytes]:
    """Every file's complete answer, by its request target."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {b"/" + file.relative_to(folder).as_posix().encode(): _answer(file) for file in files}


def _answer(file: Path) -> bytes:
    body = file.read_bytes()
    kind = _TYPES.get(file.suffix, b"application/octet-stream")
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


class Connection(asyncio.Protocol):
    """One client. Requests have no body, so each ends at the first empty line."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            _, target, _ = request.split(b" ", 2)
            self._transport.write(self._answers.get(target, _NOT_FOUND))


async def serve(folder: Path, port: int) -> None:
    """Answer until cancelled."""
    answers = load(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answers), "127.0.0.1", port, backlog=4096
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
