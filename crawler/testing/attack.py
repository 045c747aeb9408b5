"""One attack of a hostile server: what it sends, and what must become of a crawl that meets it.

A family of attacks is a module with a tuple ``ATTACKS``; :mod:`crawler.testing.hostile` has a row for each family.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, TypeAlias

STORED = "stored"
"""The outcome of a page that reached the spider. Any other is the ``reason`` of a failure: ``timeout``, say."""
SKIPPED = "skipped"
"""What becomes of a link whose redirect leads outside of ``allowed_hosts`` or ever deeper: counted, and no failure."""
TOO_HEAVY = "page_too_heavy"
"""The reason of the failure of a page whose tree would take too much time or memory."""
ANYWHERE = "*"
"""The place of an attack that plays on each connection from its first moment, before anything was asked."""
BODY = b"<p>hello</p>"
HARMLESS = "/page"
"""The path of an ordinary page, at each of the servers."""


class Visit:
    """One connection, as the code of an attack sees it. Every method ends with ConnectionError when the visitor has gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, here: str, home: str) -> None:
        self.here = here
        """The URL at which the attack begins; what lies below it is the attack's, too."""
        self.home = home
        """The URL of the page that lists all attacks."""
        self.head = b""
        """The request, from its first line to the empty one."""
        self.path = ""
        """What was asked for, below ``here``, with its query: empty at the beginning of the attack."""
        self._reader = reader
        self._writer = writer

    async def send(self, raw: bytes) -> None:
        """Send *raw* when what was sent before has left."""
        if self._writer.transport.is_closing():
            raise ConnectionResetError("the visitor has gone")
        self._writer.write(raw)
        await self._writer.drain()
        await asyncio.sleep(0)  # a visitor that reads fast would never let others have their turn

    async def rest(self, seconds: float) -> None:
        """Say nothing for so long."""
        try:
            gone = not await asyncio.wait_for(self._reader.read(1), seconds)
        except TimeoutError:
            return
        if gone:
            raise ConnectionResetError("the visitor has gone")

    async def until_gone(self) -> None:
        """Say nothing until the visitor goes."""
        while await self._reader.read(64 * 1024):
            pass
        raise ConnectionResetError("the visitor has gone")

    async def next_request(self) -> None:
        """Wait for a request; then ``head`` holds it."""
        self.head = await self._reader.readuntil(b"\r\n\r\n")


Play: TypeAlias = Callable[[Visit], Awaitable[None]]
"""Says on one connection whatever it likes. When it returns, the server hangs up."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A row of the table. The bounds are for one crawl that begins at the attack, with ``settings`` and no retries."""

    name: str
    """In words: the server makes the attack's path of it."""
    sends: bytes | Play
    """The whole answer, head and body, to each request; or code that plays it."""
    ends: str = STORED
    """What must become of the first URL: ``stored``, or the reason of its failure."""
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: each setting has its type
    """Those that the outcome depends on; all others are the defaults."""
    seconds: float = 2.0
    """How long the crawl may take."""
    mebibytes: int = 64
    """How much more memory the crawling process may need for it, at its peak."""
    requests: int = 2
    """How many requests the crawl may send; one of them is for robots.txt."""
    place: str = ""
    """Empty: the attack has a folder, of the common server unless it is ``alone``. Else it has a server of its own, and is met at this path
    (``/robots.txt``); all else there is harmless. ``ANYWHERE``: each connection is played as a whole."""
    alone: bool = False
    """Whether its folder is at a server of its own: it gets its host into disrepute (silence, ``Retry-After``, heavy
    pages, pages without end), and what a crawler then does to a host must not befall other attacks."""
    scheme: Literal["http", "https"] = "http"
    """``https``: nobody there speaks TLS, unless the attack does."""
    is_sitemap: bool = False
    """Whether it is met by reading sitemaps."""
    linked: str = ""
    """What becomes of it instead where a page links to it, and the callback asks ``page.css()``; empty: the same."""


def answer(body: bytes = BODY, *lines: str | bytes, status: str | bytes = "200 OK", type_: str = "text/html") -> bytes:
    """A whole answer with these further header lines."""
    return head(f"Content-Length: {len(body)}", *lines, status=status, type_=type_) + body


def head(*lines: str | bytes, status: str | bytes = "200 OK", type_: str = "text/html") -> bytes:
    """The head of an answer whose body ends with the connection, unless *lines* say otherwise."""
    first = b"HTTP/1.1 " + _bytes(status)
    rows = [first, *([b"Content-Type: " + _bytes(type_)] if type_ else []), *map(_bytes, lines), b"", b""]
    return b"\r\n".join(rows)


def html(title: str, main: str = "", links: Iterable[str] = ()) -> bytes:
    """The answer that is an ordinary page. *main* is HTML, *links* are URLs."""
    items = "".join(f'<li><a href="{escape(link)}">{escape(link)}</a></li>' for link in links)
    text = f"<!DOCTYPE html><title>{escape(title)}</title><h1>{escape(title)}</h1>{main}<ul>{items}</ul>"
    return answer(text.encode(), type_="text/html; charset=utf-8")


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
