"""Plays damaged answers to a fetcher, and tells as JSON what became of them: ``python playing.py ANSWERS SEED``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Self

from endpoints import ENDPOINTS
from inputs import octets

from crawler.errors import FetchError
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.request import Request
from crawler.response import Response

TIMEOUT = 2.0
"""Seconds. An answer that says that more is to come, and does not come, waits for it."""
AT_ONCE = 50
MiB = 1024 * 1024
WORDS = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"HTTP/1.1 ", b"HTTP/1.0", b"http", b"200", b"304", b"100 Continue", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"Content-Length: ", b"Content-Length: 12\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Content-Encoding: zstd\r\n", b"Content-Encoding: deflate\r\n", b"Set-Cookie: a=b; Path=/\r\n", b"Location: /a\r\n", b"Connection: close\r\n", b"keep-alive", b"0\r\n\r\n", b"c\r\n<p>hello</p>\r\n", b"fffffffff\r\n", b"Upgrade: h2c\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"Cache-Control: max-age=9\r\n"]  # fmt: skip
SOURCE = octets([endpoint.reply for endpoint in ENDPOINTS if len(endpoint.reply) < 50_000], WORDS)


class Server:
    """Answers the request for ``/123`` with the 123rd damaged answer, in pieces, and ends the connection or keeps it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1_000)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        number = int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1][1:])
        random = Random(f"{self._seed} {number}")
        reply = SOURCE.random(random)
        size = random.choice((1, 7, 100, 5_000)) if len(reply) < 1_000 else 1_000
        for begin in range(0, len(reply), size):
            if writer.transport.is_closing():  # the client has seen enough
                return False
            writer.write(reply[begin : begin + size])
            if size < 1_000:
                await asyncio.sleep(0)
        await writer.drain()
        end = random.random()
        if end < 0.1:
            linger = writer.get_extra_info("socket")
            linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        return end > 0.97


async def play(answers: int, seed: int) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    strange: list[str] = []
    longest = 0.0
    numbers = iter(range(answers))
    asyncio.get_running_loop().set_exception_handler(lambda _, context: strange.append(repr(context)[:500]))
    before = _sockets()
    async with Server(seed) as server:
        options = FetchOptions(
            timeout=TIMEOUT, read_timeout=TIMEOUT, connect_timeout=TIMEOUT, max_body=MiB, allow_private_hosts=True
        )
        fetcher = HttpFetcher(options)

        async def work() -> None:
            nonlocal longest
            for number in numbers:
                begun = time.monotonic()
                try:
                    response = await fetcher.fetch(Request(f"http://127.0.0.1:{server.port}/{number}"))
                    assert isinstance(response, Response)
                    assert len(response.body) <= MiB
                    outcomes["pages"] += 1
                except FetchError as error:
                    outcomes["failures"] += 1
                    outcomes[error.reason] += 1
                    if error.reason in ("invalid_request", "fetch_error"):
                        strange.append(f"{number}: {error!r}"[:500])
                except Exception as error:
                    strange.append(f"{number}: {error!r}"[:500])
                longest = max(longest, time.monotonic() - begun)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        await fetcher.close()
    await asyncio.sleep(0.1)
    gc.collect()
    return {
        "answers": answers,
        "strange": strange[:20],
        "longest": longest,
        "sockets_before": before,
        "sockets_after": _sockets(),
        "pages": outcomes["pages"],
        "failures": outcomes["failures"],
        "outcomes": outcomes,
    }


def _sockets() -> int:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return 0
    links = [os.readlink(entry) for entry in folder.iterdir() if entry.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(asyncio.run(play(int(sys.argv[1]), int(sys.argv[2])))))
