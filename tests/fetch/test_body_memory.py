"""How much memory the bodies take that are fetched at once, and that nobody is lost who waits for some."""

import asyncio
import gzip
import json
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crawler.errors import BodyTooLarge, FetchError, FetchTimeout
from crawler.fetch.deadline import Deadline
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.room import FREE, Room
from crawler.request import Request

MiB = 1024 * 1024
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# --- the rule ---


async def holding(room: Room, size: int) -> None:
    with Deadline(60.0, 60.0) as deadline:
        await room.take(size, deadline)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Reader:
    """Reads pieces of 100 bytes of one body, when it is told to."""

    def __init__(self, room: Room) -> None:
        self.read = 0
        self._room = room
        self._steps: asyncio.Queue[int] = asyncio.Queue()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with Deadline(60.0, 60.0) as deadline:
            while step := await self._steps.get():
                await self._room.take(step, deadline)
                self.read += step

    async def reads(self, size: int) -> None:
        self._steps.put_nowait(size)
        await settled()

    async def ends(self) -> None:
        await self.reads(0)


async def test_all_read_on_while_there_is_room() -> None:
    room = Room(1_000, 1)
    readers = [Reader(room) for _ in range(4)]

    for reader in readers:
        await reader.reads(250)

    assert ([reader.read for reader in readers], room.held, room.waiting) == ([250] * 4, 1_000, 0)
    for reader in readers:
        await reader.ends()


async def test_past_that_one_at_a_time_reads_on() -> None:
    room = Room(1_000, 1)
    first, second, third = (Reader(room) for _ in range(3))
    await first.reads(600)
    await second.reads(600)
    await third.reads(600)
    await first.reads(600)

    assert (first.read, second.read, third.read) == (600, 600, 0)  # the second one was the first to wait
    await second.reads(5_000)
    assert second.read == 5_600
    await second.ends()
    assert (first.read, third.read, room.held) == (1_200, 0, 1_800)  # now the one that began first
    await first.ends()
    assert (third.read, room.held, room.waiting) == (600, 600, 0)
    await third.ends()
    assert room.held == 0


async def test_one_that_was_favoured_and_reads_no_more_keeps_the_others_waiting_for_a_moment_only() -> None:
    room = Room(1_000, 1)
    silent, other = Reader(room), Reader(room)
    await silent.reads(1_100)
    await other.reads(100)
    assert (silent.read, other.read) == (1_100, 0)

    async with asyncio.timeout(5.0):
        while not other.read:
            await asyncio.sleep(0.05)

    for reader in (silent, other):
        reader.task.cancel()
    await asyncio.gather(silent.task, other.task, return_exceptions=True)
    assert (room.held, room.waiting) == (0, 0)


async def test_what_was_taken_is_given_back_when_its_task_says_so() -> None:
    room = Room(1_000, 1)

    await holding(room, 1_000)
    assert room.held == 1_000
    room.release()

    assert room.held == 0


async def test_one_that_is_cancelled_while_it_waits_holds_nothing() -> None:
    room = Room(1_000, 1)
    first, second = Reader(room), Reader(room)
    await first.reads(1_100)
    await second.reads(1_100)

    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)

    assert (room.held, room.waiting) == (1_100, 0)
    await first.ends()


@pytest.mark.parametrize(("readers", "free"), [(1, FREE), (128, FREE), (1_024, 192 * 1024), (20_000, 64 * 1024)])
def test_what_is_free_is_bounded_for_all_readers_together(readers: int, free: int) -> None:
    assert Room(192 * MiB, readers).free == free


# --- deadlines ---


async def test_time_that_this_side_spends_is_not_the_servers() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no complete answer in 0\.2 s"), Deadline(0.2, 5.0) as deadline:
        deadline.pause()
        await asyncio.sleep(0.4)
        deadline.resume()
        await asyncio.sleep(5.0)

    assert 0.55 <= time.monotonic() - begun < 2.0
    assert deadline.waited >= 0.39


async def test_the_head_has_a_deadline_of_its_own() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="headers"), Deadline(60.0, 0.1):
        await asyncio.sleep(5.0)

    assert time.monotonic() - begun < 2.0


async def test_a_fetch_that_ends_as_its_time_does_leaves_no_cancellation_behind() -> None:
    with Deadline(0.0, 5.0) as deadline:
        deadline.pause()
        await settled()  # its timer came meanwhile
        deadline.resume()

    await asyncio.sleep(0)  # what the task waits for next is not what is ended


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        with Deadline(5.0, 5.0):
            await asyncio.sleep(5.0)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


# --- over the wire ---


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    talks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=200)
    try:
        yield "http://{}:{}".format(*listening.sockets[0].getsockname())
    finally:
        listening.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def answers(size: int, *, packed: bool = False) -> Talk:
    """*size* bytes for each request, as fast as they are read; nothing but a MiB of them is ever held here."""
    whole = gzip.compress(b"\0" * size) if packed else b""
    length = len(whole) if packed else size
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n" % length
    head += b"Content-Encoding: gzip\r\n\r\n" if packed else b"\r\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            writer.write(head)
            if path.startswith(b"/drip"):
                writer.write(b"x" * 2 * MiB)
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.1)
            if packed:
                writer.write(whole)
            for _ in range(0 if packed else size // MiB):
                writer.write(b"x" * MiB)
                await writer.drain()
            await writer.drain()

    return talk


CRAWL = """
import asyncio, json, sys
from crawler.assemble import assemble, build_spider
from crawler.config import SETTINGS, Settings
from crawler.spider import Spider

kept = []

class Sink:
    def __init__(self, name):
        self.name, self.records = name, 0
    async def open(self, position=None):
        return 0
    async def append(self, records):
        self.records += len(records)
        return self.records
    async def close(self):
        pass

class Big(Spider):
    start_urls = json.loads(sys.argv[1])
    def parse(self, page):
        if KEEP:
            kept.append(page)
        return {"size": len(page.body)}

KEEP = json.loads(sys.argv[3])

async def main():
    values = {name: setting.default for name, setting in SETTINGS.items()}
    more = {"obey_robots": False, "concurrency_per_host": 64, "retry_backoff": 0.01, **json.loads(sys.argv[2])}
    spider, sink = build_spider(Big, {}), Sink("sink")
    report = await assemble(spider, {}, Settings({**values, **more}, {}, {}), [sink, Sink("rejects")]).run()
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")][0]
    stats = report.stats
    print(json.dumps([stats.pages, dict(stats.failures), stats.retries, int(peak.split()[1]) / 1024]))

asyncio.run(main())
"""


async def crawl(urls: list[str], keep: bool = False, **settings: Any) -> tuple[int, dict[str, int], int, float]:
    """Pages, failures, retries, and MiB at the most, of a crawl in a process of its own."""
    words = [json.dumps(urls), json.dumps(settings), json.dumps(keep)]
    process = await create_subprocess_exec(sys.executable, "-c", CRAWL, *words, stdout=PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 50.0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    pages, failures, retries, peak = json.loads(out)
    print(f"{pages} pages, {failures}, {retries} retries, {peak:.0f} MiB")
    return pages, failures, retries, peak


HAS_STATUS = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


@HAS_STATUS
@pytest.mark.parametrize(("number", "packed"), [(64, False), (24, True)])
async def test_bodies_of_30_mib_that_come_at_once_take_half_a_gigabyte_at_most(number: int, packed: bool) -> None:
    async with server(answers(30 * MiB, packed=packed)) as url:
        pages, failures, _, peak = await crawl([f"{url}/{each}" for each in range(number)])

    assert (pages, failures) == (number, {})
    assert peak * MiB < 512e6


@HAS_STATUS
async def test_large_bodies_come_beside_hosts_that_hold_their_share_and_drip() -> None:
    async with server(answers(4 * MiB)) as url:
        urls = [f"{url}/drip{number}" for number in range(6)] + [f"{url}/{number}" for number in range(12)]
        pages, failures, _, _ = await crawl(urls, body_memory=6 * MiB, timeout=2.0, retries=0)

    assert (pages, failures) == (12, {"timeout": 6})


async def test_pages_that_a_spider_keeps_for_itself_hold_up_nobody() -> None:
    async with server(answers(4 * MiB)) as url:
        pages, failures, _, _ = await crawl([f"{url}/{number}" for number in range(20)], keep=True, body_memory=8 * MiB)

    assert (pages, failures) == (20, {})


async def test_a_body_that_is_longer_than_the_room_for_all_comes() -> None:
    async with server(answers(6 * MiB)) as url:
        pages, failures, _, _ = await crawl([f"{url}/{number}" for number in range(6)], body_memory=2 * MiB)

    assert (pages, failures) == (6, {})


async def test_one_that_waits_longer_than_its_timeout_is_not_given_up() -> None:
    async with server(answers(4 * MiB)) as url:
        room = Room(2 * MiB, 1)
        fetcher = HttpFetcher(FetchOptions(timeout=0.7, allow_private_hosts=True), room=room)
        holder = Reader(room)
        await holder.reads(3 * MiB)  # and is favoured for it

        fetching = asyncio.create_task(fetcher.fetch(Request(f"{url}/")))
        for _ in range(8):
            await asyncio.sleep(0.2)
            await holder.reads(100_000)
        assert (fetching.done(), room.waiting) == (False, 1)
        await holder.ends()
        response = await asyncio.wait_for(fetching, 5.0)
        await fetcher.close()

    assert len(response.body) == 4 * MiB
    assert response.elapsed < 1.5


async def test_a_body_that_is_too_large_is_so_with_or_without_room() -> None:
    async with server(answers(4 * MiB)) as url:
        fetcher = HttpFetcher(FetchOptions(max_body=2 * MiB, allow_private_hosts=True), room=Room(MiB, 1))
        with pytest.raises(BodyTooLarge):
            await fetcher.fetch(Request(f"{url}/"))
        await fetcher.close()


# --- answers that take their time ---


async def failure(talk: Talk, **options: float) -> FetchError:
    async with server(talk) as url:
        fetcher = HttpFetcher(FetchOptions(allow_private_hosts=True, **options))  # type: ignore[arg-type]
        with pytest.raises(FetchError) as caught:
            await asyncio.wait_for(fetcher.fetch(Request(f"{url}/")), 10.0)
        await fetcher.close()
    return caught.value


def drips(begin: bytes, piece: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return talk


async def test_headers_that_never_end_are_given_up_long_before_a_long_timeout() -> None:
    error = await failure(
        drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"), timeout=300.0, connect_timeout=0.2, read_timeout=0.2
    )

    assert (type(error), error.detail) == (FetchTimeout, "the headers took too long")


async def test_a_body_below_the_floor_is_given_up_long_before_a_long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.fetch.deadline.WINDOW", 0.4)
    begin = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

    error = await failure(drips(begin, b"x"), timeout=300.0, connect_timeout=0.2, read_timeout=0.2)

    assert (type(error), error.detail) == (FetchTimeout, "the body comes at less than 1024 bytes a second")


async def test_a_redirect_whose_body_drips_is_one_all_the_same() -> None:
    begin = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5000\r\n\r\n"
    async with server(drips(begin, b"x")) as url:
        fetcher = HttpFetcher(FetchOptions(allow_private_hosts=True))
        begun = time.monotonic()
        response = await fetcher.fetch(Request(f"{url}/"))
        await fetcher.close()

    assert (response.status, response.body) == (302, b"")
    assert time.monotonic() - begun < 3.0
