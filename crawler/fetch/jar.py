"""The cookie jar at work: what goes out with a request, and what comes in with its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import time

from crawler.fetch.suffixes import public_suffixes
from crawler.http.cookies import PER_SITE, CookieJar, with_given
from crawler.request import Request
from crawler.response import Cookie, Headers

_LINES = 10 * PER_SITE
"""Set-Cookie headers of one answer that are read, the last ones: all of them are of one site, so that the jar forgets the
first of so many anyway. An answer has room for 10,000, which would hold everybody up for 70 ms."""


class Jar:
    """The cookies of a crawl by the clock on the wall; or none at all."""

    def __init__(self, keeps: bool) -> None:
        """
        :param keeps: whether the cookies that sites set are kept
        """
        self._keeps = keeps
        self._jar: CookieJar | None = None  # until there is a cookie: most crawls never need the list of suffixes

    def header(self, request: Request, headers: Mapping[str, str]) -> str:
        """The value of *request*'s Cookie header; empty for none.

        :param headers: those of the settings: a cookie in them is sent with every request
        """
        kept = self._jar.header(request.url, request.session, time()) if self._jar is not None else ""
        if request.cookies or request.headers or headers:
            kept = with_given(kept, request.cookies, _written(request.headers) or _written(headers))
        return kept

    def take(self, request: Request, headers: Headers) -> None:
        """Keep what the answer to *request* sets."""
        if self._keeps and "Set-Cookie" in headers:
            self._opened().take(headers.getall("Set-Cookie")[-_LINES:], request.url, request.session, time())

    def news(self) -> list[Cookie]:
        """What changed since this was last called."""
        return self._jar.news() if self._jar is not None else []

    def restore(self, cookies: Iterable[Cookie]) -> None:
        """Put back what an earlier run kept."""
        kept = list(cookies)
        if self._keeps and kept:
            self._opened().restore(kept, time())

    def _opened(self) -> CookieJar:
        if self._jar is None:
            self._jar = CookieJar(public_suffixes())
        return self._jar


def _written(headers: Mapping[str, str]) -> str:
    """The Cookie header that a user wrote among *headers*."""
    return next((value for name, value in headers.items() if name.lower() == "cookie"), "")
