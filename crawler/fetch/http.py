"""Fetching over HTTP/1.1, by aiohttp.

Rule 1: no foreign error leaves this file: :mod:`crawler.fetch.translate` has a row for each of aiohttp's.
Rule 2: a body is counted while it streams, after decoding, and dropped at ``max_body``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from time import perf_counter, time
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from aiohttp import ClientResponse, ClientSession, ClientTimeout, CookieJar, DummyCookieJar, TraceConfig
from multidict import CIMultiDict
from yarl import URL

from crawler.errors import BodyTooLarge, FetchError
from crawler.fetch.connect import connector_of
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.guard import Guard
from crawler.fetch.translate import translate
from crawler.request import Request
from crawler.response import Cookie, Response

_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_HEADER_LIMIT = 64 * 1024
"""Bytes of one header line; aiohttp's 8,190 refuses pages that browsers show (Chrome takes 256 KiB in all)."""
_HEADERS_LIMIT = 1_000
_DRAIN = 64 * 1024
"""Bytes of a redirect's body that are read to keep its connection; a longer one costs the connection."""
_ATTRIBUTE = re.compile(r";\s*(domain|path)\s*=([^;]*)", re.IGNORECASE)
_MAX_AGE = re.compile(r"(;\s*max-age\s*=\s*)(\d{1,18})", re.IGNORECASE)
_COOKIES_PER_HOST = 180
"""Cookies of one host that a job keeps. RFC 6265, section 6.1, asks for 50; browsers have 150 to 180."""


class HttpFetcher:
    """One aiohttp session: kept connections, a DNS cache, one cookie jar."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._guard = Guard(options.allow_private_hosts)
        self._connector = connector_of(options, self._guard)
        # unsafe: IP addresses, too; unquoted: a site gets the value back that it gave, as from a browser
        self._jar = _Jar(unsafe=True, quote_cookie=False) if options.cookies else _NoCookies()
        self._session = self._open([])
        self._traced = self._open([_sent_trace()])

    def _open(self, traces: list[TraceConfig]) -> ClientSession:
        options = self._options
        return ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=self._jar,
            headers=_merged({"User-Agent": options.user_agent, "Accept": _ACCEPT}, options.headers),
            timeout=ClientTimeout(
                total=options.timeout, connect=options.connect_timeout, sock_read=options.read_timeout
            ),
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
            max_headers=_HEADERS_LIMIT,
            trust_env=False,  # ~/.netrc and proxy variables are nobody's intention here
            trace_configs=traces,
        )

    async def fetch(self, request: Request, on_sent: Callable[[], None] | None = None) -> Response:
        session = self._session if on_sent is None else self._traced
        begun = perf_counter()
        try:
            answer = await session.request(
                request.method,
                URL(request.url, encoded=True),
                allow_redirects=False,
                trace_request_ctx=on_sent,
                **_payload(request),
            )
            try:
                headers = CIMultiDict(answer.headers)
                if 300 <= answer.status < 400:
                    body = await self._drain(answer)
                else:
                    body = await self._read(answer, request.url)
            finally:
                answer.close()  # nothing happens if the body was read to its end: the connection went back then
        except FetchError:
            raise
        except Exception as error:  # whatever the library raises has a name of ours: Rule 1
            raise translate(error, request.url) from error
        return Response(request.url, answer.status, headers, body, perf_counter() - begun)

    def trust(self, hostname: str) -> None:
        self._guard.trust(hostname)

    def new_cookies(self) -> list[Cookie]:
        return self._jar.news()

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        now = time()
        for cookie in cookies:
            self._jar.update_cookies_from_headers([_aged(cookie, now)], URL(cookie.url, encoded=True))
        self._jar.news()

    def address_of(self, hostname: str) -> str:
        return ""

    async def _read(self, answer: ClientResponse, url: str) -> bytes:
        limit = self._options.max_body
        announced = 0 if answer.method == "HEAD" else answer.content_length or 0
        if announced > limit:
            raise BodyTooLarge(url, f"the body has {announced} bytes; max_body is {limit}")
        chunks = []
        size = 0
        while chunk := await answer.content.readany():
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(url, f"the body has more than max_body = {limit} bytes")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _drain(self, answer: ClientResponse) -> bytes:
        """Nobody needs the body of a redirect: a short plain one is read, so that its connection can be used again."""
        length = answer.content_length
        if length is not None and length <= _DRAIN and "Content-Encoding" not in answer.headers:
            try:
                while await answer.content.readany():
                    pass
            except (aiohttp.ClientError, TimeoutError):
                pass  # what matters, the Location, has come
        return b""

    async def close(self) -> None:
        await self._session.close()
        await self._traced.close()
        await self._connector.close()
        await asyncio.sleep(0)  # lets the transports notice that they were closed


class _Jar(CookieJar):
    """Notes what is set, so that a job can keep it."""

    def __init__(self, *, unsafe: bool, quote_cookie: bool) -> None:
        super().__init__(unsafe=unsafe, quote_cookie=quote_cookie)
        self._news: dict[str, Cookie] = {}
        self._known: dict[str, set[str]] = {}

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        super().update_cookies_from_headers(headers, response_url)
        known = self._known.setdefault(response_url.raw_host or "", set())
        for line in headers:
            key = _cookie_key(line, response_url)
            if key in known or len(known) < _COOKIES_PER_HOST:
                known.add(key)
                self._news[key] = Cookie(key, str(response_url), line, time())

    def news(self) -> list[Cookie]:
        news, self._news = self._news, {}
        return list(news.values())


def _cookie_key(line: str, url: URL) -> str:
    """Name, domain and path: RFC 6265, section 5.3, step 11. Without a Path attribute the URL's folder counts."""
    name = line.partition("=")[0].strip()
    attributes = {key.lower(): value.strip() for key, value in _ATTRIBUTE.findall(line)}
    path = attributes.get("path") or url.raw_path.rpartition("/")[0]
    return f"{attributes.get('domain') or url.raw_host}\t{path}\t{name}"


def _aged(cookie: Cookie, now: float) -> str:
    """Its header, with what is left of its Max-Age."""
    gone = max(0, int(now - cookie.at))
    return _MAX_AGE.sub(lambda found: f"{found[1]}{int(found[2]) - gone}", cookie.line)


class _NoCookies(DummyCookieJar):
    """Keeps none; those of a request are sent as they are written there."""

    def news(self) -> list[Cookie]:
        return []

    @property
    def quote_cookie(self) -> bool:
        return False


def _payload(request: Request) -> dict[str, Any]:  # Any: keyword arguments of various types
    """What beside method and URL this request needs; for most there is nothing."""
    extra: dict[str, Any] = {}
    if request.headers:
        extra["headers"] = request.headers
    if request.cookies:
        extra["cookies"] = request.cookies
    if request.body is not None:
        extra["data"] = request.body
    elif request.json is not None:
        extra["data"] = msgspec.json.encode(request.json)
        extra["headers"] = _merged({"Content-Type": "application/json"}, request.headers)
    elif request.form is not None:
        extra["data"] = request.form
    return extra


def _merged(ours: dict[str, str], theirs: dict[str, str]) -> CIMultiDict[str]:
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
