"""Addresses of host names: one look-up for all who ask at once, remembered for a while.

aiohttp's own memory is not used: it forgets failures at once, asks once more for each port of a host, and dials the
addresses of a host by turns, so that nobody can say which one is asked how often.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver, DefaultResolver

KEEP = 300.0
"""Seconds that an address is believed."""
PATIENCE = 20.0
"""Seconds that a look-up may take. Who asks has less: it goes on meanwhile for those who ask again."""
KEEP_HANGING = 60.0
"""Seconds for which nobody asks again after such a one: its thread, if it has one, is not free yet."""
KEEP_FAILURE = 2.0
"""Seconds that a failure is: a thousand URLs of a dead name are one question, and an outage that ends is over soon."""
_NAMES = 100_000
"""Names that are remembered; past that the one asked for longest ago goes. They take 38 MiB: a crawl of that many hosts
would else look each of them up again within the five minutes."""
_FAILURES = 10_000
_THREADS = 64
"""Without aiodns: a look-up takes a thread, and half of them may wait for a dead server. Measured: 1,783 names/s."""
_LOOPBACK = ("127.0.0.1", "::1")


class Resolver(AbstractResolver):
    """Wraps another resolver: aiodns where it is installed, else the system's own in threads."""

    def __init__(self, inner: AbstractResolver | None = None, clock: Callable[[], float] | None = None) -> None:
        """*inner* and *clock* are for tests: other answers, and another time, in seconds."""
        self._inner = inner
        self._clock = clock or asyncio.get_running_loop().time
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._pending: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._loopback = _LOOPBACK if _has_ipv6() else _LOOPBACK[:1]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """
        :raises OSError: the name has no address, or nobody could be asked
        """
        ips = self._remembered(host)
        if ips is None:
            ips = await self._wait_for(host)
        return [_result(host, ip, port) for ip in ips if family in (socket.AF_UNSPEC, _family(ip))]

    def address_of(self, hostname: str) -> str:
        """The address that *hostname* is reached at; empty if nobody has asked for it yet."""
        name = _name(hostname)
        if name is None:
            return hostname.strip("[]")
        known = self._known.get(name)
        return known[1][0] if known is not None else ""

    async def close(self) -> None:
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if self._inner is not None:
            await self._inner.close()

    def _remembered(self, host: str) -> tuple[str, ...] | None:
        now = self._clock()
        name = _name(host) or host
        known = self._known.get(name)
        if known is not None and now < known[0]:
            self._known.move_to_end(name)
            return known[1]
        if f".{name}".endswith(".localhost"):  # RFC 6761, section 6.3: this machine, and nobody is asked
            return self._remember(name, self._loopback)
        failed = self._failed.get(name)
        if failed is not None and now < failed[0]:
            raise OSError(None, failed[1])
        return None

    async def _wait_for(self, host: str) -> tuple[str, ...]:
        """The look-up that is under way, else a new one; whoever stops waiting does not end it for the others."""
        name = _name(host) or host
        task = self._pending.get(name)
        if task is None:
            task = self._pending[name] = asyncio.create_task(self._look_up(name, host))
            task.add_done_callback(partial(self._finished, name))
        return await asyncio.shield(task)

    def _finished(self, name: str, task: asyncio.Task[tuple[str, ...]]) -> None:
        self._pending.pop(name, None)
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits any more

    async def _look_up(self, name: str, host: str) -> tuple[str, ...]:
        """*host* is *name* as it was written: a dot at its end keeps the search list of this machine out."""
        if self._inner is None:
            self._inner = _system()
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._inner.resolve(host, 0, socket.AF_UNSPEC)
        except TimeoutError as error:
            words = f"no answer of the name service in {PATIENCE:.0f} s"
            self._fail(name, words, KEEP_HANGING)
            raise OSError(None, words) from error
        except OSError as error:
            words = error.strerror or str(error)
            self._fail(name, words, KEEP_FAILURE)
            raise OSError(None, words) from error
        ips = tuple(dict.fromkeys(result["host"] for result in found))
        if not ips:
            raise OSError(None, "the name has no address")
        return self._remember(name, ips)

    def _fail(self, name: str, words: str, seconds: float) -> None:
        self._failed[name] = (self._clock() + seconds, words)
        self._failed.move_to_end(name)
        if len(self._failed) > _FAILURES:
            self._failed.popitem(last=False)

    def _remember(self, name: str, ips: tuple[str, ...]) -> tuple[str, ...]:
        """The address that was dialled before stays the first one, while the name still has it."""
        known = self._known.get(name)
        if known is not None and known[1][0] in ips:
            first = known[1][0]
            ips = (first, *(ip for ip in ips if ip != first))
        self._known[name] = (self._clock() + KEEP, ips)
        self._known.move_to_end(name)
        if len(self._known) > _NAMES:
            self._known.popitem(last=False)
        self._failed.pop(name, None)
        return ips


class _Threads(AbstractResolver):
    """The system's own resolver, in threads of its own: the loop's few are for files."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        return [_result(host, str(place[0]), port) for _, _, _, _, place in found]

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _system() -> AbstractResolver:
    if DefaultResolver is AsyncResolver:
        with suppress(RuntimeError):  # aiodns on Windows, with an event loop that it cannot use
            return AsyncResolver()
    return _Threads()


def _result(host: str, ip: str, port: int) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=ip, port=port, family=_family(ip), proto=0, flags=flags)


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def _name(hostname: str) -> str | None:
    """*hostname* as the memory has it; None for an address, which needs no looking up."""
    if ":" in hostname or hostname.rpartition(".")[2].isdigit():
        return None
    return hostname.lower().removesuffix(".")


def _has_ipv6() -> bool:
    """Whether this machine can be reached at ``[::1]``: containers often have IPv4 alone."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
