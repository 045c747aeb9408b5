"""``Spider``: what users write."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Container, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from crawler.errors import NoFetchHere, SpiderError, UsageError
from crawler.http.credentials import without_secret
from crawler.items.file import File, file_record
from crawler.outcome import Failure
from crawler.parse.page import Page
from crawler.politeness.robots import RobotsTxt
from crawler.request import Request
from crawler.urls.url import Base, address

if TYPE_CHECKING:
    from crawler.parse.sitemap import SitemapEntry

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__crawler_cpu_bound__"
_TURNS = "__crawler_step_turns__"
_AT_ONCE = 16
"""Items in one ``async`` step: what a pool of connections to a database has, give or take."""
LISTINGS = frozenset({"parse_sitemap", "parse_robots"})
"""Callbacks of files that list seeds: what they name is as far from a seed as they are."""
_INDEX_LEVELS = 10
"""Sitemap indexes that name each other in a chain. Two happen; Crawlee stops at the same depth."""
_LEVEL = "sitemap_level"
"""In the ``meta`` of a sitemap's request: how many indexes led to it."""


class Fetching(Protocol):
    """What stands behind :meth:`Spider.fetch` while a callback runs."""

    async def fetch(self, wanted: Request | str, statuses: Container[int], fields: dict[str, Any]) -> Page:
        """As :meth:`Spider.fetch`."""


FETCHING: ContextVar[Fetching | None] = ContextVar("crawler_fetching", default=None)
"""Set while something runs that may fetch."""


class Spider:
    """Subclass it, name the start URLs, and write ``parse``.

    A callback (``parse``, or any method that a request names) may be a plain function, a generator, a coroutine or
    an async generator. It may return or yield items, Requests, lists of them, or None.
    """

    name: ClassVar[str]
    """What ``crawl NAME`` calls it. Without one it is the class's name in lower case."""
    start_urls: Iterable[str] = ()
    """Where the crawl begins."""
    sitemaps: Iterable[str] = ()
    """Sitemaps whose pages are crawled: the URL of one, or that of a site (``https://example.com/``), whose robots.txt
    names them."""
    allowed_hosts: Iterable[str] = ()
    """Hosts that belong to the crawl; ``example.com`` covers its sub-domains, ``*`` is anywhere.

    Without any: the hosts of the start URLs and of ``sitemaps``, less a leading ``www.``.
    """
    settings: ClassVar[dict[str, Any]] = {}
    """Settings for this spider, under the names that config.toml has; checked like it."""

    steps: Iterable[Any] = ()
    """What each item goes through, in order, before its type is checked: functions of an item, plain or ``async``, or names
    of methods. Each gives the item, another one, several (a list, a generator), or None to drop it."""
    file_type: type[File] = File
    """What the records of downloads are: a subclass of :class:`~crawler.File` says which types the ``fields`` have."""

    def __init__(self, **args: str) -> None:
        """Each ``-a key=value`` of the command line becomes an attribute, unless a spider takes it as a parameter."""
        for key, value in args.items():
            setattr(self, key, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"spider.{self.name}")

    async def start(self) -> AsyncIterator[Request]:
        """The first requests: one for each of ``start_urls`` and ``sitemaps``. Override it to make them otherwise."""
        for url in self.start_urls:
            yield Request(url)
        for url in self.sitemaps:
            yield _sitemap_request(url)

    def parse(self, page: Page) -> Any:  # Any: each of the four kinds of callback, and all that they may give
        """The callback of requests that name no other."""
        raise NotImplementedError(f"{type(self).__name__} has no parse method; write def parse(self, page): ...")

    async def fetch(
        self,
        request: Request | str,
        *,
        statuses: Container[int] = (),
        **request_fields: Any,  # Any: the fields of Request
    ) -> Page:
        """Fetch something that belongs to the page at hand: ``stock = (await self.fetch(url)).json()``.

        It is asked for as everything is: politely, within the scope and robots.txt, with retries, redirects and the
        page's session. But it is no page of the crawl: no callback is called, it is not counted as a page, and it may be
        fetched again. Several go side by side: ``await asyncio.gather(self.fetch(a), self.fetch(b))``.

        :param request: a Request, or a URL, which may be relative to the page
        :param statuses: answers that are pages, too, beside 200 to 299: ``statuses={404}``
        :param request_fields: of the Request: ``method="POST", json={...}``
        :raises FetchFailed: it did not come, after all retries, or does not belong to the crawl
        :raises NoFetchHere: this is no ``async`` callback, step, ``on_failure()`` or ``start()`` of a crawl that runs
        """
        fetching = FETCHING.get()
        if fetching is None:
            raise NoFetchHere(
                "self.fetch() works in an async callback, in a step, in on_failure() and in start(), while the crawl runs; "
                "not in opened(), in closed(), or in a @cpu_bound callback: yield a Request there instead"
            )
        return await fetching.fetch(request, statuses, request_fields)

    def sitemap_entry(self, entry: SitemapEntry) -> Any:  # Any: all that a callback may yield
        """What becomes of a page that a sitemap lists: a request for it. None leaves the page out.

        ::

            def sitemap_entry(self, entry):
                if "/products/" in entry.url and entry.lastmod and entry.lastmod >= self.since:
                    return Request(entry.url, callback="parse_product")
        """
        return Request(entry.url)

    def follows_sitemap(self, entry: SitemapEntry) -> bool:
        """Whether to read a sitemap that an index lists; by its URL and ``lastmod`` whole years can be left out."""
        return True

    async def parse_sitemap(self, page: Page) -> AsyncIterator[Any]:  # Any: what sitemap_entry() gives
        """The callback of sitemaps. It gives :meth:`sitemap_entry` each page that is listed, and reads the sitemaps that
        an index lists. Other requests may name it. A page that is no sitemap is told of in the log.
        """
        try:
            sitemap = page.sitemap()
        except ValueError as error:  # many a site answers with a page of its own where it has none
            self.logger.warning("%s", without_secret(str(error)))
            return
        level = page.meta.get(_LEVEL, 0) + 1
        here = without_secret(page.url)
        deep = 0
        for entries in sitemap.batches():
            yield [self.sitemap_entry(entry) for entry in entries if not entry.is_sitemap]
            named = [entry.url for entry in entries if entry.is_sitemap and self.follows_sitemap(entry)]
            deep += len(named) if level > _INDEX_LEVELS else 0
            if level <= _INDEX_LEVELS:
                session = page.request.session
                yield [Request(url, "parse_sitemap", meta={_LEVEL: level}, session=session) for url in named]
            await asyncio.sleep(0)  # a big one takes 250 ms, and others have work, too
        if sitemap.error:
            self.logger.warning("%s was not read to its end: %s", here, sitemap.error)
        if sitemap.malformed:
            self.logger.warning("%s: entries without a URL that can be followed: %d", here, sitemap.malformed)
        if deep:
            self.logger.warning("%s is the %dth sitemap index in a chain: it is not followed", here, level)

    def parse_robots(self, page: Page) -> Any:  # Any: as parse
        """The callback of a robots.txt: requests for the sitemaps that it names, or for ``/sitemap.xml``."""
        named = RobotsTxt(page.body if page.status < 400 else b"", "").sitemaps or ["/sitemap.xml"]
        session = page.request.session
        return [Request(url, "parse_sitemap", session=session) for url in Base(page.url).join_all(named)]

    def parse_download(self, page: Page) -> Any:  # Any: as parse
        """The callback of downloads: a :attr:`file_type`, with the ``fields`` of its :func:`~crawler.Download`."""
        saved, spec = page.saved, page.request.download
        if saved is None or spec is None:
            raise SpiderError(
                "parse_download is the callback of downloads: yield Download(url), or page.download(link)"
            )
        known = {
            "url": page.url,
            "path": saved.path,
            "bytes": saved.bytes,
            "sha256": saved.sha256,
            "media_type": saved.media_type,
            "referrer": spec.referrer or None,
        }
        return file_record(self.file_type, known, spec.fields)

    def opened(self) -> Any:  # Any: a plain function or a coroutine
        """Called before the first request. If it raises, nothing is fetched."""

    def closed(self, reason: str) -> Any:  # Any: a plain function or a coroutine
        """Called after the last page; *reason* is ``complete``, ``max_pages``, ``interrupted`` ..."""

    def on_failure(self, failure: Failure) -> Any:  # Any: as a callback
        """Called for each URL given up. It may yield items and requests, as a callback may."""


def _sitemap_request(url: str) -> Request:
    """For one of ``Spider.sitemaps``: the sitemap itself, or the robots.txt that names it."""
    target = address(url)
    if target is not None and target.href in (f"{target.origin}/", f"{target.origin}/robots.txt"):
        return Request(f"{target.origin}/robots.txt", "parse_robots")
    return Request(url, "parse_sitemap")


def cpu_bound(callback: F) -> F:
    """Mark a callback that computes for long: it runs in a parse process, and the crawl goes on meanwhile.

    The spider is built afresh there, from its class and arguments: what one page leaves on ``self`` no other sees.
    """
    setattr(callback, _MARK, True)
    return callback


def is_cpu_bound(callback: object) -> bool:
    """Whether :func:`cpu_bound` marked it."""
    return getattr(callback, _MARK, False) is True


def step(*, concurrency: int = _AT_ONCE) -> Callable[[F], F]:
    """How many items may be in an ``async`` step at once, over all pages; 16 in one that is not marked.

    The others wait in order, and their pages with them, so that a crawl is never ahead of a slow database by more than
    its workers.

    :raises UsageError: with the decorator: *concurrency* is no number from 1 on, or the step is not ``async``
    """

    def mark(function: F) -> F:
        if type(concurrency) is not int or concurrency < 1:
            raise UsageError(f"@step(concurrency={concurrency!r}): it is a whole number, 1 or more")
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            name = getattr(function, "__qualname__", repr(function))
            raise UsageError(f"@step on {name}: only an async step waits; a plain one takes one item at a time anyway")
        setattr(function, _TURNS, concurrency)
        return function

    return mark


def concurrency_of(function: object) -> int:
    """How many items may be in that step at once."""
    given: int = getattr(function, _TURNS, _AT_ONCE)
    return given
