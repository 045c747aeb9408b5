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
    from crawler.errors import CrawlerError, FetchError, FetchFailed, SelectorError, SpiderError, UsageError
    from crawler.fetch.canned import CannedFetcher
    from crawler.items.file import File
    from crawler.items.item import Item
    from crawler.items.rules import css
    from crawler.items.types import Url
    from crawler.outcome import Failure
    from crawler.parse.article import Article
    from crawler.parse.feed import Feed, FeedEntry
    from crawler.parse.form import Form
    from crawler.parse.page import Page
    from crawler.parse.select import Node, Selection
    from crawler.parse.sitemap import SitemapEntry
    from crawler.request import Download, Request
    from crawler.response import Response
    from crawler.spider import Spider, cpu_bound, step
    from crawler.spiders.api import ApiSpider
    from crawler.spiders.feed import FeedSpider
    from crawler.spiders.paging import Cursor, LinkHeader, NextUrl, Offset, PageNumber
    from crawler.spiders.rules import Rule, RuleSpider
    from crawler.spiders.site import SiteSpider
    from crawler.spiders.sitemap import SitemapSpider
    from crawler.urls.canonical import canonicalization_step

__version__ = "0.1.0"

_HOMES = {
    "Article": "crawler.parse.article",
    "ApiSpider": "crawler.spiders.api",
    "CannedFetcher": "crawler.fetch.canned",
    "CrawlResult": "crawler.api",
    "CrawlerError": "crawler.errors",
    "Cursor": "crawler.spiders.paging",
    "Download": "crawler.request",
    "Failure": "crawler.outcome",
    "Feed": "crawler.parse.feed",
    "FeedEntry": "crawler.parse.feed",
    "FeedSpider": "crawler.spiders.feed",
    "FetchError": "crawler.errors",
    "FetchFailed": "crawler.errors",
    "File": "crawler.items.file",
    "Form": "crawler.parse.form",
    "Item": "crawler.items.item",
    "LinkHeader": "crawler.spiders.paging",
    "NextUrl": "crawler.spiders.paging",
    "Node": "crawler.parse.select",
    "Offset": "crawler.spiders.paging",
    "Page": "crawler.parse.page",
    "PageNumber": "crawler.spiders.paging",
    "Request": "crawler.request",
    "Response": "crawler.response",
    "Rule": "crawler.spiders.rules",
    "RuleSpider": "crawler.spiders.rules",
    "Saved": "crawler.download",
    "Selection": "crawler.parse.select",
    "SelectorError": "crawler.errors",
    "SiteSpider": "crawler.spiders.site",
    "SitemapEntry": "crawler.parse.sitemap",
    "SitemapSpider": "crawler.spiders.sitemap",
    "Spider": "crawler.spider",
    "SpiderError": "crawler.errors",
    "Url": "crawler.items.types",
    "UsageError": "crawler.errors",
    "canonicalization_step": "crawler.urls.canonical",
    "cpu_bound": "crawler.spider",
    "crawl": "crawler.api",
    "css": "crawler.items.rules",
    "run": "crawler.api",
    "step": "crawler.spider",
}

__all__ = [
    "ApiSpider",
    "Article",
    "CannedFetcher",
    "CrawlResult",
    "CrawlerError",
    "Cursor",
    "Download",
    "Failure",
    "Feed",
    "FeedEntry",
    "FeedSpider",
    "FetchError",
    "FetchFailed",
    "File",
    "Form",
    "Item",
    "LinkHeader",
    "NextUrl",
    "Node",
    "Offset",
    "Page",
    "PageNumber",
    "Request",
    "Response",
    "Rule",
    "RuleSpider",
    "Saved",
    "Selection",
    "SelectorError",
    "SiteSpider",
    "SitemapEntry",
    "SitemapSpider",
    "Spider",
    "SpiderError",
    "Url",
    "UsageError",
    "canonicalization_step",
    "cpu_bound",
    "crawl",
    "css",
    "run",
    "step",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'crawler' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value
