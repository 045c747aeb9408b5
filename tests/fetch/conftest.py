"""Servers that an honest library would refuse to be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from certificates import Certificates

from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Says to each request what *answer* holds (bytes), or lets a coroutine function have the connection."""

    def __init__(self, answer: bytes | Talk) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self.scheme = "http"
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        """The head of each, as it came."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls, backlog=1000)
        self.scheme = "https" if tls else "http"
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """The head of the next request on a connection."""
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        return self.requests[-1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if callable(self._answer):
                    await self._answer(reader, writer)
                else:
                    await self.head(reader)
                    writer.write(self._answer)
                    await writer.drain()
        finally:
            self._talks.discard(talk)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """Starts servers from bytes or a coroutine function; closed at the end of the test."""
    servers: list[RawServer] = []

    async def start(answer: bytes | Talk, tls: ssl.SSLContext | None = None) -> RawServer:
        server = RawServer(answer)
        await server.start(tls)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def open_fetcher() -> AsyncIterator[Callable[..., HttpFetcher]]:
    """Makes fetchers that may reach this machine; closed at the end of the test."""
    fetchers: list[HttpFetcher] = []

    def open_one(*, hosts: Any = None, resolver: Any = None, **options: object) -> HttpFetcher:
        fetchers.append(HttpFetcher(FetchOptions(**{"allow_private_hosts": True, **options}), hosts, resolver))
        return fetchers[-1]

    yield open_one
    for fetcher in fetchers:
        await fetcher.close()
