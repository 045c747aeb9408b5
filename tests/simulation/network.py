"""A network and a disk that are not there: what is asked is answered as the site has it, after a virtual while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from email.utils import formatdate
from random import Random
from typing import Protocol

from laws import Sent, Server
from sites import COOKIE, Fault, Origin, Resource, Site

from crawler.errors import ConnectFailed, Disconnected, DNSFailed, FetchTimeout, SinkError
from crawler.outcome import Record
from crawler.request import Request
from crawler.response import Cookie, Response, headers_of

_ERRORS = {"dns": DNSFailed, "connect": ConnectFailed, "timeout": FetchTimeout, "disconnected": Disconnected}


class Watcher(Protocol):
    """What the fakes need of the world around them."""

    is_dead: bool

    def now(self) -> float:
        """Seconds of the world's own time."""

    def log(self, *what: object) -> None:
        """Write down what happens."""

    def reach(self, moment: str) -> None:
        """*moment* has come: the crawl may die of it."""


class FakeFetcher:
    """Answers as the site has it. Its faults are its own: they come whoever asks."""

    def __init__(self, site: Site, server: Server, world: Watcher, rng: Random, slowness: float) -> None:
        """*slowness*: seconds that an answer takes at most, usually."""
        self._site = site
        self._server = server
        self._world = world
        self._rng = rng
        self._slowness = slowness
        self._resolved: set[str] = set()

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        world = self._world
        if world.is_dead:
            raise asyncio.CancelledError
        sent = self._server.begin(request.url, world.now())
        fault = self._fault(sent)
        try:
            world.reach("fetch")
            await self._pass(self._rng.choice([0.0, 0.0, 0.05]))
            if fault is not None and fault.reason in ("dns", "connect"):
                await self._pass(fault.seconds)
                raise _ERRORS[fault.reason](request.url, "as the site has it")
            self._send(sent, on_sent)
            await self._pass(self._rng.choice([0.0, self._rng.random() * self._slowness]))
            return await self._answer(sent, fault)
        except BaseException:
            self._end(sent, fault.reason if fault else "cancelled")
            raise

    def _send(self, sent: Sent, on_sent: Callable[[], None] | None) -> None:
        if self._world.is_dead:
            return
        self._server.sent(sent, self._world.now())
        self._resolved.add(sent.host.partition(":")[0])
        self._world.log("sent", sent.url)
        if on_sent is not None:
            on_sent()

    def _end(self, sent: Sent, fault: str | None) -> None:
        if not self._world.is_dead:
            self._server.end(sent, fault)
            self._world.log("answered", sent.url, fault)

    def _fault(self, sent: Sent) -> Fault | None:
        faulty: Resource | Origin = sent.page or sent.origin
        if faulty.always is not None:
            return faulty.always
        return faulty.faults.pop(0) if faulty.faults else None

    async def _answer(self, sent: Sent, fault: Fault | None) -> Response:
        if fault is not None:
            await self._pass(fault.seconds)
            if fault.reason in _ERRORS:
                self._server.failed(sent, self._world.now())
                raise _ERRORS[fault.reason](sent.url, "as the site has it")
            response = self._refusal(sent, fault)
        else:
            response = self._page(sent) if sent.page is not None else self._robots(sent)
        self._end(sent, fault.reason if fault else None)
        return response

    def _refusal(self, sent: Sent, fault: Fault) -> Response:
        if fault.reason == COOKIE:
            return Response(sent.url, 302, headers_of({"Location": sent.url}))
        status, now = int(fault.reason.removeprefix("http_")), self._world.now()
        if status != 500:
            wish = fault.retry_after
            if wish is not None and fault.as_date:
                wish = max(0.0, int(now + wish) - now)
            if not self._world.is_dead:
                self._server.refused(sent, wish, now)
            if wish is not None:
                text = formatdate(int(now + wish + 1e-6)) if fault.as_date else f"{wish:.0f}"
                return Response(sent.url, status, headers_of({"Retry-After": text}))
        return Response(sent.url, status, headers_of())

    def _page(self, sent: Sent) -> Response:
        page = sent.page
        assert page is not None
        if page.kind == "missing":
            return Response(sent.url, 404, headers_of())
        if page.kind == "moved" and page.target is not None:
            status = (301, 302, 303, 307, 308)[page.number % 5]
            return Response(sent.url, status, headers_of({"Location": page.target.url}))
        return Response(sent.url, 200, headers_of({"Content-Type": "application/json"}), page.body)

    def _robots(self, sent: Sent) -> Response:
        origin = sent.origin
        if origin.robots == "moved" and sent.url.endswith("/robots.txt"):
            return Response(sent.url, 301, headers_of({"Location": "/robots-of-this-site.txt"}))
        if not self._world.is_dead:
            self._server.robots(sent, self._world.now())
        if origin.robots == "none":
            return Response(sent.url, 404, headers_of())
        return Response(sent.url, 200, headers_of(), origin.body)

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)

    def address_of(self, hostname: str) -> str:
        """Known from the first request on, as with a resolver."""
        return self._site.addresses[hostname] if hostname in self._resolved else ""

    def new_cookies(self) -> list[Cookie]:
        return []

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """It sends none."""

    async def close(self) -> None:
        """Nothing is open."""


class Disk:
    """The outputs, as they lie there after a crash too."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}


class FakeSink:
    """An output on the fake disk. Each append may be the last thing that happens, at any byte."""

    def __init__(self, name: str, disk: Disk, world: Watcher, rng: Random, slowness: float) -> None:
        self.name = name
        self.fails_at = 0
        """The append that finds the disk full; 0 for none."""
        self._disk = disk
        self._world = world
        self._rng = rng
        self._slowness = slowness

    async def open(self, position: int | None) -> int:
        data = self._disk.files.setdefault(self.name, bytearray())
        if position is None:
            position = 0
        assert position <= len(data), f"{self.name} is shorter than what was committed"
        del data[position:]
        return position

    async def append(self, records: Sequence[Record]) -> int:
        world, data = self._world, self._disk.files[self.name]
        if world.is_dead:
            return 0
        lines = b"".join(record.data + b"\n" for record in records)
        self.fails_at -= 1
        if self.fails_at == 0:
            raise SinkError(self.name, "the disk is full")
        world.reach("before append")
        if world.is_dead:
            return 0
        torn = self._rng.randrange(len(lines))
        data += lines[:torn]
        world.reach("amid append")
        if self._slowness:
            await asyncio.sleep(self._rng.random() * self._slowness)
        if world.is_dead:
            return 0
        data += lines[torn:]
        world.log("appended", self.name, len(data))
        world.reach("after append")
        return len(data)

    async def close(self) -> None:
        """Nothing is open."""
