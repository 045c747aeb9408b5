"""A fetcher that answers out of an HTTP cache where it may, and asks the fetcher that it wraps where it must.

What may be kept and used is decided in :mod:`crawler.http.caching`; here it is asked for, stored and handed over.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path

import msgspec

from crawler.errors import FetchError
from crawler.fetch.cache_codec import Key
from crawler.fetch.cache_file import Kept
from crawler.fetch.cache_options import CacheOptions
from crawler.fetch.cache_store import CacheStore
from crawler.fetch.fetcher import Fetcher, FetchOptions, MiB, identity_of
from crawler.fetch.robots import HeadFetcher
from crawler.fetch.suffixes import public_suffixes
from crawler.http import caching
from crawler.http.caching import Stored
from crawler.http.cookies import CookieJar
from crawler.http.credentials import is_secret, read_credentials
from crawler.politeness.overrides import Overrides
from crawler.politeness.retry import RETRYABLE_STATUSES
from crawler.request import Request
from crawler.response import Cookie, Headers, Response, headers_of
from crawler.urls.url import address

_TURNS = 10_000
"""Keys of which it is known how often they were asked in this run; past that the one asked longest ago goes."""

OnSent = Callable[[], None] | None
Ask = Callable[[Request], Awaitable[Response]]
"""Asks the server."""
_Mode = Callable[[Request, Headers, Ask], Awaitable[Response]]


class NotModifiedMismatch(FetchError):
    """A 304 that speaks of another page than was asked about. The stored one is gone: the next try fetches it whole."""

    reason = "malformed_response"
    retryable = True


class CachingFetcher:
    """*inner*, behind a cache in the file *path*."""

    def __init__(
        self,
        inner: Fetcher,
        options: CacheOptions,
        hosts: Overrides[FetchOptions],
        path: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        :param hosts: what *inner* sends to whom: responses may have been chosen by it
        :param clock: gives Unix times: those of an earlier run count
        """
        self._inner = inner
        self._hosts = hosts
        self._sent = {id(options): _sent_with(options) for options in hosts.all()}
        self._credentials = read_credentials(hosts.default.credentials, os.environ)
        self._is_one_for_all = len(self._sent) == 1 and not self._credentials
        self._max_body = max(options.max_body for options in hosts.all())
        self._store = CacheStore(path, options.cache_size * MiB)
        self._clock = clock
        self._replays = options.cache == "replay"
        self._answer: _Mode = self._replay if self._replays else self._revalidate
        self._turns: OrderedDict[Key, int] = OrderedDict()

    async def fetch(self, request: Request, on_sent: OnSent = None, inside: bool = False) -> Response:
        """As :meth:`Fetcher.fetch`. *on_sent* is not called for what nobody was asked for."""
        if caching.takes_part(request):
            ask = partial(self._inner.fetch, on_sent=on_sent, inside=inside)
            return await self._answer(request, self._fields(request), ask)
        response = await self._inner.fetch(request, on_sent, inside)
        for url in caching.invalidated(request, response):
            self._store.purge(_digest(url.partition("#")[0]))
        return response

    async def fetch_head(self, request: Request, limit: int, on_sent: OnSent = None, inside: bool = False) -> Response:
        """Like :meth:`HeadFetcher.fetch_head`. That is for a robots.txt, which is believed for a day and no longer (RFC
        9309, section 2.4), whatever its headers say: its server is asked, unless a recording is replayed.
        """
        if not isinstance(self._inner, HeadFetcher):
            return await self.fetch(request, on_sent, inside)
        ask = partial(self._inner.fetch_head, limit=limit, on_sent=on_sent, inside=inside)
        return await (self._replay(request, self._fields(request), ask) if self._replays else ask(request))

    def _fields(self, request: Request) -> Headers:
        """The header fields that *request* will have, as far as a response may have been chosen by them."""
        options, credentials = self._hosts.default, None
        target = None if self._is_one_for_all else address(request.url)
        if target is not None:
            options = self._hosts.of(target.hostname)
            credentials = self._credentials.get(target.origin)
        sent = self._sent[id(options)]
        if not request.headers and credentials is None:
            return sent
        fields = Headers(sent)
        if credentials is not None:
            fields[credentials.name] = credentials.value
        fields.update(request.headers)
        return fields

    async def _revalidate(self, request: Request, fields: Headers, ask: Ask) -> Response:
        """RFC 9111, section 4."""
        key = _key_of(request, fields)
        kept = None if key in self._turns else await self._find(key, fields)
        if kept is not None and not caching.may_store(kept.stored.status, kept.stored.headers, fields):
            kept = None  # it was recorded for replay, or must not be used for this request
        now = self._clock()
        if kept is not None and caching.is_usable(kept.stored, fields, now, reload=not request.unique):
            response = self._out_of(kept.stored, request, "fresh", now)
            if response.is_redirect:
                self._note_turn(key)
            return response
        if caching.wants_only_stored(fields):
            return _nothing(request)
        try:
            response = await ask(_asking(request, kept))
        except FetchError as error:
            if kept is not None and error.retryable and caching.may_stand_in(kept.stored, fields, self._clock()):
                return self._out_of(kept.stored, request, "stale", self._clock())
            raise
        return await self._received(request, fields, key, kept, response, now)

    async def _received(
        self, request: Request, fields: Headers, key: Key, kept: Kept | None, response: Response, asked: float
    ) -> Response:
        """What the server's answer makes of the stored one (RFC 9111, section 4.3.3)."""
        now = self._clock()
        if kept is not None and response.status == 304:
            return self._confirmed(request, fields, kept, response, asked)
        if kept is not None and response.status in caching.STANDING_IN_FOR:
            if caching.may_stand_in(kept.stored, fields, now):
                return self._out_of(kept.stored, request, "stale", now)
            return response
        stored = _stored(response, fields, asked, now)
        if caching.may_store(response.status, response.headers, fields) and caching.is_worth_storing(stored, now):
            await self._store.write(key, stored)
        elif kept is not None and response.status not in RETRYABLE_STATUSES:
            self._store.remove(kept)
        if request.method == "HEAD" and response.is_success:
            await self._after_head(request, fields, response, asked)
        if response.is_redirect:
            self._note_turn(key)
        return response

    def _confirmed(self, request: Request, fields: Headers, kept: Kept, response: Response, asked: float) -> Response:
        """A 304: what is stored goes on (section 4.3.4)."""
        if not caching.confirms(kept.stored, response.headers):
            self._store.remove(kept)
            raise NotModifiedMismatch(request.url, "answered 304 to something else than was asked")
        stored = caching.freshened(kept.stored, response.headers, asked, self._clock())
        if caching.may_store(stored.status, stored.headers, fields):
            self._store.refresh(kept._replace(stored=stored))
        else:
            self._store.remove(kept)
        headers = Headers(stored.headers)  # the other ones are being stored
        return Response(request.url, stored.status, headers, stored.body, response.elapsed, "revalidated")

    async def _after_head(self, request: Request, fields: Headers, response: Response, asked: float) -> None:
        """Section 4.3.5: the page's headers are news for the stored page, or say that it is another one by now."""
        page = await self._find(_key_of(request.replace(method="GET"), fields), fields)
        if page is None:
            return
        if caching.agrees(page.stored, response.headers):
            self._store.refresh(
                page._replace(stored=caching.freshened(page.stored, response.headers, asked, self._clock()))
            )
        else:
            self._store.remove(page)

    async def _replay(self, request: Request, fields: Headers, ask: Ask) -> Response:
        """What is stored, however old, and whatever its server said about storing."""
        first = _key_of(request, fields)
        turn = self._turns.get(first, 0)
        key = Key(first.url, _digest(f"{turn} ", first.visitor)) if turn else first
        kept = await self._find(key, fields)
        if kept is not None:
            response = self._out_of(kept.stored, request, "replayed", self._clock())
            self._set_cookies(request, kept.stored)
        elif caching.wants_only_stored(fields):
            return _nothing(request)
        else:
            asked = self._clock()
            response = await ask(request)
            if caching.may_record(response.status):
                await self._store.write(key, _stored(response, fields, asked, self._clock()))
        if response.is_redirect or not request.unique:
            self._note_turn(first)
        return response

    def _set_cookies(self, request: Request, stored: Stored) -> None:
        """A page that was not recorded is asked for with the cookies that the recorded ones set.

        Not so in the other mode, where the server has been asked since and may have set newer ones.
        """
        if "Set-Cookie" in stored.headers:
            jar = CookieJar(public_suffixes())
            jar.take(stored.headers.getall("Set-Cookie"), request.url, request.session, stored.answered)
            self._inner.restore_cookies(jar.news())

    def _note_turn(self, key: Key) -> None:
        """Asked again in the same run, *key* had better not get the same answer: a redirect that comes back was to set a
        cookie, and a spider that asks twice waits for the page to change.
        """
        self._turns[key] = self._turns.pop(key, 0) + 1
        if len(self._turns) > _TURNS:
            self._turns.popitem(last=False)

    async def _find(self, key: Key, fields: Headers) -> Kept | None:
        kept = await self._store.read(key, partial(caching.is_chosen_by, fields=fields))
        return kept if kept is not None and len(kept.stored.body) <= self._max_body else None

    def _out_of(self, stored: Stored, request: Request, how: str, now: float) -> Response:
        headers = stored.headers
        if how != "replayed":  # RFC 9111, section 5.1
            headers["Age"] = str(int(caching.age(stored, now)))
        return Response(request.url, stored.status, headers, stored.body, 0.0, how)

    def address_of(self, hostname: str) -> str:
        return self._inner.address_of(hostname)

    def new_cookies(self) -> list[Cookie]:
        return self._inner.new_cookies()

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        self._inner.restore_cookies(cookies)

    async def close(self) -> None:
        try:
            await self._store.close()
        finally:
            await self._inner.close()


def _sent_with(options: FetchOptions) -> Headers:
    """What goes with every request, less what never differs or does not matter to a body that is kept decoded."""
    fields = headers_of(identity_of(options))
    fields.update(options.headers)
    return fields


def _nothing(request: Request) -> Response:
    """RFC 9111, section 5.2.1.7: nothing is stored, and nobody was to be asked."""
    return Response(request.url, 504, headers_of(), cached="fresh")


def _stored(response: Response, fields: Headers, asked: float, answered: float) -> Stored:
    headers = caching.storable_headers(response.headers)
    return Stored(response.status, headers, asked, answered, caching.vary_of(headers, fields), response.body)


def _asking(request: Request, kept: Kept | None) -> Request:
    """*request*, with the question whether what is kept still holds (section 4.3.1)."""
    conditions = caching.conditions(kept.stored.headers) if kept is not None else None
    return request.replace(headers={**request.headers, **conditions}) if conditions else request


def _key_of(request: Request, fields: Headers) -> Key:
    """Who asks for what: the method, the session and the credentials make another visitor."""
    url = _digest(request.url.partition("#")[0])
    secrets = sorted((name.lower(), value) for name, value in fields.items() if is_secret(name))
    credentials = [secrets or None, request.cookies or None]
    if request.method == "GET" and not request.session and not any(credentials):
        return Key(url, b"")
    visitor = msgspec.json.encode((request.method, request.session, credentials), order="deterministic")
    return Key(url, _digest("", visitor))


def _digest(text: str, data: bytes = b"") -> bytes:
    """No site can make two of its URLs, or one of its own and one of another's, have the same."""
    return blake2b(text.encode("utf-8", "surrogatepass") + data, digest_size=16).digest()
