"""The table of RFC 9111 once more, between a real server and a real client: what counts is what the server was asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from exchanges import EXCHANGES, FETCH, FRESH, NOW, Exchange

from crawler.fetch.cache import CachingFetcher
from crawler.fetch.cache_options import CacheOptions
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.politeness.overrides import Overrides
from crawler.request import Request

_CONDITIONS = ("if-none-match", "if-modified-since")
_BODILESS = (204, 304)


class Server:
    """Answers ``/n`` as the first request of the n-th exchange is answered, and a condition with a 304."""

    def __init__(self) -> None:
        self.asked: dict[int, list[str]] = {}
        self.talks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(self._answer(head.decode("latin-1").lower()))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.talks.discard(task)
            writer.close()

    def _answer(self, head: str) -> bytes:
        number = int(head.split(" ")[1].removeprefix("/"))
        row = EXCHANGES[number]
        names = [line.partition(":")[0] for line in head.split("\r\n")]
        conditions = [name for name in _CONDITIONS if name in names]
        self.asked.setdefault(number, []).append(", ".join(conditions) or FETCH)
        status = 304 if conditions else row.status
        body = b"" if status in _BODILESS else b"body of " + str(number).encode()
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in row.headers)]
        if status not in _BODILESS:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize("mode", ["revalidate", "replay"])
async def test_a_server_is_asked_what_the_rules_of_rfc_9111_say(mode: str, tmp_path: Path) -> None:
    seen = Server()
    server = await asyncio.start_server(seen.talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    wrong = {}
    try:
        first, second = open_fetcher(mode, tmp_path, clock := [NOW]), open_fetcher(mode, tmp_path, clock)
        pages = [await first.fetch(Request(f"{url}{n}", headers=dict(row.first))) for n, row in enumerate(EXCHANGES)]
        await first.close()
        for number, row in enumerate(EXCHANGES):
            clock[0] = NOW + row.later
            page = await second.fetch(Request(f"{url}{number}", headers=dict(row.second), unique=not row.reload))
            expected = row.use if mode == "revalidate" else _replayed(row)
            how = {FRESH: "fresh" if mode == "revalidate" else "replayed", FETCH: ""}.get(expected, "revalidated")
            use = [*seen.asked[number][1:], FRESH][0]
            if (use, page.cached, page.status, page.body) != (expected, how, row.status, pages[number].body):
                wrong[str(row)] = (use, page.cached, page.status, expected)
        await second.close()
    finally:
        server.close()
        for talk in seen.talks:
            talk.cancel()
        await asyncio.sleep(0)

    assert wrong == {}


def open_fetcher(mode: str, folder: Path, clock: list[float]) -> CachingFetcher:
    """One run's fetcher."""
    options = FetchOptions(allow_private_hosts=True)
    store = CacheOptions(cache=mode)  # type: ignore[arg-type]  # one of the table's words
    return CachingFetcher(HttpFetcher(options), store, Overrides(options), folder / "cache", lambda: clock[0])


def _replayed(row: Exchange) -> str:
    """In a replay neither age nor directives mean anything; what was asked for otherwise is another page all the same."""
    if row.status in (206, 429, 500, 502, 503, 504):
        return FETCH
    vary = ",".join(value for name, value in row.headers if name == "Vary").lower().split(",")
    first, second = (
        {name.lower(): value.replace(" ", "") for name, value in fields.items()} for fields in (row.first, row.second)
    )
    return FRESH if all(first.get(name.strip()) == second.get(name.strip()) for name in vary) else FETCH
