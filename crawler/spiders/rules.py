"""``RuleSpider``: which links are followed, and which callback gets them, told by rules."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, get_args

from crawler.errors import UsageError
from crawler.parse.links import Level
from crawler.parse.page import Page
from crawler.request import Request
from crawler.spiders.declared import DeclaredSpider, check_callback, check_css, check_runs_here, one_or_many
from crawler.urls.patterns import searched

_THEN = "rule_callback"
"""In the ``meta`` of a request whose page is both given to a callback and searched for links: that callback's name."""
_FOLLOWING = "follow_rules"


@dataclass(frozen=True, slots=True)
class Rule:
    """Some links of a page, and what becomes of them. A link belongs to the first rule that takes it."""

    allow: str | Sequence[str] = ()
    """Regular expressions, one of which is found in the absolute URL. None: any URL."""
    deny: str | Sequence[str] = ()
    """Regular expressions, none of which is. They are stronger than *allow*."""
    restrict_css: str | Sequence[str] = ()
    """Parts of the page, as CSS queries: only links in one of them. None: the whole page, and its headers."""
    callback: str | None = None
    """The name of the method that gets the pages. None: they are only searched for links."""
    follow: bool | None = None
    """Whether links on those pages are followed, too. None: if there is no *callback*."""
    links: Level | None = None
    """Where links are looked for, as in ``page.links()``. None: as the setting ``links`` has it."""
    priority: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data, as of a Request

    @property
    def follows(self) -> bool:
        return self.callback is None if self.follow is None else self.follow


class RuleSpider(DeclaredSpider):
    """Follows links by rules::

        class Books(RuleSpider):
            start_urls = ["https://books.toscrape.com/"]
            rules = [
                Rule(allow="/catalogue/category/"),
                Rule(allow="/catalogue/", restrict_css="article", callback="parse_book"),
            ]

            def parse_book(self, page):
                yield page.extract(Book)

    The start pages are searched for links, and given to :meth:`parse_start_url`. ``parse`` is what does it: leave it.
    """

    rules: Sequence[Rule] = ()

    def parse_start_url(self, page: Page) -> Any:  # Any: as a callback
        """A callback for the start pages, beside the rules. It gives nothing unless you override it."""

    async def parse(self, page: Page) -> AsyncIterator[Any]:
        async for value in _results(self.parse_start_url, page):
            yield value
        yield self.follow_rules(page)

    async def parse_and_follow(self, page: Page) -> AsyncIterator[Any]:
        """The callback of pages that a rule with both a callback and ``follow=True`` leads to."""
        name = page.meta.get(_THEN)
        if isinstance(name, str):
            async for value in _results(getattr(self, name), page):
                yield value
        yield self.follow_rules(page)

    def follow_rules(self, page: Page) -> list[Request]:
        """A request for each link on *page* that a rule takes. A callback may yield it itself."""
        taken: dict[str, Request] = {}
        for compiled in self._compiled:
            for url in compiled.links_on(page):
                if url not in taken and compiled.takes(url):
                    taken[url] = compiled.request(url, page)
        return list(taken.values())

    def check_declarations(self) -> None:
        if type(self).parse is not RuleSpider.parse:
            raise UsageError(
                f"{type(self).__name__}.parse would take the place of the rules: name it otherwise in its Rule, or "
                "parse_start_url if it is for the start pages"
            )
        if not self._compiled:
            raise UsageError(f"{type(self).__name__} has no rules: give it some, or derive it from Spider")

    @cached_property
    def _compiled(self) -> list[_Compiled]:
        """
        :raises UsageError: a rule is wrong; the message says which one
        """
        found = []
        for number, rule in enumerate(self.rules, 1):
            where = f"rule {number} of {type(self).__name__}"
            if not isinstance(rule, Rule):
                raise UsageError(f"{where} is a {type(rule).__name__}: write Rule(allow=..., callback=...)")
            try:
                found.append(_compile(rule))
                self._check_callback(rule, where)
            except UsageError as error:
                raise UsageError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from None
        return found

    def _check_callback(self, rule: Rule, where: str) -> None:
        if rule.callback is None:
            return
        check_callback(self, rule.callback, where)
        if rule.callback == "parse":
            raise UsageError("parse is the callback of the start pages: name another")
        if rule.follows:
            check_runs_here(
                self,
                rule.callback,
                "links are followed in the crawl's own process. Leave follow=True away, and let the callback yield "
                "self.follow_rules(page)",
            )


class _Compiled(NamedTuple):
    """A rule, ready to be applied."""

    rule: Rule
    allow: tuple[re.Pattern[str], ...]
    deny: tuple[re.Pattern[str], ...]
    css: str

    def links_on(self, page: Page) -> list[str]:
        return page.links(self.rule.links, css=self.css or None)

    def takes(self, url: str) -> bool:
        if self.allow and not any(pattern.search(url) for pattern in self.allow):
            return False
        return not any(pattern.search(url) for pattern in self.deny)

    def request(self, url: str, page: Page) -> Request:
        rule = self.rule
        meta, callback = dict(rule.meta), rule.callback or _FOLLOWING
        if rule.callback is not None and rule.follows:
            meta[_THEN], callback = rule.callback, "parse_and_follow"
        return page.follow(url, callback, meta=meta, priority=rule.priority)


def _compile(rule: Rule) -> _Compiled:
    """
    :raises UsageError: *rule* cannot be right
    """
    allow = tuple(searched(text) for text in one_or_many(rule.allow, "allow"))
    deny = tuple(searched(text) for text in one_or_many(rule.deny, "deny"))
    css = ", ".join(one_or_many(rule.restrict_css, "restrict_css"))
    if css:
        check_css(css, "restrict_css")
        if "::" in css:
            raise UsageError(f"restrict_css names elements: take {css[css.index('::') :]} away")
    if rule.links is not None and rule.links not in get_args(Level):
        raise UsageError(f"there is no level {rule.links!r} of links; there are: {', '.join(get_args(Level))}")
    if rule.callback is None and not rule.follows:
        raise UsageError("without a callback, and with follow=False, its pages would be fetched for nothing")
    try:
        Request("http://rule.invalid/", meta=dict(rule.meta), priority=rule.priority)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
    return _Compiled(rule, allow, deny, css)


async def _results(callback: Any, page: Page) -> AsyncIterator[Any]:
    """What *callback*, of whichever of the four kinds, gives for *page*; whatever the engine can take is left to it."""
    given = callback(page)
    if inspect.isasyncgen(given):
        async for value in given:
            yield value
    elif inspect.iscoroutine(given) and inspect.iscoroutinefunction(inspect.unwrap(callback)):
        yield await given
    else:
        yield given
