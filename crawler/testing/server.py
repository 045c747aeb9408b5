"""The server that plays attacks: raw sockets on 127.0.0.1, where an honest library would refuse.

Rule 1: nothing is sent to a visitor who has gone, and nobody is held longer than ``LONGEST``.
Rule 2: what is sent waits until what was sent before has left: the server's own memory does not grow.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from html import escape
from typing import Self

from crawler.testing.attack import ANYWHERE, HARMLESS, Attack, Visit, answer

HOST = "127.0.0.1"
LONGEST = 300.0
"""Seconds of one connection: longer than any client's patience, and not for ever."""
LABELS = (
    "A label says what becomes of the attack in a crawl by a callback that asks page.css(), and page.json() of JSON: "
    "stored, skipped (it leads outside of allowed_hosts, or ever deeper), or the reason of a failure, told of the URL it led to last."
)
COMMAND = "crawl spider.py --set timeout=5 --set connect_timeout=2 --set retries=0 --set trap_pages=50"
"""A command line with limits that let a crawl of all attacks end within a minute."""
_HEAD_LIMIT = 1024 * 1024
"""Bytes of a request's head."""
_NOTHING_HERE = answer(b"<h1>Not found</h1>", status="404 Not Found")
_PAGE = answer()


class AttackServer:
    """Plays *families* (name -> attacks) between ``start()`` and ``close()``."""

    def __init__(self, families: Mapping[str, tuple[Attack, ...]], port: int = 0) -> None:
        """
        :param port: of the common server; 0 takes any free one
        """
        self._port = port
        self._families = families
        self._attacks = {f"/{family}/{slug(a.name)}/": a for family, attacks in families.items() for a in attacks}
        self._urls: dict[str, str] = {}
        self._servers: list[asyncio.Server] = []
        self._talks: set[asyncio.Task[None]] = set()
        self._index = b""
        self._is_closed = False
        self.root = ""
        """The URL of a page that links to every attack."""

    async def start(self) -> None:
        """
        :raises OSError: the port is taken
        """
        self._is_closed = False
        try:
            self.root = f"http://{HOST}:{await self._listen(self._port, None)}/"
            for path, attack in self._attacks.items():
                has_own = attack.alone or attack.place
                origin = (
                    f"{attack.scheme}://{HOST}:{await self._listen(0, attack)}" if has_own else self.root.rstrip("/")
                )
                self._urls[attack.name] = origin + ("/" if attack.place else path)
        except BaseException:
            await self.close()
            raise
        self._index = self._index_page()

    async def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        self._is_closed = True
        for server in self._servers:
            server.close()
        self._servers.clear()
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def url(self, name: str) -> str:
        """Where the attack of that name begins.

        :raises KeyError: there is none
        """
        return self._urls[name]

    async def _listen(self, port: int, attack: Attack | None) -> int:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._accept(reader, writer, attack)

        server = await asyncio.start_server(accept, HOST, port, limit=_HEAD_LIMIT, backlog=1024)
        self._servers.append(server)
        chosen: int = server.sockets[0].getsockname()[1]
        return chosen

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, attack: Attack | None) -> None:
        talk = asyncio.current_task()
        if talk is None or self._is_closed:  # somebody who came in while the door was being shut
            writer.transport.abort()
            return
        self._talks.add(talk)
        try:
            async with asyncio.timeout(LONGEST):
                await self._talk(reader, writer, attack)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # visitors come and go
        except asyncio.CancelledError:
            writer.transport.abort()  # the server closes
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: Attack | None) -> None:
        """One request and its answer, then the end: attacks that go on over one connection have it as a whole."""
        visit = Visit(reader, writer, "", self.root)
        if own is not None and own.place == ANYWHERE:
            visit.here = self._urls[own.name]
            return await self._play(own, visit)
        await visit.next_request()
        target = visit.head.split(b" ", 2)[1].decode("latin-1")
        if own is not None and own.place:
            visit.here, visit.path = self._urls[own.name], target[1:]
            return await (self._play(own, visit) if _is_at(own, target) else visit.send(_harmless(target)))
        for path, attack in self._attacks.items():
            is_here = attack is own if own is not None else not (attack.alone or attack.place)
            if is_here and target.startswith(path):
                visit.here, visit.path = self._urls[attack.name], target.removeprefix(path)
                return await self._play(attack, visit)
        await visit.send(self._index if target == "/" and own is None else _harmless(target))
        return None

    async def _play(self, attack: Attack, visit: Visit) -> None:
        await (visit.send(attack.sends) if isinstance(attack.sends, bytes) else attack.sends(visit))

    def _index_page(self) -> bytes:
        """A page that a spider can be pointed at."""
        parts = ["<!DOCTYPE html><meta charset=utf-8><title>Hostile</title><h1>Hostile</h1>"]
        parts.append(f"<p>{escape(LABELS)}</p><p>Short limits make the crawl quick: <code>{COMMAND}</code></p>")
        for family, attacks in self._families.items():
            rows = [
                f'<li><a href="{escape(self._urls[a.name])}">{escape(a.name)}</a>: {escape(a.linked or a.ends)}</li>'
                for a in attacks
            ]
            parts += [f"<h2>{escape(family)}</h2>", "<ul>", *rows, "</ul>"]
        return answer("\n".join(parts).encode(), type_="text/html; charset=utf-8")


def slug(name: str) -> str:
    """*name* as a part of a path."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _is_at(attack: Attack, target: str) -> bool:
    return target.partition("?")[0] == attack.place


def _harmless(target: str) -> bytes:
    return _PAGE if target in ("/", HARMLESS) else _NOTHING_HERE
