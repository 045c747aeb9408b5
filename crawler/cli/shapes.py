"""The spiders that ``crawl new`` writes, one for each shape. Each runs as it stands."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """One row."""

    help: str
    """What it is for, in one clause."""
    text: str
    """The file, with ``{class_name}``, ``{name}`` and ``{url}`` in it; braces are doubled."""


_PAGES = '''\
from crawler import Item, Spider, css


class Page(Item):
    url: str
    title: str | None = css("title::text")
    heading: str | None = css("h1::text")


class {class_name}(Spider):
    """Every page of the site, with its title and first heading."""

    name = "{name}"
    start_urls = ["{url}"]

    def parse(self, page):
        yield page.extract(Page)
        yield from page.follow_all("a")
'''

_RULES = '''\
from crawler import Item, Rule, RuleSpider, css


class Page(Item):
    url: str
    title: str | None = css("title::text")
    heading: str | None = css("h1::text")


class {class_name}(RuleSpider):
    """Pages that rules lead to: the first rule that takes a link says what becomes of it."""

    name = "{name}"
    start_urls = ["{url}"]
    rules = [
        Rule(allow=r"[?&/]page[=/-]?\\d+"),  # lists: only followed
        Rule(deny=r"/(login|cart)\\b", callback="parse_page", follow=True),  # the rest: kept, and followed
    ]

    def parse_page(self, page):
        yield page.extract(Page)
'''

_SITEMAP = '''\
from crawler import Item, SitemapSpider, css


class Page(Item):
    url: str
    title: str | None = css("title::text")
    heading: str | None = css("h1::text")


class {class_name}(SitemapSpider):
    """The pages that the site's sitemaps list."""

    name = "{name}"
    sitemaps = ["{url}"]
    sitemap_rules = [("/", "parse_page")]  # as ("/product/", "parse_product"): the first that is found in the URL

    def parse_page(self, page):
        yield page.extract(Page)
'''

_FEED = '''\
from crawler import FeedSpider


class {class_name}(FeedSpider):
    """The rows of a file (CSV, lines of JSON, XML), or the entries of a feed (RSS, Atom)."""

    name = "{name}"
    start_urls = ["{url}"]
    # format = "csv"  # or "jsonl", "xml", "feed": only where the URL does not tell
    # itertag = "product"  # of XML: which elements are the rows

    def parse_row(self, page, row):
        yield row

    def parse_entry(self, page, entry):
        yield {{"url": entry.url, "title": entry.title, "published": entry.published}}
'''

_API = '''\
from crawler import ApiSpider, LinkHeader


class {class_name}(ApiSpider):
    """The rows of an API that answers in JSON, page after page."""

    name = "{name}"
    start_urls = ["{url}"]
    rows = ""  # where the list is, as "data.items"; empty: the body is the list
    paging = LinkHeader()  # or NextUrl("next"), Cursor("meta.next", "cursor"), PageNumber("page"), Offset("offset")

    def parse_row(self, page, row):
        yield row
'''

_FORM = '''\
import os

from crawler import Spider


class {class_name}(Spider):
    """Logs in by the first form of the start page, and crawls what lies behind it."""

    name = "{name}"
    start_urls = ["{url}"]
    user = os.environ.get("SITE_USER", "")
    password = os.environ.get("SITE_PASSWORD", "")

    def parse(self, page):
        fields = {{"username": self.user, "password": self.password}}  # as the form calls them
        yield page.form().submit(fields, self.parse_page)

    def parse_page(self, page):
        yield {{"url": page.url, "title": page.css("title::text").get()}}
        yield from page.follow_all("a", "parse_page")
'''

_SITE = '''\
from crawler import SiteSpider


class {class_name}(SiteSpider):
    """Every page of the site, as `crawl {url}` has it, with fields of your own."""

    name = "{name}"
    start_urls = ["{url}"]
    include = []  # as "/catalogue/", "*.html", "re:[?&]page="
    exclude = []
    select = {{"title": "title", "heading": "h1"}}  # "tags[]": ".tag" gives a list
'''

SHAPES: dict[str, Shape] = {
    "pages": Shape("follows every link", _PAGES),
    "rules": Shape("follows links by rules", _RULES),
    "sitemap": Shape("crawls what the sitemaps of URL list", _SITEMAP),
    "feed": Shape("reads the feed or data file at URL", _FEED),
    "api": Shape("reads the JSON API at URL, page after page", _API),
    "form": Shape("logs in at URL first", _FORM),
    "site": Shape("follows every link, and has no code at all", _SITE),
}
"""A shape is a row here."""
