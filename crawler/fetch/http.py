"""Fetching over HTTP/1.1, by aiohttp.

Rule 1: no foreign error leaves this file: :mod:`crawler.fetch.translate` has a row for each of aiohttp's.
Rule 2: a body is counted while it streams, after decoding, and dropped at ``max_body``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from typing import Any

from multidict import CIMultiDict

from crawler.errors import FetchError, InvalidRequest, SinkError
from crawler.fetch.answer import AT_ONCE
from crawler.fetch.body import drain, read_body, read_head
from crawler.fetch.deadline import Deadline
from crawler.fetch.download import Downloads, Saving
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.jar import Jar
from crawler.fetch.resolve import Resolver
from crawler.fetch.room import Room
from crawler.fetch.route import Routes
from crawler.fetch.save import save_body
from crawler.http.addresses import read_private_hosts
from crawler.politeness.overrides import Overrides
from crawler.request import Request
from crawler.response import Cookie, Response


class HttpFetcher:
    """Kept connections, remembered names and cookies; each host in the way that the options say."""

    def __init__(
        self,
        options: FetchOptions,
        hosts: Mapping[str, Mapping[str, Any]] | None = None,
        resolver: Resolver | None = None,
        room: Room | None = None,
        downloads: Downloads | None = None,
    ) -> None:  # Any: values of several fields, checked by the configuration
        """
        :param hosts: the options that differ for some hosts: those of ``PER_HOST``
        :param resolver: for tests: one with answers of its own
        :param room: what the bodies of all who fetch take of memory, which they give back; None bounds nothing
        :param downloads: where files are saved; without it no request may ask for that
        :raises ConfigError: a file, a proxy or a secret that the options name cannot be used
        """
        permitted = read_private_hosts(options.allow_private_hosts)
        self._routes = Routes(Overrides(options, hosts), permitted, resolver)
        self._jar = Jar(options.cookies)
        self._room = room
        self._downloads = downloads

    def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Coroutine[Any, Any, Response]:  # Any: what a coroutine gives and takes on its way
        if request.download is not None:
            return self._save(request, on_sent, inside)
        return self._fetch(request, on_sent, inside, None)  # handed on: a coroutine more would cost each page a frame

    def fetch_head(
        self, request: Request, limit: int, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Coroutine[Any, Any, Response]:  # Any: as above
        """Like :meth:`fetch`; of a body with more than *limit* bytes there are the first *limit*."""
        return self._fetch(request, on_sent, inside, limit)

    async def _save(self, request: Request, on_sent: Callable[[], None] | None, inside: bool) -> Response:
        if self._downloads is None:
            raise InvalidRequest(request.url, "a download needs a folder, and this fetcher has none: downloads=...")
        saving = await self._downloads.open(request)
        try:
            return await self._fetch(request, on_sent, inside, None, saving)
        finally:
            await saving.close()

    async def _fetch(
        self,
        request: Request,
        on_sent: Callable[[], None] | None,
        inside: bool,
        head: int | None,
        saving: Saving | None = None,
    ) -> Response:
        route = self._routes.of(request, inside)
        options = route.options
        begun = perf_counter()
        total = options.timeout if saving is None else options.download_timeout
        silence = options.read_timeout
        deadline = Deadline(total, options.connect_timeout + silence, silence, self._routes.watch)
        saved, elapsed = None, 0.0
        try:
            with deadline:
                cookies = self._jar.header(request, route.settled(request))
                place, raw = route.written(request, cookies, None if saving is None else saving.headers)
                at_once = min(AT_ONCE, options.max_body) if head is None and saving is None else 0
                answer = await route.lines.exchange(place, raw, request.method, at_once, deadline, on_sent)
                try:
                    route.check(answer.status, request.url)
                    headers = CIMultiDict(answer.headers)
                    self._jar.take(request, headers)
                    if 300 <= answer.status < 400:
                        body = await drain(answer, deadline)
                    elif saving is not None and (answer.status < 300 or answer.status == 416):
                        elapsed = perf_counter() - begun
                        saved, body = await save_body(answer, request.url, saving, options.max_download, deadline), b""
                    elif head is not None:
                        body = await read_head(answer, request.url, head)
                    else:
                        body = await read_body(answer, request.url, options.max_body, self._room, deadline)
                finally:
                    answer.close()  # nothing happens if it is whole: the connection was given back then
        except (FetchError, SinkError):
            raise
        except Exception as error:  # whatever the library raises has a name of ours: Rule 1
            raise route.failed(error, request.url, begun) from error
        if saved is not None:
            status = 200 if answer.status == 206 else answer.status
            return Response(request.url, status, headers, b"", elapsed, saved=saved)
        return Response(request.url, answer.status, headers, body, perf_counter() - begun - deadline.waited)

    def new_cookies(self) -> list[Cookie]:
        return self._jar.news()

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        self._jar.restore(cookies)

    def address_of(self, hostname: str) -> str:
        return self._routes.address_of(hostname)

    async def close(self) -> None:
        if self._downloads is not None:
            await self._downloads.close()
        await self._routes.close()
        await asyncio.sleep(0)  # lets the transports notice that they were closed
