"""Every endpoint of the table is played, in one piece and byte for byte, and the outcome is the one of the table."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from endpoints import ENDPOINTS, sized

from crawler.errors import FetchError
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
NEXT = b"<p>the next page</p>"
DESCRIPTORS = Path("/proc/self/fd")


def playing(by_byte: bool) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A server of all endpoints: ``/12`` is number 12, and any other path an ordinary page."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1][1:]
            if not path.isdigit():
                writer.write(sized(body=NEXT))
                continue
            endpoint = ENDPOINTS[int(path)]
            await say(writer, endpoint.reply, by_byte)
            if endpoint.then == "reset":
                await asyncio.sleep(0.05)  # a reset may overtake what was sent before
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
            if endpoint.then != "keep":
                return

    return talk


async def say(writer: asyncio.StreamWriter, reply: bytes, by_byte: bool) -> None:
    size = (1 if len(reply) < 2_000 else 997) if by_byte else len(reply) or 1
    for begin in range(0, len(reply), size):
        if writer.transport.is_closing():  # the client has seen enough
            return
        writer.write(reply[begin : begin + size])
        await asyncio.sleep(0)
    await writer.drain()


async def outcome(fetcher: HttpFetcher, url: str) -> tuple[int, bytes | str]:
    """Status and body, or the reason of the failure."""
    try:
        response = await fetcher.fetch(Request(url))
    except FetchError as error:
        return 200, error.reason
    return response.status, response.body


@pytest.mark.parametrize("by_byte", [False, True], ids=["at once", "byte for byte"])
@pytest.mark.parametrize("number", range(len(ENDPOINTS)), ids=[endpoint.name for endpoint in ENDPOINTS])
async def test_an_endpoint_ends_as_the_table_says_and_poisons_nothing(
    raw_server: StartRaw, open_fetcher: OpenFetcher, number: int, by_byte: bool
) -> None:
    server = await raw_server(playing(by_byte))
    fetcher = open_fetcher(timeout=10)
    expected = ENDPOINTS[number]
    assert await outcome(fetcher, f"{server.url}{number}") == (expected.status, expected.ours)
    assert await outcome(fetcher, f"{server.url}next") == (200, NEXT)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="only Linux counts the open files of a process there")
async def test_no_endpoint_leaves_a_socket_behind(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(playing(by_byte=False))
    fetcher = open_fetcher(timeout=10)
    before = len(os.listdir(DESCRIPTORS))
    await asyncio.gather(*(outcome(fetcher, f"{server.url}{number}") for number in range(len(ENDPOINTS))))
    await fetcher.close()
    for _ in range(100):
        if len(os.listdir(DESCRIPTORS)) <= before:
            break
        await asyncio.sleep(0.01)  # the server sees each end in its own time
    assert len(os.listdir(DESCRIPTORS)) <= before


def test_most_of_what_a_browser_shows_is_stored() -> None:
    shown = [endpoint for endpoint in ENDPOINTS if endpoint.browser == "shows"]
    stored = [endpoint for endpoint in shown if isinstance(endpoint.ours, bytes)]
    assert (len(ENDPOINTS), len(shown), len(stored)) == (285, 197, 184)


def test_what_broke_off_is_never_a_page() -> None:
    for endpoint in ENDPOINTS:
        if "half of" in endpoint.name or "breaks off" in endpoint.name or "too short" in endpoint.name:
            assert endpoint.ours in {"truncated_body", "disconnected"}, endpoint.name


def test_each_endpoint_has_a_name_of_its_own() -> None:
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)


# What no table has: the same answers with a few bytes changed, cut out, doubled or swapped.


def mutated(reply: bytes, chance: random.Random) -> bytes:
    raw = bytearray(reply)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(raw) + 1), chance.randint(1, 8)
        match chance.randrange(4):
            case 0:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del raw[at : at + length]
            case 2:
                raw[at:at] = raw[at : at + length]
            case 3:
                raw[at:at] = chance.choice([b"\r\n", b"\n", b"\0", b":", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"\xff"])
    return bytes(raw)


@pytest.mark.parametrize("seed", range(3))
async def test_a_mutated_answer_is_a_page_or_an_error_of_ours_and_poisons_nothing(
    raw_server: StartRaw, open_fetcher: OpenFetcher, seed: int
) -> None:
    chance = random.Random(seed)
    short = [endpoint.reply for endpoint in ENDPOINTS if 0 < len(endpoint.reply) < 2_000]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"/next" not in await reader.readuntil(b"\r\n\r\n"):
            reply = mutated(chance.choice(short), chance)
            half = chance.randrange(len(reply) + 1)
            writer.write(reply[:half])
            await asyncio.sleep(0)
            writer.write(reply[half:])
            if chance.random() < 0.7:  # else it waits for another request, as if all were well
                return
        writer.write(sized(body=NEXT))

    server = await raw_server(talk)
    wild, tame = open_fetcher(timeout=1), open_fetcher(timeout=20)

    async def ask() -> None:
        _, ended = await outcome(wild, server.url)
        assert ended not in {"fetch_error", "invalid_request", "connect"}
        assert await outcome(tame, f"{server.url}next") == (200, NEXT)

    await asyncio.gather(*(ask() for _ in range(250)))
    for _ in range(20):  # over the connections that were kept
        assert await outcome(wild, f"{server.url}next") == (200, NEXT)
