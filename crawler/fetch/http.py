"""Fetching over HTTP/1.1, by aiohttp.

Rule 1: no foreign error leaves this file: :mod:`crawler.fetch.translate` has a row for each of aiohttp's.
Rule 2: a body is counted while it streams, after decoding, and dropped at ``max_body``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, TraceConfig
from multidict import CIMultiDict
from yarl import URL

from crawler.errors import FetchError, InvalidRequest, SinkError
from crawler.fetch.body import drain, read_body, read_head
from crawler.fetch.deadline import Deadline
from crawler.fetch.download import Downloads, Saving
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.jar import Jar
from crawler.fetch.octets import OctetRequest
from crawler.fetch.resolve import Resolver
from crawler.fetch.room import Room
from crawler.fetch.route import Routes
from crawler.fetch.save import save_body
from crawler.fetch.wire import HEAD_LIMIT, HEADERS_LIMIT, install
from crawler.http.addresses import read_private_hosts
from crawler.http.credentials import check_fields, without_proxy_secret
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
        self._routes = Routes(Overrides(options, hosts), _open, permitted, resolver)
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
        session = route.session if on_sent is None else route.traced
        options = route.options
        begun = perf_counter()
        total = options.timeout if saving is None else options.download_timeout
        deadline = Deadline(total, options.connect_timeout + options.read_timeout)
        saved, elapsed = None, 0.0
        try:
            with deadline:
                extra = _payload(request)
                if saving is not None:
                    extra["headers"] = _merged(saving.headers, extra.get("headers", {}))
                if cookies := self._jar.header(request, route.written(request)):
                    extra["headers"] = _merged(extra.get("headers", {}), {"Cookie": cookies})
                answer = await session.request(
                    request.method,
                    _target(request),
                    allow_redirects=False,
                    trace_request_ctx=on_sent,
                    **route.dressed(extra, request),
                )
                deadline.head_came(answer.content)
                try:
                    route.check(answer.status, request.url)
                    headers = CIMultiDict(answer.headers)
                    self._jar.take(request, headers)
                    if 300 <= answer.status < 400:
                        body = await drain(answer)
                    elif saving is not None and (answer.status < 300 or answer.status == 416):
                        elapsed = perf_counter() - begun
                        saved, body = await save_body(answer, request.url, saving, options.max_download, deadline), b""
                    elif head is not None:
                        body = await read_head(answer, request.url, head)
                    else:
                        body = await read_body(answer, request.url, options.max_body, self._room, deadline)
                finally:
                    answer.close()  # nothing happens if the body was read to its end: the connection went back then
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


def _open(
    options: FetchOptions, connector: TCPConnector, headers: CIMultiDict[str] | None, traced: bool
) -> ClientSession:
    install(connector)
    return ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=DummyCookieJar(),  # ours writes each request's Cookie header
        request_class=OctetRequest,
        headers=headers,
        timeout=ClientTimeout(total=None, connect=options.connect_timeout, sock_read=options.read_timeout),
        auto_decompress=False,  # it takes half of a packed body for the whole
        max_line_size=HEAD_LIMIT,
        max_field_size=HEAD_LIMIT,
        max_headers=HEADERS_LIMIT,
        trust_env=False,  # ~/.netrc and proxy variables are nobody's intention here
        trace_configs=[_sent_trace()] if traced else [],
    )


def _target(request: Request) -> URL:
    """Without the ``user:password@`` of its URL if the request has an Authorization of its own, which wins."""
    url = URL(request.url, encoded=True)
    if "@" in request.url and any(name.lower() == "authorization" for name in request.headers):
        return url.with_user(None)
    return url


def _payload(request: Request) -> dict[str, Any]:  # Any: keyword arguments of various types
    """What beside method and URL this request needs; for most there is nothing."""
    extra: dict[str, Any] = {}
    own: dict[str, str] = {}
    if request.headers:
        check_fields(request.headers)
        extra["headers"] = own = without_proxy_secret(request.headers)
    if request.body is not None:
        extra["data"] = request.body
    elif request.json is not None:
        extra["data"] = msgspec.json.encode(request.json)
        extra["headers"] = _merged({"Content-Type": "application/json"}, own)
    elif request.form is not None:
        extra["data"] = request.form
    return extra


def _merged(ours: Mapping[str, str], theirs: Mapping[str, str]) -> CIMultiDict[str]:
    """*ours*, overruled by *theirs*, however the names are capitalized."""
    headers = CIMultiDict(ours)
    headers.update(theirs)
    return headers


def _sent_trace() -> TraceConfig:
    """Calls the request's own ``on_sent`` when its headers go out."""

    async def on_headers_sent(_: ClientSession, context: SimpleNamespace, __: Any) -> None:  # Any: no detail is read
        on_sent, context.trace_request_ctx = context.trace_request_ctx, None
        if on_sent is not None:  # the library sends a second time if a kept connection turns out to be dead
            on_sent()

    trace = TraceConfig()
    trace.on_request_headers_sent.append(on_headers_sent)
    return trace
