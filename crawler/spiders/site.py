"""``SiteSpider``: a whole site without code. ``crawl https://example.com/`` runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from crawler.errors import UsageError
from crawler.http.filename import is_plain
from crawler.parse.page import Page
from crawler.parse.sitemap import SitemapEntry
from crawler.parse.visible import visible_text
from crawler.request import Request
from crawler.spiders.declared import DeclaredSpider, check_css, one_or_many
from crawler.urls.patterns import Patterns

MAX_TEXT = 100_000
"""Characters of a page's text that are kept. Of the longest articles of an encyclopedia that is all, or nearly."""
_MAX_LINE = 1_000
"""Characters of a title or a description. Search engines show 60 and 160."""
_FIELD = re.compile(r"([^\W\d][\w.-]*)(\[\])?")
_OWN = ("url", "status", "depth")
"""Fields that each item has; no selector may take the name of one."""
_DESCRIPTION = "meta[name=description i]::attr(content), meta[property='og:description' i]::attr(content)"
_LONGEST_NAME = 100
_NO_NAME = re.compile(r"[^a-z0-9.-]+")


class SiteSpider(DeclaredSpider):
    """Follows every link of a site, and keeps of each page what everybody wants, or what *select* says::

        class Shop(SiteSpider):
            start_urls = ["https://shop.example/"]
            exclude = ["/cart/"]
            select = {"title": "h1", "price": ".price::text", "tags[]": ".tag"}

    An item has ``url``, ``status``, ``title``, ``description``, ``text``, ``links`` and ``depth``. The last four are
    empty or None for what is no HTML. With *select* it has ``url``, ``status``, the fields named there, and ``depth``;
    a page that has none of those fields gives no item.
    """

    include: Sequence[str] = ()
    """Patterns (``crawler/urls/patterns.py``) of what is followed and kept; without any: all. Seeds are always fetched."""
    exclude: Sequence[str] = ()
    """Patterns of what is not; they are stronger than *include*."""
    select: Mapping[str, str] = {}
    """The name of a field -> a CSS query; with ``[]`` after the name the field is a list of all that is found. An element
    gives its text. Runs of white space are one space."""

    def parse(self, page: Page) -> Iterator[Any]:
        patterns, fields = self._patterns, self._fields
        links = page.links()
        if patterns.admits(page.url):
            found = [(name, _values(page, query, is_list)) for name, query, is_list in fields]
            if not fields:
                yield {"url": page.url, "status": page.status, **_everything(page, links), "depth": page.depth}
            elif any(value is not None and value != [] for _, value in found):
                yield {"url": page.url, "status": page.status, **dict(found), "depth": page.depth}
        for url in patterns.admitted(links):
            yield page.follow(url)

    def sitemap_entry(self, entry: SitemapEntry) -> Request | None:
        return Request(entry.url) if self._patterns.admits(entry.url) else None

    def check_declarations(self) -> None:
        assert self._patterns
        assert self._fields is not None

    @cached_property
    def _patterns(self) -> Patterns:
        return Patterns(one_or_many(self.include, "include"), one_or_many(self.exclude, "exclude"))

    @cached_property
    def _fields(self) -> list[tuple[str, str, bool]]:
        """Name, query, whether it is a list.

        :raises UsageError: a name or a query is wrong
        """
        if not isinstance(self.select, Mapping):
            raise UsageError(f'{type(self).__name__}.select is a dict, as {{"title": "h1"}}, not {self.select!r}')
        found: dict[str, tuple[str, str, bool]] = {}
        for written, query in self.select.items():
            match = _FIELD.fullmatch(written)
            if match is None:
                raise UsageError(
                    f"select: {written!r} is no name of a field: letters, digits and _.- alone, and [] at its end for a list"
                )
            name = match[1]
            if name in _OWN or name in found:
                why = "is a field of each item already" if name in _OWN else "is named twice"
                raise UsageError(f"select: {name} {why}; call it otherwise")
            check_css(query, f"select {written}")
            found[name] = (name, query, bool(match[2]))
        return list(found.values())


def name_for(host: str) -> str:
    """What the crawl of *host* is called: its job, its dataset, its table in config.toml.

    As the host, but for what cannot stand in the name of a file: ``127.0.0.1-8000`` for ``127.0.0.1:8000``.
    """
    name = _NO_NAME.sub("-", host).strip("-.")[:_LONGEST_NAME]
    return name if is_plain(name) else f"site-{name}"


def site_spider(name: str) -> type[SiteSpider]:
    """A spider of that name; where and what it crawls is told by its arguments."""
    own = {"name": name, "__module__": SiteSpider.__module__, "__qualname__": SiteSpider.__qualname__}
    return type(SiteSpider.__name__, (SiteSpider,), own)


def _everything(page: Page, links: list[str]) -> dict[str, Any]:  # Any: texts and a list
    if not (page.is_document and page.is_text):
        return {"title": None, "description": None, "text": None, "links": links}
    title = page.css("title")
    return {
        "title": _line(title.text),
        "description": _line(page.css(_DESCRIPTION).text),
        "text": visible_text(page.tree, MAX_TEXT),
        "links": links,
    }


def _line(text: str) -> str | None:
    return text[:_MAX_LINE] or None


def _values(page: Page, query: str, is_list: bool) -> str | list[str] | None:
    found = page.css(query)
    if is_list:
        return [text for node in found if (text := node.text)]
    return next((text for node in found if (text := node.text)), None)
