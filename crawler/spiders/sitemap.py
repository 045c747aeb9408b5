"""``SitemapSpider``: the pages that a site's sitemaps list, each to the callback that a rule names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from crawler.errors import UsageError
from crawler.parse.date import moment
from crawler.parse.page import Page
from crawler.parse.sitemap import SitemapEntry
from crawler.request import Request
from crawler.spiders.declared import DeclaredSpider, check_callback, one_or_many
from crawler.urls.patterns import searched


class SitemapSpider(DeclaredSpider):
    """Crawls what sitemaps list::

        class Shop(SitemapSpider):
            sitemaps = ["https://shop.example/"]
            sitemap_rules = [("/product/", "parse_product"), ("/category/", "parse_category")]

    :meth:`Spider.sitemap_entry` and :meth:`Spider.follows_sitemap` are what it decides by; override them for more.
    """

    sitemap_rules: Sequence[tuple[str, str]] = ()
    """Pairs of a regular expression and the name of a callback. A URL in which the first is found goes to the second; the
    first pair that fits counts, and a URL that none fits is left out. Without any: all go to ``parse``."""
    sitemap_follow: str | Sequence[str] = ()
    """Regular expressions, one of which is found in the URL of each sitemap that is read out of an index. None: any."""
    sitemap_alternates: bool = False
    """Whether an entry's pages in other languages (``hreflang``) are crawled, too. The rules hold for each of them."""
    since: date | str | None = None
    """Leave out what was changed last before this day or moment (``2026-01-31``; UTC). What does not say when is kept."""

    def sitemap_entry(self, entry: SitemapEntry) -> Any:  # Any: as Spider's
        if self._is_old(entry):
            return None
        urls = (
            dict.fromkeys([entry.url, *(other.url for other in entry.alternates)]) if self._alternates else [entry.url]
        )
        return [request for url in urls if (request := self._request(url)) is not None]

    def follows_sitemap(self, entry: SitemapEntry) -> bool:
        if self._is_old(entry):
            return False
        return not self._follow or any(pattern.search(entry.url) for pattern in self._follow)

    def parse(self, page: Page) -> Any:
        """The callback of pages for which there is no rule; write it, unless there are rules."""
        raise NotImplementedError(f"{type(self).__name__} has no parse method; write def parse(self, page): ...")

    def check_declarations(self) -> None:
        """
        :raises UsageError: a pattern, a callback or a date is wrong
        """
        name = type(self).__name__
        if not self._rules and type(self).parse is SitemapSpider.parse:
            raise UsageError(
                f'{name} has neither sitemap_rules nor a parse method: write sitemap_rules = [("/product/", "parse_product")]'
            )
        for _, callback in self._rules:
            check_callback(self, callback, f"{name}.sitemap_rules")
        if self.start_urls and type(self).parse is SitemapSpider.parse:
            raise UsageError(f"{name}.start_urls are given to parse: write def parse(self, page): ...")
        if any(callback == "parse" for _, callback in self._rules) and type(self).parse is SitemapSpider.parse:
            raise UsageError(f"{name}.sitemap_rules name parse: write def parse(self, page): ...")
        assert self._follow is not None
        assert self._since is None or self._since.tzinfo

    def _request(self, url: str) -> Request | None:
        if not self._rules:
            return Request(url)
        callback = next((callback for pattern, callback in self._rules if pattern.search(url)), None)
        return None if callback is None else Request(url, callback)

    def _is_old(self, entry: SitemapEntry) -> bool:
        return self._since is not None and entry.lastmod is not None and entry.lastmod < self._since

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], str]]:
        where = f"{type(self).__name__}.sitemap_rules"
        found = []
        for rule in self.sitemap_rules:
            if not isinstance(rule, (tuple, list)) or len(rule) != 2 or not isinstance(rule[0], str):
                raise UsageError(f'{where}: a rule is a pair, as ("/product/", "parse_product"), not {rule!r}')
            found.append((_searched(rule[0], where), rule[1]))
        return found

    @cached_property
    def _follow(self) -> list[re.Pattern[str]]:
        where = f"{type(self).__name__}.sitemap_follow"
        return [_searched(text, where) for text in one_or_many(self.sitemap_follow, where)]

    @cached_property
    def _alternates(self) -> bool:
        given: object = self.sitemap_alternates
        return given is True or str(given).strip().lower() in ("true", "yes", "1")  # of -a it is a text

    @cached_property
    def _since(self) -> datetime | None:
        given = self.since
        if given is None or given == "":
            return None
        if isinstance(given, date) and not isinstance(given, datetime):
            given = given.isoformat()
        found = moment(given) if isinstance(given, str) else given
        if not isinstance(found, datetime):
            raise UsageError(f"{type(self).__name__}.since is a date, as 2026-01-31, not {given!r}")
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _searched(pattern: str, where: str) -> re.Pattern[str]:
    try:
        return searched(pattern)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
