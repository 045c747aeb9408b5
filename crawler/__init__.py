"""A web crawler and scraping framework: spiders in, exact datasets out.

::

    from crawler import Item, Spider, css

The names below are the public ones. Each is imported when it is first used, so that ``crawl --help`` and a test
that needs only a Request start at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.api import CrawlResult, crawl, run
    from crawler.download import Saved
    from crawler.errors import CrawlerError, FetchError, SelectorError, SpiderError, UsageError
    from crawler.fetch.canned import CannedFetcher
    from crawler.items.item import Item, css
    from crawler.outcome import Failure
    from crawler.parse.feed import Feed, FeedEntry
    from crawler.parse.page import Page
    from crawler.parse.select import Node, Selection
    from crawler.parse.sitemap import SitemapEntry
    from crawler.request import Download, Request
    from crawler.response import Response
    from crawler.spider import Spider, cpu_bound
    from crawler.urls.canonical import canonicalization_step

__version__ = "0.1.0"

_HOMES = {
    "CannedFetcher": "crawler.fetch.canned",
    "CrawlResult": "crawler.api",
    "CrawlerError": "crawler.errors",
    "Download": "crawler.request",
    "Failure": "crawler.outcome",
    "Feed": "crawler.parse.feed",
    "FeedEntry": "crawler.parse.feed",
    "FetchError": "crawler.errors",
    "Item": "crawler.items.item",
    "Node": "crawler.parse.select",
    "Page": "crawler.parse.page",
    "Request": "crawler.request",
    "Response": "crawler.response",
    "Saved": "crawler.download",
    "Selection": "crawler.parse.select",
    "SelectorError": "crawler.errors",
    "SitemapEntry": "crawler.parse.sitemap",
    "Spider": "crawler.spider",
    "SpiderError": "crawler.errors",
    "UsageError": "crawler.errors",
    "canonicalization_step": "crawler.urls.canonical",
    "cpu_bound": "crawler.spider",
    "crawl": "crawler.api",
    "css": "crawler.items.item",
    "run": "crawler.api",
}

__all__ = [
    "CannedFetcher",
    "CrawlResult",
    "CrawlerError",
    "Download",
    "Failure",
    "Feed",
    "FeedEntry",
    "FetchError",
    "Item",
    "Node",
    "Page",
    "Request",
    "Response",
    "Saved",
    "Selection",
    "SelectorError",
    "SitemapEntry",
    "Spider",
    "SpiderError",
    "UsageError",
    "canonicalization_step",
    "cpu_bound",
    "crawl",
    "css",
    "run",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'crawler' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value
