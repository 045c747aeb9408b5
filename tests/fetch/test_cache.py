"""The HTTP cache between a spider and a server: what the server is asked, and what the spider gets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import BodyTooLarge, Disconnected, UsageError
from crawler.fetch import cache_codec, cache_file
from crawler.fetch.cache import CachingFetcher, NotModifiedMismatch
from crawler.fetch.cache_codec import Key, packed, row_of, stored_from, unpacked
from crawler.fetch.cache_file import CacheFile, Changes
from crawler.fetch.cache_options import CacheOptions
from crawler.fetch.cache_store import CacheStore
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.http.caching import Stored
from crawler.politeness.overrides import Overrides
from crawler.request import Request
from crawler.response import Headers, Response, headers_of

NOW = 1_800_000_000.0
HOUR = "Cache-Control: max-age=3600"
STALE = "Cache-Control: max-age=0"
Answer = bytes | Callable[[str], bytes]


def answer(*lines: str, status: int = 200, body: str = "page") -> bytes:
    length = [] if status == 304 else [f"Content-Length: {len(body.encode())}"]
    head = "\r\n".join([f"HTTP/1.1 {status} x", *lines, *length, "", ""])
    return head.encode() + (b"" if status == 304 else body.encode())


HANG_UP = b""
NOT_MODIFIED = answer(status=304)


class Origin:
    """A server whose paths have each an answer, or several that come in turn, the last one staying."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self.answers = {path: [*given] if isinstance(given, list) else [given] for path, given in answers.items()}
        self.heads: list[str] = []
        self.url = ""
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                given = self.answers[head.split(" ")[1]]
                said = given.pop(0) if len(given) > 1 else given[0]
                said = said(head) if callable(said) else said
                if not said:
                    break
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._talks.discard(task)
            writer.close()

    def close(self) -> None:
        for talk in self._talks:
            talk.cancel()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    """``await serve({"/": answer(...)})``: a server of its own."""
    running: list[tuple[Origin, asyncio.Server]] = []

    async def call(answers: Mapping[str, Answer | list[Answer]]) -> Origin:
        origin = Origin(answers)
        server = await asyncio.start_server(origin.talk, "127.0.0.1", 0)
        origin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        running.append((origin, server))
        return origin

    yield call
    for origin, server in running:
        server.close()
        origin.close()
    await asyncio.sleep(0)


class Runs:
    """One cache, run after run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW
        self._fetcher: CachingFetcher | None = None

    async def begin(
        self, mode: Any = "revalidate", hosts: Mapping[str, Any] | None = None, **options: Any
    ) -> CachingFetcher:
        await self.end()
        fetch = FetchOptions(allow_private_hosts=True, **options)
        self._fetcher = CachingFetcher(
            HttpFetcher(fetch, hosts), CacheOptions(cache=mode), Overrides(fetch, hosts), self.path, lambda: self.now
        )
        return self._fetcher

    async def end(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.close()


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Runs]:
    runs = Runs(tmp_path / ".crawl" / "http-cache.sqlite3")
    yield runs
    await runs.end()


async def test_what_is_fresh_is_not_asked_for(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR, "Set-Cookie: a=b")})
    fetcher = await runs.begin()
    sent: list[str] = []
    first = await fetcher.fetch(Request(f"{origin.url}/"), lambda: sent.append("first"))
    runs.now += 60
    fetcher = await runs.begin()
    second = await fetcher.fetch(Request(f"{origin.url}/"), lambda: sent.append("second"))

    assert (first.cached, second.cached) == ("", "fresh")
    assert (second.url, second.status, second.body) == (first.url, 200, b"page")
    assert second.headers == {**first.headers, "Age": "60"}
    assert second.elapsed == 0.0
    assert sent == ["first"]
    assert len(origin.heads) == 1


async def test_a_page_is_there_at_once_and_not_only_in_the_next_run(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR)})
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/{fragment}")) for fragment in ("", "#a", "#b")]
    assert [page.cached for page in pages] == ["", "fresh", "fresh"]


async def test_a_robots_txt_is_asked_for_each_time_however_long_it_says_that_it_is_fresh(
    serve: Any, runs: Runs
) -> None:
    origin = await serve({"/robots.txt": [answer(HOUR, body="#" * 50), HANG_UP]})
    request = Request(f"{origin.url}/robots.txt")
    head = await (await runs.begin()).fetch_head(request, 10)
    assert (head.body, head.cached) == (b"#" * 10, "")
    fetcher = await runs.begin()
    with pytest.raises(Disconnected):
        await fetcher.fetch_head(request, 10)


async def test_a_recorded_robots_txt_is_replayed(serve: Any, runs: Runs) -> None:
    origin = await serve({"/robots.txt": [answer(body="#" * 50), HANG_UP]})
    request = Request(f"{origin.url}/robots.txt")
    heads = [await (await runs.begin("replay")).fetch_head(request, 10) for _ in range(2)]
    assert [(head.body, head.cached) for head in heads] == [(b"#" * 10, ""), (b"#" * 10, "replayed")]


async def test_a_304_updates_what_is_stored(serve: Any, runs: Runs) -> None:
    whole = answer(STALE, 'ETag: "a"', "X-Version: 1", "Content-Type: text/html; charset=utf-8")
    again = answer(HOUR, 'ETag: "a"', "X-Version: 2", "Content-Type: text/plain", status=304)
    origin = await serve({"/": [whole, again, HANG_UP]})
    sent: list[int] = []
    pages = []
    for _ in range(3):
        fetcher = await runs.begin()
        runs.now += 10
        pages.append(await fetcher.fetch(Request(f"{origin.url}/"), lambda: sent.append(1)))

    assert [page.cached for page in pages] == ["", "revalidated", "fresh"]
    assert [page.headers["X-Version"] for page in pages] == ["1", "2", "2"]
    assert {page.headers["Content-Type"] for page in pages} == {"text/html; charset=utf-8"}
    assert {page.body for page in pages} == {b"page"}
    assert {page.status for page in pages} == {200}
    assert pages[1].elapsed > 0.0
    assert len(sent) == 2
    assert 'If-None-Match: "a"\r\n' in origin.heads[1]


async def test_a_200_takes_the_place_of_what_is_stored(serve: Any, runs: Runs) -> None:
    origin = await serve(
        {"/": [answer(STALE, 'ETag: "a"', body="old"), answer(HOUR, 'ETag: "b"', body="new"), HANG_UP]}
    )
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(3)]
    assert [(page.body, page.cached) for page in pages] == [(b"old", ""), (b"new", ""), (b"new", "fresh")]


@pytest.mark.parametrize("status", [200, 404, 410])
async def test_what_must_not_be_stored_takes_the_old_one_away(status: int, serve: Any, runs: Runs) -> None:
    gone = answer("Cache-Control: no-store", status=status)
    origin = await serve({"/": [answer(STALE, 'ETag: "a"'), gone, answer()]})
    fetcher = await runs.begin()
    for _ in range(3):
        assert (await fetcher.fetch(Request(f"{origin.url}/"))).cached == ""
    assert [("If-None-Match" in head) for head in origin.heads] == [False, True, False]


async def test_a_304_to_something_else_is_tried_again_without_a_condition(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer(STALE, 'ETag: "a"'), answer('ETag: "b"', status=304), answer(body="whole")]})
    fetcher = await runs.begin()
    await fetcher.fetch(Request(f"{origin.url}/"))
    with pytest.raises(NotModifiedMismatch) as caught:
        await fetcher.fetch(Request(f"{origin.url}/"))
    assert caught.value.retryable
    assert (await fetcher.fetch(Request(f"{origin.url}/"))).body == b"whole"


async def test_a_304_that_nobody_asked_for_is_handed_on(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": NOT_MODIFIED})
    page = await (await runs.begin()).fetch(Request(f"{origin.url}/"))
    assert (page.status, page.cached) == (304, "")


async def test_a_304_that_forbids_to_store_is_used_once(serve: Any, runs: Runs) -> None:
    forbids = answer("Cache-Control: no-store", status=304)
    origin = await serve({"/": [answer(STALE, 'ETag: "a"'), forbids, answer(body="whole")]})
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(3)]
    assert [(page.body, page.cached) for page in pages] == [(b"page", ""), (b"page", "revalidated"), (b"whole", "")]


@pytest.mark.parametrize("failure", [HANG_UP, answer(status=500), answer(status=502), answer(status=504)])
async def test_a_stale_page_stands_in_where_its_server_said_so(failure: bytes, serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer("Cache-Control: max-age=0, stale-if-error=60", 'ETag: "a"'), failure]})
    fetcher = await runs.begin()
    await fetcher.fetch(Request(f"{origin.url}/"))
    page = await fetcher.fetch(Request(f"{origin.url}/"))
    assert (page.status, page.cached, page.body) == (200, "stale", b"page")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_is_never_hidden_from_who_lets_the_host_rest(status: int, serve: Any, runs: Runs) -> None:
    whole = answer("Cache-Control: max-age=0, stale-if-error=60", 'ETag: "a"')
    origin = await serve({"/": [whole, answer("Retry-After: 7", HOUR, status=status), NOT_MODIFIED]})
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(3)]
    assert [page.status for page in pages] == [200, status, 200]
    assert [page.cached for page in pages] == ["", "", "revalidated"]


async def test_an_error_is_an_error_where_nothing_may_stand_in(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer(STALE, 'ETag: "a"'), HANG_UP]})
    fetcher = await runs.begin()
    await fetcher.fetch(Request(f"{origin.url}/"))
    with pytest.raises(Disconnected):
        await fetcher.fetch(Request(f"{origin.url}/"))


async def test_visitors_do_not_see_each_others_pages(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR)})
    url = f"{origin.url}/"
    visitors = [
        Request(url),
        Request(url, session="a"),
        Request(url, session="b"),
        Request(url, cookies={"lang": "de"}),
        Request(url, headers={"Cookie": "lang=en"}),
        Request(url, headers={"Authorization": "a"}),
        Request(url, headers={"authorization": "b"}),
        Request(url, method="HEAD"),
    ]
    fetcher = await runs.begin()
    assert [(await fetcher.fetch(visitor)).cached for visitor in visitors] == [""] * 8
    fetcher = await runs.begin()
    assert [(await fetcher.fetch(visitor)).cached for visitor in visitors] == ["fresh"] * 8


async def test_credentials_of_the_settings_are_those_of_a_visitor(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR)})
    uses = []
    for password in ("a", "b", "a"):
        fetcher = await runs.begin(credentials={origin.url: f"Bearer {password}"})
        uses.append((await fetcher.fetch(Request(f"{origin.url}/"))).cached)
    assert uses == ["", "", "fresh"]


async def test_variants_are_kept_beside_each_other(serve: Any, runs: Runs) -> None:
    origin = await serve(
        {"/": lambda head: answer(HOUR, "Vary: X-Foo, User-Agent", body=head[head.find("X-Foo") :][:8])}
    )
    fetcher = await runs.begin(user_agent="one/1")

    async def ask(foo: str) -> tuple[str, bytes]:
        page = await fetcher.fetch(Request(f"{origin.url}/", headers={"X-Foo": foo}))
        return page.cached, page.body

    assert [await ask("1"), await ask("2")] == [("", b"X-Foo: 1"), ("", b"X-Foo: 2")]
    fetcher = await runs.begin(user_agent="one/1")
    assert [await ask("1"), await ask("2")] == [("fresh", b"X-Foo: 1"), ("fresh", b"X-Foo: 2")]
    fetcher = await runs.begin(user_agent="two/1")
    assert await ask("1") == ("", b"X-Foo: 1")
    fetcher = await runs.begin(user_agent="two/1", hosts={"127.0.0.1": {"user_agent": "one/1"}})
    assert await ask("2") == ("fresh", b"X-Foo: 2")


async def test_a_request_that_changes_something_invalidates_what_is_stored(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR), "/new": answer(HOUR), "/other": answer(HOUR)})
    fetcher = await runs.begin()
    for path in ("/", "/new", "/other"):
        await fetcher.fetch(Request(origin.url + path))
        await fetcher.fetch(Request(origin.url + path, session="a"))
    fetcher = await runs.begin()
    origin.answers["/"] = [answer("Location: /new", status=201), answer(HOUR)]
    await fetcher.fetch(Request(f"{origin.url}/", method="POST", form={"a": "b"}))

    async def uses(session: str) -> list[str]:
        return [
            (await fetcher.fetch(Request(origin.url + path, session=session))).cached
            for path in ("/", "/new", "/other")
        ]

    assert await uses("") == ["", "", "fresh"]
    assert await uses("a") == ["", "", "fresh"]


async def test_a_head_freshens_the_stored_page_or_takes_it_away(serve: Any, runs: Runs) -> None:
    origin = await serve({path: [answer(STALE, 'ETag: "a"')] for path in ("/same", "/other")})
    fetcher = await runs.begin()
    for path, tag in (("/same", "a"), ("/other", "b")):
        await fetcher.fetch(Request(origin.url + path))
        origin.answers[path] = [answer(HOUR, f'ETag: "{tag}"').removesuffix(b"page"), answer(HOUR, body="anew")]
        await fetcher.fetch(Request(origin.url + path, method="HEAD"))
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(origin.url + path)) for path in ("/same", "/other")]
    assert [(page.cached, page.body) for page in pages] == [("fresh", b"page"), ("", b"anew")]
    assert "If-None-Match" not in origin.heads[-1]


@pytest.mark.parametrize("mode", ["revalidate", "replay"])
async def test_nobody_is_asked_for_what_is_only_wanted_from_the_cache(mode: str, serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR)})
    fetcher = await runs.begin(mode)
    only = Request(f"{origin.url}/", headers={"Cache-Control": "only-if-cached"})
    assert (await fetcher.fetch(only)).status == 504
    await fetcher.fetch(Request(f"{origin.url}/"))
    assert (await fetcher.fetch(only)).status == 200
    assert len(origin.heads) == 1


async def test_a_stored_page_that_is_longer_than_max_body_is_not_used(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR, body="x" * 100)})
    await (await runs.begin("replay")).fetch(Request(f"{origin.url}/"))
    with pytest.raises(BodyTooLarge):
        await (await runs.begin("replay", max_body=99)).fetch(Request(f"{origin.url}/"))


async def test_a_page_that_sets_a_cookie_and_asks_again_works_with_a_cache(serve: Any, runs: Runs) -> None:
    def page(head: str) -> bytes:
        if "Cookie: seen=1" in head:
            return answer(HOUR, body="welcome")
        return answer(HOUR, "Set-Cookie: seen=1", "Location: /", status=302, body="")

    origin = await serve({"/": page})
    for mode in ("revalidate", "replay"):
        runs.path = runs.path.with_name(mode)
        fetcher = await runs.begin(mode)
        first = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(2)]
        assert [one.status for one in first] == [302, 200]

    fetcher = await runs.begin("replay")
    again = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(2)]
    assert [(one.status, one.cached) for one in again] == [(302, "replayed"), (200, "replayed")]


# --- replay ---


async def test_a_replay_gives_whatever_is_stored_however_old(serve: Any, runs: Runs) -> None:
    lines = ["Cache-Control: no-store, no-cache, max-age=0", "Vary: *", "Expires: 0", "Pragma: no-cache"]
    origin = await serve(
        {"/": answer(*lines), "/gone": answer(status=404), "/moved": answer("Location: /", status=301)}
    )
    fetcher = await runs.begin("replay")
    first = [await fetcher.fetch(Request(origin.url + path)) for path in origin.answers]
    runs.now += 10 * 365 * 86_400
    fetcher = await runs.begin("replay")
    sent: list[int] = []
    second = [await fetcher.fetch(Request(origin.url + path), lambda: sent.append(1)) for path in origin.answers]

    assert [page.cached for page in second] == ["replayed"] * 3
    assert [(page.status, page.headers, page.body) for page in second] == [
        (page.status, page.headers, page.body) for page in first
    ]
    assert not sent
    assert len(origin.heads) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_replay_does_not_record_what_is_tried_again(status: int, serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer(status=status), answer(body="at last"), HANG_UP]})
    fetcher = await runs.begin("replay")
    pages = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(3)]
    assert [(page.status, page.cached) for page in pages] == [(status, ""), (200, ""), (200, "replayed")]


async def test_what_was_recorded_against_the_word_of_the_server_is_not_used_afterwards(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer("Cache-Control: no-store, max-age=60", 'ETag: "a"')})
    await (await runs.begin("replay")).fetch(Request(f"{origin.url}/"))
    page = await (await runs.begin("revalidate")).fetch(Request(f"{origin.url}/"))
    assert page.cached == ""
    assert "If-None-Match" not in origin.heads[-1]


async def test_a_replay_of_a_page_that_is_watched_has_all_that_was_seen(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer(body=word) for word in ("waiting", "running", "done")]})
    words = []
    for _ in range(2):
        fetcher = await runs.begin("replay")
        words.append([(await fetcher.fetch(Request(f"{origin.url}/", unique=False))).body for _ in range(3)])
    assert words == [[b"waiting", b"running", b"done"]] * 2
    assert len(origin.heads) == 3


async def test_a_page_that_was_not_recorded_is_asked_for_with_the_cookies_of_those_that_were(
    serve: Any, runs: Runs
) -> None:
    origin = await serve({"/login": answer("Set-Cookie: id=7"), "/shop": answer()})
    await (await runs.begin("replay")).fetch(Request(f"{origin.url}/login"))
    fetcher = await runs.begin("replay")
    await fetcher.fetch(Request(f"{origin.url}/login"))
    await fetcher.fetch(Request(f"{origin.url}/shop"))
    assert origin.paths == ["/login", "/shop"]
    assert "Cookie: id=7\r\n" in origin.heads[1]


async def test_a_post_is_never_replayed(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": answer(HOUR)})
    fetcher = await runs.begin("replay")
    for _ in range(2):
        assert (await fetcher.fetch(Request(f"{origin.url}/", method="POST", body=b"x"))).cached == ""


# --- the file ---

KEY = Key(b"u" * 16, b"")


def kept(body: bytes = b"body", **headers: str) -> Stored:
    return Stored(200, headers_of(headers), NOW, NOW, (), body)


def everything(_: object) -> bool:
    return True


def key_of(number: int) -> Key:
    return Key(number.to_bytes(16, "big"), b"")


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 511, b"x" * 100_000, os.urandom(5_000)])
@pytest.mark.parametrize("has_zstd", [True, False])
def test_bodies_come_back_as_they_were(body: bytes, has_zstd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_zstd:
        monkeypatch.setattr(cache_codec, "_loaded", [None])
    data = packed(body)
    assert unpacked(data) == body
    assert len(data) <= len(body) + 1
    if body == b"x" * 100_000:
        assert len(data) < 1_000


@pytest.mark.parametrize("data", [b"\1junk", b"\2junk", b"\3junk", b""])
def test_what_is_no_body_is_told(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpacked(data)


def test_headers_come_back_as_they_were() -> None:
    headers = Headers([("A", "b"), ("a", ""), ("Ü", "caf\udce9"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
    vary = (("foo", "1"), ("bar", None))
    stored = Stored(404, headers, 1.5, 2.25, vary, b"x" * 1_000)
    *_, head, body = row_of(KEY, stored)
    assert stored_from(KEY, vary, head, body) == stored
    assert stored_from(KEY, vary, head, body).headers.getall("Set-Cookie") == ["a=b", "c=d"]


def test_a_header_with_a_line_end_does_not_become_two() -> None:
    *_, head, body = row_of(KEY, kept(A="b\nC\nd", E="f"))
    assert stored_from(KEY, (), head, body).headers == {"A": "b C d", "E": "f"}


def test_nothing_that_was_changed_on_the_disk_comes_back() -> None:
    stored = kept(b"x" * 2_000, A="b")
    *_, head, body = row_of(KEY, stored)
    for part in (0, 1):
        for place in range(len((head, body)[part])):
            parts = [bytearray(head), bytearray(body)]
            parts[part][place] ^= 1
            with pytest.raises(ValueError):
                stored_from(KEY, (), bytes(parts[0]), bytes(parts[1]))
    with pytest.raises(ValueError):
        stored_from(KEY, (("a", "b"),), head, body)
    with pytest.raises(ValueError):
        stored_from(Key(b"v" * 16, b""), (), head, body)


async def test_the_file_stays_within_its_bound_and_what_was_used_last_stays(tmp_path: Path) -> None:
    mib = 1024 * 1024
    path = tmp_path / "cache"
    for run in range(6):
        store = CacheStore(path, 2 * mib)
        for number in range(run * 40, run * 40 + 40):
            await store.write(key_of(number), kept(os.urandom(20_000)))
        await store.close()
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE entries SET used = used - 86400 WHERE url <> ?", (key_of(0).url,))
        store = CacheStore(path, 2 * mib)
        assert await store.read(key_of(0), everything) is not None
        await store.close()
    assert path.stat().st_size <= 2.5 * mib
    responses, size = cache_file.overview(path)
    assert size <= 2 * mib
    assert 60 < responses < 100
    store = CacheStore(path, 2 * mib)
    assert [await store.read(key_of(number), everything) is not None for number in (0, 1, 100, 239)] == [
        True,
        False,
        False,
        True,
    ]
    await store.close()


async def test_a_lower_bound_gives_the_disk_back(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    for limit in (8, 1, 1, 1):
        store = CacheStore(path, limit * 1024 * 1024)
        for number in range(300 if limit == 8 else 1):
            await store.write(key_of(limit * 1000 + number), kept(os.urandom(20_000)))
        await store.close()
    assert path.stat().st_size < 1.5 * 1024 * 1024


async def test_what_would_take_an_eighth_of_the_cache_is_not_stored(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "cache", 80_000)
    await store.write(key_of(1), kept(b"x" * 10_001))
    await store.write(key_of(2), kept(b"x" * 10_000))
    assert [await store.read(key_of(number), everything) is not None for number in (1, 2)] == [False, True]
    await store.close()


async def test_a_fetch_waits_when_too_much_is_unwritten(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "cache", 1024 * 1024 * 1024)
    body = bytes(10 * 1024 * 1024)
    for number in range(8):
        await store.write(key_of(number), kept(body))
        assert store._changes.size <= 32 * 1024 * 1024
    await store.close()


async def test_two_crawls_use_one_cache_at_once(tmp_path: Path) -> None:
    stores = [CacheStore(tmp_path / "cache", 64 * 1024 * 1024) for _ in range(2)]

    async def use(store: CacheStore, first: int) -> None:
        for number in range(first, 400, 2):
            await store.write(key_of(number), kept(str(number).encode() * 100))
            if number % 20 == first:
                await store.read(key_of(number ^ 1), everything)

    await asyncio.gather(*(use(store, number) for number, store in enumerate(stores)))
    await asyncio.gather(*(store.close() for store in stores))
    store = CacheStore(tmp_path / "cache", 64 * 1024 * 1024)
    for number in range(400):
        found = await store.read(key_of(number), everything)
        assert found is not None
        assert found.stored.body == str(number).encode() * 100
    await store.close()


async def test_reads_that_come_together_are_one_visit_to_the_thread(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "cache", 64 * 1024 * 1024)
    for number in range(50):
        await store.write(key_of(number), kept(str(number).encode()))
    found = await asyncio.gather(*(store.read(key_of(number), everything) for number in range(60)))
    assert [one.stored.body if one else None for one in found] == [str(n).encode() for n in range(50)] + [None] * 10
    await store.close()


async def test_a_read_whose_page_was_cancelled_troubles_nobody(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "cache", 64 * 1024 * 1024)
    await store.write(KEY, kept())
    cancelled = asyncio.ensure_future(store.read(KEY, everything))
    other = asyncio.ensure_future(store.read(KEY, everything))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other is not None
    await store.close()
    assert await store.read(KEY, everything) is None


async def test_a_cache_that_was_never_used_leaves_no_file(tmp_path: Path) -> None:
    await CacheStore(tmp_path / "cache", 1024 * 1024).close()
    assert list(tmp_path.iterdir()) == []


async def test_a_stored_redirect_that_comes_back_to_itself_is_not_used_again(serve: Any, runs: Runs) -> None:
    moved = answer(HOUR, "Location: /", status=302, body="")
    origin = await serve({"/": [moved, answer(HOUR, body="welcome")]})
    await (await runs.begin()).fetch(Request(f"{origin.url}/"))
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/")) for _ in range(2)]
    assert [(page.status, page.cached) for page in pages] == [(302, "fresh"), (200, "")]


async def test_a_page_that_is_watched_is_asked_about_each_time(serve: Any, runs: Runs) -> None:
    origin = await serve({"/": [answer(HOUR, 'ETag: "a"'), NOT_MODIFIED]})
    fetcher = await runs.begin()
    pages = [await fetcher.fetch(Request(f"{origin.url}/", unique=False)) for _ in range(3)]
    assert [page.cached for page in pages] == ["", "revalidated", "revalidated"]


async def test_nobody_else_may_read_what_is_stored(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "cache", 1024 * 1024)
    await store.read(KEY, everything)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    await store.close()


async def fill(path: Path, pages: int = 100) -> None:
    store = CacheStore(path, 64 * 1024 * 1024)
    for number in range(pages):
        await store.write(key_of(number), kept(os.urandom(3_000)))
    await store.close()


@pytest.mark.parametrize("damage", ["garbage", "empty", "torn", "no tables", "other version", "another database"])
async def test_a_file_that_is_no_cache_is_begun_anew(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache"
    await fill(path)
    if damage == "garbage":
        path.write_bytes(os.urandom(50_000))
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            if damage == "other version":
                connection.execute("UPDATE meta SET value = 99")
            else:
                connection.execute("DROP TABLE entries")
                connection.execute("CREATE TABLE entries (something INTEGER)" if "another" in damage else "SELECT 1")

    for _ in range(2):  # what is noticed late costs what was written then
        store = CacheStore(path, 64 * 1024 * 1024)
        for number in range(100):
            await store.read(key_of(number), everything)
        await store.write(KEY, kept())
        await store.close()
    store = CacheStore(path, 64 * 1024 * 1024)
    found = await store.read(KEY, everything)
    await store.close()
    assert found is not None
    assert len(caplog.records) == (damage not in ("empty", "other version", "no tables"))
    assert all("damaged and begins anew" in record.getMessage() for record in caplog.records)


async def test_whatever_is_damaged_no_page_is_another_than_was_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = tmp_path / "good"
    store = CacheStore(good, 64 * 1024 * 1024)
    for number in range(60):
        await store.write(key_of(number), kept(str(number).encode() * 500, Number=str(number)))
    await store.close()
    content = good.read_bytes()
    path = tmp_path / "cache"
    for place in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:place] + os.urandom(64) + content[place + 64 :])
        store = CacheStore(path, 64 * 1024 * 1024)
        for number in range(60):
            found = await store.read(key_of(number), everything)
            if found is not None:
                assert found.stored.body == str(number).encode() * 500
                assert found.stored.headers["Number"] == str(number)
        await store.close()
        cache_file.remove(path)


async def test_a_full_disk_is_said_once_and_what_is_stored_can_still_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cache"
    await fill(path, 10)

    def small(file: Path, connect: Any = cache_file.connect) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(file)
        connection.execute("PRAGMA max_page_count = 20")
        return connection

    monkeypatch.setattr(cache_file, "connect", small)
    store = CacheStore(path, 64 * 1024 * 1024)
    for number in range(100, 140):
        await store.write(key_of(number), kept(os.urandom(20_000)))
        await store.read(key_of(number), everything)
    assert await store.read(key_of(1), everything) is not None
    await store.close()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["the disk is full"]


async def test_a_cache_that_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    store = CacheStore(tmp_path / "file" / "cache", 1024 * 1024)
    for number in range(5):
        await store.write(key_of(number), kept())
        assert await store.read(key_of(number), everything) is None
    await store.close()
    assert len(caplog.records) == 1
    assert "the crawl goes on without it" in caplog.text


def test_a_lock_of_another_crawl_costs_what_was_to_be_written_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "_BUSY_SECONDS", 0.01)
    path = tmp_path / "cache"
    file = CacheFile(path, 1024 * 1024)
    want = (KEY, everything)
    assert file.work([want], None) == [None]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        changes = Changes()
        changes.put(KEY, kept())
        assert file.work([want], changes) == [None]
        other.execute("ROLLBACK")
    changes = Changes()
    changes.put(KEY, kept())
    [found] = file.work([want], changes)
    assert found is not None
    file.close()
    assert not caplog.records


def test_what_was_read_under_a_number_is_not_refreshed_when_another_response_has_come_instead(tmp_path: Path) -> None:
    file = CacheFile(tmp_path / "cache", 1024 * 1024)
    want = (KEY, everything)
    changes = Changes()
    changes.put(KEY, Stored(200, headers_of({"ETag": "one"}), NOW, NOW, (), b"one"))
    [one] = file.work([want], changes)
    assert one is not None
    changes = Changes()
    changes.put(KEY, Stored(200, headers_of({"ETag": "two"}), NOW, NOW, (), b"two"))
    file.work([], changes)
    changes = Changes()
    changes.refresh(one)  # a 304 that came late, perhaps in another crawl
    [two] = file.work([want], changes)
    assert two is not None
    assert (two.stored.headers["ETag"], two.stored.body) == ("two", b"two")
    file.close()


def test_many_crawls_may_begin_at_the_same_moment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for round_ in range(5):
        files = [CacheFile(tmp_path / str(round_), 1024 * 1024) for _ in range(6)]
        barrier = threading.Barrier(len(files))

        def begin(file: CacheFile, number: int, barrier: threading.Barrier = barrier) -> bool:
            changes = Changes()
            changes.put(key_of(number), kept())
            barrier.wait()
            [found] = file.work([(key_of(number), everything)], changes)
            file.close()
            return found is not None

        with ThreadPoolExecutor(len(files)) as threads:
            assert all(threads.map(begin, files, range(len(files))))
    assert not caplog.records


def test_a_cache_is_cleared_while_a_crawl_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    cache_file.clear(path)
    assert cache_file.overview(path) == (0, 0)
    assert not path.exists()
    file = CacheFile(path, 64 * 1024 * 1024)
    changes = Changes()
    for number in range(100):
        changes.put(key_of(number), kept(os.urandom(20_000)))
    file.work([], changes)
    assert cache_file.overview(path)[0] == 100
    cache_file.clear(path)
    assert cache_file.overview(path)[0] == 0
    assert file.work([(key_of(1), everything)], None) == [None]
    file.close()
    assert path.stat().st_size < 200_000


def test_a_damaged_cache_is_told_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.write_bytes(os.urandom(5_000))
    with pytest.raises(UsageError, match="crawl cache --clear"):
        cache_file.overview(path)
    cache_file.clear(path)
    assert cache_file.overview(path) == (0, 0)


_WRITER = """
import asyncio, os, sys
from pathlib import Path
from crawler.fetch.cache_codec import Key
from crawler.fetch.cache_store import CacheStore
from crawler.http.caching import Stored
from crawler.response import headers_of

async def main():
    store = CacheStore(Path(sys.argv[1]), 64 * 1024 * 1024)
    for number in range(1_000_000):
        body = str(number).encode() * 2_000
        await store.write(Key((number % 500).to_bytes(16, "big"), b""), Stored(200, headers_of({"N": str(number)}), 1, 1, (), body))
        if number % 100 == 99:
            await store.read(Key((number % 500).to_bytes(16, "big"), b""), lambda vary: True)
            print(number, flush=True)

asyncio.run(main())
"""


async def test_a_kill_in_the_middle_leaves_a_cache_that_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache"
    for round_ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(3 + round_):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        store = CacheStore(path, 64 * 1024 * 1024)
        found = [await store.read(key_of(number), everything) for number in range(500)]
        await store.close()
        there = [one.stored for one in found if one is not None]
        assert len(there) >= 200
        assert all(stored.body == stored.headers["N"].encode() * 2_000 for stored in there)
    assert not caplog.records
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_the_rest_of_a_fetcher_is_that_of_the_one_inside(runs: Runs) -> None:
    fetcher = await runs.begin()
    fetcher.restore_cookies([])
    assert fetcher.new_cookies() == []
    assert fetcher.address_of("a.example") == ""


def test_a_response_from_nowhere_is_not_taken_for_a_stored_one() -> None:
    assert Response("http://a.example/", 200, headers_of()).cached == ""
