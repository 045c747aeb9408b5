"""Which addresses a document holds: the elements, attributes and headers that have some, and how wide a net is cast.

Rule 1: what is found stands in the order of the document, headers first; the widest level adds what its text holds.
Rule 2: everything here reads its text once, from left to right: no page can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from crawler.http.link_header import HeaderLink
from crawler.http.refresh import refresh_of
from crawler.parse.css import addresses_in_css
from crawler.parse.select import Element, Tree
from crawler.parse.srcset import candidates
from crawler.urls.url import MAX_URL, Base

Level: TypeAlias = Literal["pages", "resources", "all"]
_NO_BASE = ("data:", "javascript:")
"""Schemes that a ``<base href>`` must not have. The HTML Standard, "set the frozen base URL"."""
LEVELS: tuple[Level, ...] = ("pages", "resources", "all")
"""Each holds the one before it."""
PAGES, RESOURCES, ALL = range(3)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What ``page.links()`` gives."""

    links: Annotated[
        Level,
        Meta(
            description="what page.links() gives: pages; resources, too (images, scripts, styles); or all that is named"
        ),
    ] = "pages"


_PAGE_RELATIONS = frozenset(
    {
        "about", "alternate", "appendix", "archives", "author", "bookmark", "canonical", "chapter", "contents",
        "copyright", "first", "glossary", "help", "home", "index", "last", "license", "next", "payment", "prev",
        "previous", "privacy-policy", "related", "section", "start", "subsection", "terms-of-service", "top", "up", "via",
    }
)  # fmt: skip
"""Relations to another page for people. Left to the resources: ``amphtml`` and ``shortlink``, which are this page once
more; ``search``, ``edituri`` and feeds, which are for programs."""
_FETCHED_RELATIONS = frozenset(
    {"stylesheet", "icon", "preload", "modulepreload", "manifest", "apple-touch-icon", "mask-icon", "image_src"}
)
"""Relations to what a page is made of, whatever else the same element says (``alternate stylesheet``)."""
_HINTS = frozenset({"dns-prefetch", "preconnect", "pingback", "webmention"})
"""Relations that name a server, or a place to post to: nothing that could be fetched."""
_PAGE_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
_HIDDEN = "noscript"
_HIDDEN_WITHIN = 64
"""Elements above another one among which that is looked for. A page may put a hundred thousand deep in others."""


_REMEMBERED = 200
"""Characters; longer relations are worth no memory, and a page may bring megabytes of them."""


def level_of(rel: str, media_type: str = "") -> int:
    """At which level a link of relations *rel* to something of *media_type* belongs, be it an element or a header."""
    if len(rel) + len(media_type) > _REMEMBERED:
        return _level(rel, media_type)
    return _known_level(rel, media_type)


def _level(rel: str, media_type: str) -> int:
    relations = frozenset(rel.lower().split())
    if relations & _HINTS:
        return ALL
    is_page = relations & _PAGE_RELATIONS and not relations & _FETCHED_RELATIONS
    return PAGES if is_page and media_type.partition(";")[0].strip().lower() in _PAGE_TYPES else RESOURCES


_known_level = lru_cache(maxsize=1024)(_level)


# How an attribute is read.


def _address(value: str) -> Iterable[str]:
    """One address. Empty, or a fragment alone, it means the page itself, and nothing is fetched."""
    return (value,) if value.strip() and value[0] != "#" else ()


def _refresh(value: str) -> Iterable[str]:
    refresh = refresh_of(value)
    return (refresh.target,) if refresh is not None and refresh.target else ()


# When a row counts.


def _is_page(element: Element) -> bool:
    return _link_level(element) == PAGES


def _is_no_hint(element: Element) -> bool:
    return _link_level(element) < ALL


def _link_level(element: Element) -> int:
    attrs = element.attrs
    return level_of(attrs.get("rel") or "", attrs.get("type") or "")


def _is_refresh(element: Element) -> bool:
    return (element.attrs.get("http-equiv") or "").lower() == "refresh" and not is_hidden(element)


class Source(NamedTuple):
    """One row: an attribute that holds addresses."""

    element: str
    """Its name; ``*`` for any."""
    attribute: str
    """Empty: the text inside."""
    level: int
    read: Callable[[str], Iterable[str]] = _address
    counts: Callable[[Element], bool] | None = None
    """Whether it holds for this element; None: for each."""


SOURCES = (
    Source("a", "href", PAGES),
    Source("a", "xlink:href", PAGES),
    Source("area", "href", PAGES),
    Source("link", "href", PAGES, counts=_is_page),
    Source("iframe", "src", PAGES),
    Source("frame", "src", PAGES),
    Source("meta", "content", PAGES, _refresh, _is_refresh),
    Source("link", "href", RESOURCES, counts=_is_no_hint),
    Source("link", "imagesrcset", RESOURCES, candidates),
    Source("img", "src", RESOURCES),
    Source("img", "srcset", RESOURCES, candidates),
    Source("source", "src", RESOURCES),
    Source("source", "srcset", RESOURCES, candidates),
    Source("script", "src", RESOURCES),
    Source("script", "href", RESOURCES),
    Source("script", "xlink:href", RESOURCES),
    Source("video", "src", RESOURCES),
    Source("video", "poster", RESOURCES),
    Source("audio", "src", RESOURCES),
    Source("track", "src", RESOURCES),
    Source("embed", "src", RESOURCES),
    Source("object", "data", RESOURCES),
    Source("input", "src", RESOURCES),
    Source("use", "href", RESOURCES),
    Source("use", "xlink:href", RESOURCES),
    Source("image", "href", RESOURCES),
    Source("image", "xlink:href", RESOURCES),
    Source("html", "manifest", RESOURCES),
    Source("style", "", RESOURCES, addresses_in_css),
    Source("*", "style", RESOURCES, addresses_in_css),
    Source("*", "background", RESOURCES),
    Source("link", "href", ALL),
    Source("form", "action", ALL),
    Source("button", "formaction", ALL),
    Source("input", "formaction", ALL),
    Source("blockquote", "cite", ALL),
    Source("q", "cite", ALL),
    Source("ins", "cite", ALL),
    Source("del", "cite", ALL),
    Source("img", "longdesc", ALL),
    Source("*", "data-href", ALL),
    Source("*", "data-url", ALL),
    Source("*", "data-src", ALL),
    Source("*", "data-srcset", ALL, candidates),
    Source("*", "data-original", ALL),
    Source("*", "data-lazy-src", ALL),
    Source("*", "data-background", ALL),
)
"""Every element and attribute that is looked at. The action of a form is no page as it stands: what the form would
send is missing, or it is posted to. A ``ping`` is never fetched at all."""


class _Plan(NamedTuple):
    """The rows of one level, as a tree is asked for them."""

    css: str
    """What may hold something."""
    rows: dict[str, tuple[Source, ...]]
    """By element."""
    common: tuple[Source, ...]
    """Of any element."""


def _plan(level: int) -> _Plan:
    wanted = [row for row in SOURCES if row.level <= level]
    common = tuple(row for row in wanted if row.element == "*")
    names = dict.fromkeys(row.element for row in wanted if row.element != "*")
    rows = {name: tuple(row for row in wanted if row.element in (name, "*")) for name in names}
    css = [*names, *(f"[{row.attribute}]" for row in common)]
    return _Plan(", ".join(css), rows, common)


_PLANS = {level: _plan(number) for number, level in enumerate(LEVELS)}


def base_of(tree: Tree) -> str | None:
    """What the first ``<base>`` that has an ``href`` says, perhaps nothing; None if there is none."""
    return next((base.attrs.get("href") or "" for base in tree.tags("base") if "href" in base.attributes), None)


def base_for(url: str, href: str | None) -> Base:
    """What addresses in the page *url* are joined by; *href* is what its ``<base>`` says. Where that is longer than any URL
    that is followed, so would be each of its links: what is no URL by itself is none then.
    """
    base = Base(url).resolve(href) if href else None
    if base is None or base.startswith(_NO_BASE):
        return Base(url)
    return Base(base if len(base) <= MAX_URL else "about:blank")


class Found(NamedTuple):
    """What a tree holds, as it stands there."""

    base: str | None
    """As :func:`base_of` has it."""
    addresses: list[str | None]


def addresses(tree: Tree, level: Level, *, obey_nofollow: bool = False) -> Found:
    """What the elements of *tree* hold; *obey_nofollow* leaves out ``a`` and ``area`` that are ``rel=nofollow``."""
    if level == "pages" and not obey_nofollow:
        simple = _addresses_of_simple_page(tree)
        if simple is not None:
            return simple
    plan = _PLANS[level]
    found: list[str | None] = []
    for element in tree.css(plan.css):  # in their order; one that several parts name comes several times in a row
        name = element.tag
        if name == "a" or name == "area":  # noqa: PLR1714 (the first comparison is all, for nearly every element)
            if obey_nofollow and is_nofollow(element.attrs.get("rel")):
                continue
            found.append(element.attrs.get("href"))  # what nearly all are, even an empty one: the page itself
            if level == "pages" and found[-1] is not None:
                continue
        for row in plan.rows.get(name or "", plan.common):
            value = element.attrs.get(row.attribute) if row.attribute else element.text()
            if value and (row.counts is None or row.counts(element)):
                found.extend(row.read(value))
    return Found(base_of(tree), found)


_OUTLINE = (
    "base[href], area, iframe, frame, meta[http-equiv=refresh i], "
    "link:not([rel~=stylesheet i]):not([rel~=icon i]):not([rel~=preload i])"
)
"""What a page that leads elsewhere by more than its anchors has; what most links are is left out by the engine."""


def _addresses_of_simple_page(tree: Tree) -> Found | None:
    """A short cut: :func:`addresses` where only anchors, and links in the head, lead to other pages. None elsewhere."""
    found: list[str | None] = []
    base = None
    for element in tree.css(_OUTLINE):
        name = element.tag
        if name == "link":
            if level_of(element.attrs.get("rel") or "") == PAGES and _is_page(element):  # most fail the first
                if element.parent is None or element.parent.tag != "head":
                    return None  # it may stand among the anchors
                found += _address(element.attrs.get("href") or "")
        elif name == "base":
            base = (element.attrs.get("href") or "") if base is None else base
        elif name != "meta" or _is_refresh(element):
            return None
    anchors = tree.tags("a")
    hrefs = [anchor.attrs.get("href") for anchor in anchors]
    if None in hrefs:
        hrefs = [href or anchor.attrs.get("xlink:href") for anchor, href in zip(anchors, hrefs, strict=True)]
    return Found(base, found + hrefs)


def is_nofollow(rel: str | None) -> bool:
    """Whether a link of relations *rel* is marked ``nofollow``."""
    return "nofollow" in (rel or "").lower().split()


def is_hidden(element: Element) -> bool:
    """Whether a browser that runs scripts would not see *element*."""
    above = element.parent
    for _ in range(_HIDDEN_WITHIN):
        if above is None or above.tag == _HIDDEN:
            return above is not None
        above = above.parent
    return False


def addresses_in_headers(links: Iterable[HeaderLink], location: str | None, level: Level) -> list[str]:
    """What the ``Link`` headers and a ``Content-Location`` hold. (``Refresh``: see :attr:`Page.refresh`.)"""
    found = [link.target for link in links if level_of(link.rel, link.type) <= LEVELS.index(level)]
    return found if location is None else [*found, location]


def addresses_in_manifest(body: bytes, level: Level) -> list[str]:
    """What a web application's manifest names: its pages, and its pictures. Empty if *body* is none."""
    try:
        manifest = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if not isinstance(manifest, dict):
        return []
    found = [manifest.get("start_url"), *_each(manifest, "shortcuts", "url")]
    if level != "pages":
        of_shortcuts = (_each(shortcut, "icons", "src") for shortcut in _dicts(manifest, "shortcuts"))
        found += [*_each(manifest, "icons", "src"), *_each(manifest, "screenshots", "src")]
        found += [source for sources in of_shortcuts for source in sources]
        found += _each(manifest, "related_applications", "url")
    return [address for address in found if isinstance(address, str)]


def _each(table: dict[str, Any], name: str, key: str) -> list[Any]:  # Any: it is JSON
    return [entry.get(key) for entry in _dicts(table, name)]


def _dicts(table: dict[str, Any], name: str) -> list[dict[str, Any]]:  # Any: it is JSON
    entries = table.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


# Text.

_WRITTEN = (("\\/", "/"), ("\\u002F", "/"), ("\\u002f", "/"), ("\\u0026", "&"), ("&amp;", "&"), ("&quot;", '"'))
"""As scripts, JSON and attributes write what they mean."""
_IN_TEXT = re.compile(
    r"""[hH][tT][tT][pP][sS]?+://[^\s"'<>\\^`{|}]++"""
    r"""|/(?<=["'`]/)(?:[A-Za-z0-9_~%.-]|/[A-Za-z0-9-]++\.)[^\s"'<>\\^`{|}]*+(?=["'`])"""
)
"""An absolute address; and in quotes one that begins with a slash, or with two of them and a host."""
_NO_ADDRESS = ("http://www.w3.org/1999/", "http://www.w3.org/2000/", "http://schema.org", "https://schema.org")
"""Names of vocabularies: they look like addresses, and lead nowhere."""


def addresses_in_text(text: str) -> Iterator[str]:
    """Addresses in scripts, comments, JSON and plain text: absolute ones; in quotes also those that begin with ``/``.

    Words like ``page.html`` are not taken for one: most of them are none.
    """
    for written, meant in _WRITTEN:
        if written in text:
            text = text.replace(written, meant)
    for match in _IN_TEXT.finditer(text):
        address = match[0]
        if address[-1] in ".,;:!?*)]":
            address = _without_punctuation(address)
        if not address.startswith(_NO_ADDRESS):
            yield address


def _without_punctuation(address: str) -> str:
    """What ends a sentence is no part of the address in it; a bracket is, if it was opened there."""
    ends = ".,;:!?*"
    if "(" not in address:
        ends += ")"
    if "[" not in address:
        ends += "]"
    return address.rstrip(ends)
