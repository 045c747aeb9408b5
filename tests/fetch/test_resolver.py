"""Names and their addresses: asked for once, remembered for a while."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver, ThreadedResolver

from crawler.errors import DNSFailed
from crawler.fetch import resolve
from crawler.fetch.http import HttpFetcher
from crawler.fetch.resolve import KEEP, KEEP_FAILURE, Resolver
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Names(AbstractResolver):
    """Answers from a dict, and notes what was asked. A name that is not there has no address."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): ips for name, ips in names.items()}
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_closed = False

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        self.asked.append(host)
        await self.may_answer.wait()
        if host not in self.names:
            raise OSError(None, "Domain name not found")
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0)
            for ip in self.names[host]
        ]

    async def close(self) -> None:
        self.is_closed = True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def ips(resolver: Resolver, host: str, port: int = 80) -> list[str]:
    results = await resolver.resolve(host, port)
    assert {(result["hostname"], result["port"]) for result in results} == {(host, port)}
    return [result["host"] for result in results]


async def test_a_name_is_asked_for_once_whatever_the_port() -> None:
    names = Names(a_test=["192.0.2.1", "2001:db8::1"])
    resolver = Resolver(names, Clock())
    assert await ips(resolver, "a.test", 80) == ["192.0.2.1", "2001:db8::1"]
    assert await ips(resolver, "a.test", 443) == ["192.0.2.1", "2001:db8::1"]
    assert [result["family"] for result in await resolver.resolve("a.test")] == [socket.AF_INET, socket.AF_INET6]
    assert [result["host"] for result in await resolver.resolve("a.test", 0, socket.AF_INET6)] == ["2001:db8::1"]
    assert names.asked == ["a.test"]


async def test_those_who_ask_at_once_share_one_question_and_may_leave() -> None:
    names = Names(a_test=["192.0.2.1"])
    names.may_answer.clear()
    resolver = Resolver(names, Clock())
    waiting = [asyncio.create_task(ips(resolver, "a.test")) for _ in range(1000)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in waiting[:500]:
        task.cancel()
    names.may_answer.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert answers[500:] == [["192.0.2.1"]] * 500
    assert names.asked == ["a.test"]


async def test_an_address_is_believed_for_five_minutes_and_the_first_one_stays_first() -> None:
    clock, names = Clock(), Names(a_test=["192.0.2.1", "192.0.2.2"])
    resolver = Resolver(names, clock)
    await ips(resolver, "a.test")
    names.names["a.test"] = ["192.0.2.2", "192.0.2.1"]
    clock.now = KEEP - 1
    assert await ips(resolver, "a.test") == ["192.0.2.1", "192.0.2.2"]
    assert len(names.asked) == 1
    clock.now = KEEP + 1
    assert await ips(resolver, "a.test") == ["192.0.2.1", "192.0.2.2"]
    assert len(names.asked) == 2
    names.names["a.test"] = ["192.0.2.9"]
    clock.now = 3 * KEEP
    assert resolver.address_of("a.test") == "192.0.2.1"
    assert await ips(resolver, "a.test") == ["192.0.2.9"]
    assert resolver.address_of("a.test") == "192.0.2.9"


@pytest.mark.parametrize(
    ("hostname", "address"),
    [
        ("a.test", "192.0.2.1"),
        ("A.test.", "192.0.2.1"),
        ("b.test", ""),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
    ],
)
async def test_the_address_of_a_name_is_known_once_it_was_asked_for(hostname: str, address: str) -> None:
    resolver = Resolver(Names(a_test=["192.0.2.1", "192.0.2.2"]), Clock())
    await ips(resolver, "a.test")
    assert resolver.address_of(hostname) == address


async def test_a_dead_name_is_asked_for_once_in_a_while_and_heals_within_seconds() -> None:
    clock, names = Clock(), Names()
    resolver = Resolver(names, clock)
    for number in range(1000):
        clock.now = number / 1000
        with pytest.raises(OSError, match="Domain name not found"):
            await resolver.resolve("dead.test")
    assert names.asked == ["dead.test"]
    assert KEEP_FAILURE <= 3.0
    names.names["dead.test"] = ["192.0.2.1"]
    clock.now = KEEP_FAILURE
    assert await ips(resolver, "dead.test") == ["192.0.2.1"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "a.localhost", "b.a.localhost."])
async def test_localhost_is_this_machine_and_nobody_is_asked(name: str) -> None:
    names = Names()
    resolver = Resolver(names, Clock())
    assert (await ips(resolver, name))[0] == "127.0.0.1"
    assert resolver.address_of(name) == "127.0.0.1"
    assert names.asked == []


async def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "_NAMES", 10)
    monkeypatch.setattr(resolve, "_FAILURES", 10)
    names = Names(**{f"h{number}_test": ["192.0.2.1"] for number in range(20)})
    resolver = Resolver(names, Clock())
    for number in range(20):
        await ips(resolver, f"h{number}.test")
        with pytest.raises(OSError):
            await resolver.resolve(f"dead{number}.test")
    assert (len(resolver._known), len(resolver._failed), len(resolver._pending)) == (10, 10, 0)
    assert (resolver.address_of("h0.test"), resolver.address_of("h19.test")) == ("", "192.0.2.1")


async def test_closing_ends_what_is_under_way() -> None:
    names = Names()
    names.may_answer.clear()
    resolver = Resolver(names, Clock())
    waiting = asyncio.create_task(resolver.resolve("a.test"))
    await asyncio.sleep(0)
    await resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert names.is_closed


async def test_without_aiodns_the_system_is_asked_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host != "a.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", port, 0, 0)),
        ]

    monkeypatch.setattr(resolve, "DefaultResolver", ThreadedResolver)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    resolver = Resolver()
    assert await ips(resolver, "a.test") == ["192.0.2.1", "2001:db8::1"]
    with pytest.raises(OSError, match="Name or service not known"):
        await resolver.resolve("b.test")
    await resolver.close()


class LittleDns(asyncio.DatagramProtocol):
    """A name server: *names* have their address, every other name does not exist."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.asked: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name, question = ".".join(labels), data[12 : at + 5]
        is_a = data[at + 1 : at + 3] == b"\0\1"
        self.asked.append(name)
        ip = self.names.get(name)
        answers = 1 if ip and is_a else 0
        reply = data[:2] + (b"\x81\x80" if ip else b"\x81\x83") + bytes([0, 1, 0, answers, 0, 0, 0, 0]) + question
        if answers:
            reply += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(str(ip))
        self.transport.sendto(reply, sender)


async def test_a_crawl_over_a_real_name_server(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(
        lambda: LittleDns({"a.test": "127.0.0.1"}), local_addr=("127.0.0.1", 0)
    )
    port = server.transport.get_extra_info("sockname")[1]
    page = await raw_server(OK)
    inner = AsyncResolver(nameservers=[f"127.0.0.1:{port}"], timeout=2, tries=1)
    fetcher = open_fetcher(resolver=Resolver(inner))
    assert fetcher.address_of("a.test") == ""
    for _ in range(5):
        assert (await fetcher.fetch(Request(f"http://a.test:{page.port}/"))).status == 200
    assert fetcher.address_of("a.test") == "127.0.0.1"

    async def dead() -> None:
        with pytest.raises(DNSFailed):
            await fetcher.fetch(Request(f"http://dead.test:{page.port}/"))

    await asyncio.gather(*(dead() for _ in range(200)))
    await dead()
    assert server.asked.count("a.test") <= 2  # A and AAAA
    assert server.asked.count("dead.test") <= 2
    await fetcher.close()
    server.transport.close()
