"""Open Graph (ogp.me) and its relatives: the ``<meta property="og:...">`` that a page has for those who share it.

Rule 1: the shape of a value depends on its name alone, never on how often it is there: a list of texts, a list of
objects, or the first text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from crawler.parse.select import Tree

Value: TypeAlias = str | list[str] | list[dict[str, str]]

_FAMILIES = ("og:", "article:", "product:", "book:", "profile:", "music:", "video:", "fb:", "twitter:", "al:")
"""The names of these vocabularies begin so."""
_STRUCTURED = frozenset({"og:image", "og:video", "og:audio", "music:song", "music:album", "video:actor"})
"""Each may be there several times, and has properties of its own: ``og:image:width`` belongs to the last ``og:image``."""
_MANY = frozenset(
    {
        "og:locale:alternate", "article:author", "article:tag", "book:author", "book:tag", "music:musician",
        "video:director", "video:tag", "video:writer",
    }
)  # fmt: skip
_ADDRESSES = frozenset({"og:url", "twitter:image", "twitter:image:src", "twitter:player"})
_INNER_ADDRESSES = frozenset({"url", "secure_url"})
_MOST = 5_000
"""Properties that are kept of one page. It has twenty."""


def opengraph(tree: Tree, urljoin: Callable[[str], str]) -> dict[str, Value]:
    """The properties of the page, in the order of their first mention; empty ones are left out."""
    found: dict[str, Value] = {}
    count = 0
    for meta in tree.tags("meta"):
        attrs = meta.attrs
        names = attrs.get("property") or attrs.get("name")
        content = (attrs.get("content") or "").strip()
        if not names or not content or ":" not in names:
            continue
        for name in names.lower().split():
            if name.startswith(_FAMILIES) and count < _MOST:
                count += 1
                _add(found, name, content, urljoin)
    return found


def _add(found: dict[str, Value], name: str, content: str, urljoin: Callable[[str], str]) -> None:
    root, inner = _structure(name)
    if root:
        things = found.setdefault(root, [])
        if isinstance(things, list):
            _add_inner(things, inner, urljoin(content) if inner in _INNER_ADDRESSES else content)
    elif name in _MANY:
        texts = found.setdefault(name, [])
        if isinstance(texts, list) and content not in texts[-1:]:
            texts.append(content)  # type: ignore[arg-type]  # those of _MANY are lists of texts
    else:
        found.setdefault(name, urljoin(content) if name in _ADDRESSES else content)


def _structure(name: str) -> tuple[str, str]:
    """``og:image:width`` -> ``og:image`` and ``width``; ``og:image`` itself is its ``url``."""
    if name in _STRUCTURED:
        return name, "url"
    root, _, inner = name.rpartition(":")
    return (root, inner) if root in _STRUCTURED else ("", "")


def _add_inner(things: list[dict[str, str]] | list[str], inner: str, content: str) -> None:
    """A property of the last of *things*; an address that it has already begins the next one."""
    last = things[-1] if things else None
    if not isinstance(last, dict) or (inner == "url" and last.get("url", content) != content):
        last = {}
        things.append(last)  # type: ignore[arg-type]  # those of _STRUCTURED are lists of objects
    last.setdefault(inner, content)
