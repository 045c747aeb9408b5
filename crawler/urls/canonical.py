"""Which spellings of a URL are the same page. The steps are a visible list: add a function and a row.

Canonical forms are compared, never fetched: the crawl asks for the URL as it stood on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})?")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def drop_fragment(url: str) -> str:
    """RFC 3986, section 3.5: a fragment is never sent to the server."""
    return url.partition("#")[0]


def normalize_escapes(url: str) -> str:
    """RFC 3986, section 6.2.2: ``%7e`` is ``~``, and ``%c3`` is ``%C3``. A bare ``%`` is ``%25``, as servers read it."""

    def normal(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"  # else ``%%37e`` would become ``%7e``, which says something else
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return _ESCAPE.sub(normal, url) if "%" in url else url


def drop_empty_query(url: str) -> str:
    """``/a?`` and ``/a`` name one page on every server met so far."""
    path, _, query = url.partition("?")
    return url if query else path


def sort_query(url: str) -> str:
    """``?b=1&a=2`` and ``?a=2&b=1`` are one page, as Scrapy also has it; repeated names keep their order."""
    path, mark, query = url.partition("?")
    if "&" not in query:
        return url
    pieces = [piece for piece in query.split("&") if piece]
    return path + mark + "&".join(sorted(pieces, key=lambda piece: piece.partition("=")[0]))


STEPS: tuple[Callable[[str], str], ...] = (drop_fragment, normalize_escapes, sort_query, drop_empty_query)
"""Applied in this order to a URL that :func:`crawler.urls.url.address` has serialized (lower-case host, no default
port, dot segments resolved)."""


def canonical(url: str) -> str:
    """The form under which *url* is remembered as seen. Doing it twice changes nothing more."""
    if "?" not in url and "%" not in url and "#" not in url:
        return url  # what every step would say, for nine links of ten
    for step in STEPS:
        url = step(url)
    return url
