"""``Spider``: what users write."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, ClassVar, TypeVar

from crawler.outcome import Failure
from crawler.parse.page import Page
from crawler.request import Request

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__crawler_cpu_bound__"


class Spider:
    """Subclass it, name the start URLs, and write ``parse``.

    A callback (``parse``, or any method that a request names) may be a plain function, a generator, a coroutine or
    an async generator. It may return or yield items, Requests, lists of them, or None.
    """

    name: ClassVar[str]
    """What ``crawl NAME`` calls it. Without one it is the class's name in lower case."""
    start_urls: Iterable[str] = ()
    """Where the crawl begins."""
    allowed_hosts: Iterable[str] = ()
    """Hosts that belong to the crawl; ``example.com`` covers its sub-domains, ``*`` is anywhere.

    Without any: the hosts of the start URLs, less a leading ``www.``.
    """
    settings: ClassVar[dict[str, Any]] = {}
    """Settings for this spider, under the names that config.toml has; checked like it."""

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
        """The first requests: one for each of ``start_urls``. Override it to make them otherwise."""
        for url in self.start_urls:
            yield Request(url)

    def parse(self, page: Page) -> Any:  # Any: each of the four kinds of callback, and all that they may give
        """The callback of requests that name no other."""
        raise NotImplementedError(f"{type(self).__name__} has no parse method; write def parse(self, page): ...")

    def opened(self) -> Any:  # Any: a plain function or a coroutine
        """Called before the first request. If it raises, nothing is fetched."""

    def closed(self, reason: str) -> Any:  # Any: a plain function or a coroutine
        """Called after the last page; *reason* is ``complete``, ``max_pages``, ``interrupted`` ..."""

    def on_failure(self, failure: Failure) -> Any:  # Any: as a callback
        """Called for each URL given up. It may yield items and requests, as a callback may."""


def cpu_bound(callback: F) -> F:
    """Mark a callback that computes for long: it runs in a parse process, and the crawl goes on meanwhile.

    The spider is built afresh there, from its class and arguments: what one page leaves on ``self`` no other sees.
    """
    setattr(callback, _MARK, True)
    return callback


def is_cpu_bound(callback: object) -> bool:
    """Whether :func:`cpu_bound` marked it."""
    return getattr(callback, _MARK, False) is True
