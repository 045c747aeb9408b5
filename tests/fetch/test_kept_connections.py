"""What becomes of connections: kept, asked again, hung up."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from endpoints import PAGE, chunks, head, sized

from crawler.errors import Disconnected, FetchTimeout
from crawler.fetch import answer as answers
from crawler.fetch import lines, wire
from crawler.fetch.head import Origin
from crawler.fetch.http import HttpFetcher
from crawler.fetch.lines import Lines
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py


def lines_of(fetcher: HttpFetcher) -> Lines:
    (route,) = fetcher._routes._routes
    return route.lines


def counted(fetcher: HttpFetcher) -> list[tuple[int, int]]:
    """(open, resting) of each place."""
    return [(len(place.open), len(place.resting)) for place in lines_of(fetcher)._places.values()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def keeping_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sized())


async def body_of(fetcher: HttpFetcher, url: str, **fields: Any) -> bytes:
    return (await fetcher.fetch(Request(url, **fields))).body


async def test_as_many_connections_rest_as_were_needed_at_once(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server, fetcher = await raw_server(keeping_on), open_fetcher()
    for _ in range(3):
        await asyncio.gather(*(body_of(fetcher, f"{server.url}{number}") for number in range(5)))
    assert (server.connections, counted(fetcher)) == (5, [(5, 5)])


async def test_a_connection_that_the_server_ended_is_forgotten(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server, fetcher = await raw_server(sized()), open_fetcher()
    await body_of(fetcher, server.url)
    await until(lambda: counted(fetcher)[0][0] == 0)
    assert await body_of(fetcher, server.url) == PAGE
    assert server.connections == 2


async def test_one_that_rested_for_too_long_is_not_asked_and_then_nothing_is_known_of_its_origin(
    raw_server: StartRaw, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, fetcher = await raw_server(keeping_on), open_fetcher()
    await body_of(fetcher, server.url)
    lines_of(fetcher)._sweep()
    assert counted(fetcher) == [(1, 1)]
    monkeypatch.setattr(lines, "KEEP", -1.0)
    await body_of(fetcher, server.url)
    assert (server.connections, counted(fetcher)) == (2, [(1, 1)])
    lines_of(fetcher)._sweep()
    assert counted(fetcher) == []


async def test_nobody_is_forgotten_while_a_connection_is_made(
    raw_server: StartRaw, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, fetcher = await raw_server(keeping_on), open_fetcher()
    monkeypatch.setattr(lines, "KEEP", -1.0)
    fetching = asyncio.create_task(body_of(fetcher, server.url))
    await asyncio.sleep(0)
    lines_of(fetcher)._sweep()
    monkeypatch.undo()
    assert await fetching == PAGE
    assert counted(fetcher) == [(1, 1)]


async def test_an_answer_that_comes_before_it_is_asked_for_costs_the_connection(raw_server: StartRaw) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sized())
        await reader.read()

    server = await raw_server(talk)
    async with aiohttp.TCPConnector() as connector:
        wire.install(connector)
        there = Lines(connector, 5.0, lambda origin: Origin(origin, {}))
        place = there.place(server.url[:-1])
        line = await there._dial(place)
        await until(lambda: bool(line._early))
        answer = answers.Answer(line, "GET", answers.AT_ONCE)
        line.ask(b"GET / HTTP/1.1\r\n\r\n", answer, place.resting.append)
        await answer.arrive()
        assert (answer.status, answer.read_nowait()) == (200, PAGE)
        assert (len(place.open), len(place.resting)) == (0, 0)
        there.close()


async def test_who_answers_before_all_is_sent_loses_the_connection(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of sockets has it
        writer.write(sized())
        await asyncio.sleep(10)

    server, fetcher = await raw_server(talk), open_fetcher(timeout=5)
    assert await body_of(fetcher, server.url, method="POST", body=b"x" * 20_000_000) == PAGE
    assert counted(fetcher) == [(0, 0)]


async def test_time_that_a_long_body_takes_to_send_is_no_silence(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # as above
        await asyncio.sleep(0.6)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        size = 0
        while size < 20_000_000:
            size += len(await reader.read(2**20))
        writer.write(sized())

    server, fetcher = await raw_server(talk), open_fetcher(read_timeout=0.3, timeout=10)
    assert await body_of(fetcher, server.url, method="POST", body=b"x" * 20_000_000) == PAGE


async def test_silence_is_told_from_a_page_that_drips(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in sized():
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    server = await raw_server(talk)
    assert await body_of(open_fetcher(read_timeout=0.4), server.url) == PAGE
    with pytest.raises(FetchTimeout, match="no complete answer"):
        await body_of(open_fetcher(read_timeout=0.4, timeout=0.3), server.url)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_what_may_be_repeated_is_so_once(raw_server: StartRaw, open_fetcher: OpenFetcher, method: str) -> None:
    server, fetcher = await raw_server(b""), open_fetcher()
    with pytest.raises(Disconnected):
        await body_of(fetcher, server.url, method=method)
    assert server.connections == (1 if method == "POST" else 2)


async def test_many_silences_end_with_one_timer(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    server, fetcher = await raw_server(talk), open_fetcher(read_timeout=0.3)
    ended = await asyncio.gather(*(body_of(fetcher, server.url) for _ in range(100)), return_exceptions=True)
    assert [type(each) for each in ended] == [FetchTimeout] * 100
    assert counted(fetcher) == [(0, 0)]


@pytest.mark.parametrize("reply", [sized(), chunks(b"c\r\n" + PAGE + b"\r\n0\r\n\r\n"), head() + PAGE])
async def test_an_answer_leaves_no_cycle_behind(
    raw_server: StartRaw, open_fetcher: OpenFetcher, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    made: list[weakref.ref[answers.Answer]] = []

    class Watched(answers.Answer):
        __slots__ = ("__weakref__",)

        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(weakref.ref(self))

    monkeypatch.setattr(lines, "Answer", Watched)
    server, fetcher = await raw_server(reply), open_fetcher()
    gc.disable()
    try:
        assert await body_of(fetcher, server.url) == PAGE
        await asyncio.sleep(0)
        assert [answer() for answer in made] == [None]
    finally:
        gc.enable()
