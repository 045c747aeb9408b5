"""A machine of the internet, what is inside, and who was dialled.

The internet is played by 127.0.0.9, the one address that the setting lets through: a name that leads there is a public
name, and its pages are public pages. Whatever else a crawl dials is inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from aiohttp.abc import AbstractResolver, ResolveResult

INTERNET = "127.0.0.9"

_LISTENING: list[Dialled] = []
_IS_HOOKED: list[bool] = []


class Dialled(list[tuple[str, int]]):
    """Every address that any socket of this process was connected to, in order."""

    def inside(self, *ports: int) -> list[tuple[str, int]]:
        """Those that are not the internet's, nor at one of *ports*."""
        return [(ip, port) for ip, port in self if ip != INTERNET and port not in ports]


@contextlib.contextmanager
def listening() -> Iterator[Dialled]:
    """Hears of every ``connect``, of whatever library, before it happens. What would leave this machine is stopped."""
    if not _IS_HOOKED:
        sys.addaudithook(_hear)  # it can never be taken away, and does nothing while nobody listens
        _IS_HOOKED.append(True)
    dialled = Dialled()
    _LISTENING.append(dialled)
    try:
        yield dialled
    finally:
        _LISTENING.remove(dialled)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _LISTENING or args[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    ip, port = args[1][:2]
    for dialled in _LISTENING:
        dialled.append((ip, port))
    if not ip.startswith("127.") and ip not in ("::1", "::", "0.0.0.0"):
        raise ConnectionRefusedError(f"a test was about to dial {ip}")


class Form(NamedTuple):
    """A way to write an address that is inside."""

    host: str
    """As a page writes it in a URL."""
    ip: str
    """As a name server answers it."""


FORMS = (
    Form("127.0.0.1", "127.0.0.1"),
    Form("localhost", "127.0.0.1"),
    Form("[::1]", "::1"),
    Form("[::]", "::"),
    Form("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
    Form("2130706433", "127.0.0.1"),
    Form("0x7f000001", "127.0.0.1"),
    Form("0177.0.0.1", "127.0.0.1"),
    Form("127.1", "127.0.0.1"),
    Form("0", "0.0.0.0"),
    Form("①②⑦.⓪.⓪.①", "127.0.0.1"),
    Form("127。0。0。1", "127.0.0.1"),
    Form("169.254.169.254", "169.254.169.254"),
    Form("100.64.0.1", "100.64.0.1"),
    Form("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
    Form("[2002:7f00:1::]", "2002:7f00:1::"),
    Form("[::127.0.0.1]", "::127.0.0.1"),
    Form("[fec0::1]", "fec0::1"),
    Form("[fe80::1%25lo]", "fe80::1%lo"),
)
"""The nineteen."""


class Names(AbstractResolver):
    """What *answer* gives for a name; a name that it gives nothing for is on the internet."""

    def __init__(self, answer: Callable[[str], Sequence[str]] = lambda _: ()) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0)
            for ip in self.answer(host) or (INTERNET,)
        ]

    async def close(self) -> None:
        """Nothing is open."""


Answer = Callable[[str, str], bytes]
"""Gives the answer to a request, from its Host (without the port) and its path."""


class Server:
    """HTTP at several addresses of this machine, at one port."""

    def __init__(self, answer: Answer, *, closes: bool = False) -> None:
        self.answer = answer
        self.closes = closes
        self.asked: list[tuple[str, str]] = []
        """Host and path of each request."""
        self.connections: list[str] = []
        """The address that each came to."""
        self.port = 0
        self._servers: list[asyncio.Server] = []
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self, *ips: str, port: int = 0) -> None:
        self.port = port
        for ip in ips:
            self._servers.append(await asyncio.start_server(self._accept, ip, self.port, backlog=1000))
            self.port = self._servers[-1].sockets[0].getsockname()[1]

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer.get_extra_info("sockname")[0])
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    path = head.split(" ", 2)[1]
                    hosts = [line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")]
                    self.asked.append((hosts[0].rpartition(":")[0] or hosts[0], path))
                    writer.write(self.answer(*self.asked[-1]))
                    await writer.drain()
                    if self.closes:
                        return
        finally:
            self._talks.discard(talk)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


def reply(body: str = "ok", *lines: str, status: str = "200 OK", kind: str = "text/html; charset=utf-8") -> bytes:
    data = body.encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(data)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + data


def moved(location: str) -> bytes:
    return reply("", f"Location: {location}", status="302 Found")


MISSING = reply("", status="404 Not Found")
