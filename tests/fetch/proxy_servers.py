"""Little proxies for tests: HTTP (absolute-form and CONNECT) and SOCKS5, with and without a password."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Hook = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


class LittleProxy:
    """Whatever host it is asked for, it connects to 127.0.0.1, so that tests can use made-up names."""

    def __init__(self, user: str = "", password: str = "", answer: bytes | None = None) -> None:
        """*answer* is said to everybody, instead of being a proxy; empty hangs up."""
        self.user, self.password, self.answer = user, password, answer
        self.heads: list[str] = []
        """Of each request that it could read."""
        self.targets: list[tuple[str, int]] = []
        self.connections = 0
        self.scheme = "http"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        userinfo = f"{self.user}:{self.password}@" if self.user else ""
        return f"{self.scheme}://{userinfo}127.0.0.1:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        if tls is not None:
            self.scheme = "https"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._talks.discard(talk)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                return
            if self.user and f"Proxy-Authorization: {basic(self.user, self.password)}\r\n" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                continue
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                await self._tunnel(host, int(port), reader, writer)
                return
            await self._forward(target, head, writer)

    async def _tunnel(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.targets.append((host, port))
        try:
            to_host = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(reader, writer, *to_host)

    async def _forward(self, url: str, head: str, writer: asyncio.StreamWriter) -> None:
        authority, _, path = url.removeprefix("http://").partition("/")
        host, _, port = authority.partition(":")
        self.targets.append((host, int(port or 80)))
        from_host, to_host = await asyncio.open_connection("127.0.0.1", int(port or 80))
        lines = [line for line in head.split("\r\n")[1:-2] if not line.lower().startswith("proxy-")]
        method = head.split(" ", 1)[0]
        to_host.write("\r\n".join([f"{method} /{path} HTTP/1.1", *lines, "Connection: close", "", ""]).encode())
        writer.write(await from_host.read())
        await writer.drain()
        to_host.close()
        await to_host.wait_closed()


class LittleSocks(LittleProxy):
    """RFC 1928 and 1929."""

    def __init__(self, user: str = "", password: str = "", reply: int = 0) -> None:
        super().__init__(user, password)
        self.scheme = "socks5"
        self.reply = reply

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 2 if self.user else 0
        writer.write(bytes([5, wanted if wanted in methods else 255]))
        if self.user and not await self._knows(reader, writer):
            return
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.targets.append((host, port))
        writer.write(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        await writer.drain()
        if not self.reply:
            await relay(reader, writer, *await asyncio.open_connection("127.0.0.1", port))

    async def _knows(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        right = (user.decode(), password.decode()) == (self.user, self.password)
        writer.write(bytes([1, 0 if right else 1]))
        await writer.drain()
        return right


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    from_host: asyncio.StreamReader,
    to_host: asyncio.StreamWriter,
) -> None:
    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    try:
        await asyncio.gather(copy(reader, to_host), copy(from_host, writer))
    finally:
        to_host.close()
        with contextlib.suppress(OSError):
            await to_host.wait_closed()


@asynccontextmanager
async def running(*proxies: LittleProxy, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    for proxy in proxies:
        await proxy.start(tls)
    try:
        yield
    finally:
        for proxy in proxies:
            await proxy.stop()
