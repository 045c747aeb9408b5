"""A server that goes away for a while and comes back, on its port."""

import asyncio
import logging
import socket
import time
from typing import Any

import pytest
from crawling import crawled
from watching import Reply, WatchingServer

from crawler.spider import Spider

PATIENCE = 6.0
"""Seconds. The tries are then 0.05, 0.1, 0.2, 0.25 s apart, as they are 1, 2, 4, 5 s with two minutes."""


def pages(path: str, times: int) -> Reply:
    return Reply(404) if path == "/robots.txt" else Reply()


class ServerThatMayClose:
    """Answers on one port, as long as it is open. Its kept connections are closed with it."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.answered: list[float] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.answered.append(time.monotonic())
                writer.write(b"HTTP/1.1 200 -\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side, or this one, has closed
        finally:
            self._writers.discard(writer)
            writer.close()


async def crawl(server: ServerThatMayClose, count: int, **settings: Any) -> Any:
    class Visitor(Spider):
        start_urls = [f"http://127.0.0.1:{server.port}/{number}" for number in range(count)]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    return await crawled(Visitor, **{"delay": 0.02, "retries": 1, "outage_patience": PATIENCE, **settings})


async def test_a_server_that_comes_back_is_missed_by_no_url(caplog: pytest.LogCaptureFixture) -> None:
    server = ServerThatMayClose()
    await server.open()
    crawling = asyncio.create_task(crawl(server, 60))
    while len(server.answered) < 10:
        await asyncio.sleep(0.01)

    await server.close()
    await asyncio.sleep(1.5)
    await server.open()
    opened = time.monotonic()
    run = await asyncio.wait_for(crawling, 20.0)
    await server.close()

    assert (len(run.items), run.failures, run.reason) == (60, {}, "complete")
    assert run.report.stats.retries <= 1  # what was under way when the connection broke
    assert min(at for at in server.answered if at > opened) - opened < 0.5
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line.partition(" ")[2].split(":")[0] for line in said] == ["cannot be reached any more", "answers again"]


async def test_a_server_that_does_not_come_back_is_given_up() -> None:
    server = ServerThatMayClose()
    await server.open()
    crawling = asyncio.create_task(crawl(server, 30, outage_patience=1.0, retry_backoff=0.01))
    while len(server.answered) < 10:
        await asyncio.sleep(0.01)

    await server.close()
    closed = time.monotonic()
    run = await asyncio.wait_for(crawling, 20.0)

    assert (len(run.items) + run.failures["connect"] + run.failures.get("disconnected", 0), run.reason) == (
        30,
        "complete",
    )
    assert 1.0 <= time.monotonic() - closed < 5.0


async def test_a_server_that_never_answered_is_given_up_as_ever() -> None:
    with WatchingServer(pages) as gone:
        url = gone.url

    class Visitor(Spider):
        start_urls = [url]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    begun = time.monotonic()
    run = await crawled(Visitor, retries=2, retry_backoff=0.01)

    assert run.failures == {"connect": 1}
    assert time.monotonic() - begun < 1.0
