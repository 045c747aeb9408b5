"""What the URLs of one kind of pages have in common: ``/calendar/{n}/{n}``."""

from __future__ import annotations

import re

_WITH_DIGIT = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]*\d[A-Za-z0-9]*")
"""A word with a digit in it. Linear: it begins where a word does, and nowhere else."""
_TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{24,}")
"""A word that is too long to be one."""


def shape(href: str) -> tuple[str, str]:
    """The path of *href*, with ``{n}`` for each number and ``{x}`` for each token; and the names of its query, sorted,
    as ``a&b``, empty if there are none.
    """
    rest, _, query = href.partition("?")
    begin = rest.find("/", 8)  # past https://
    path = _WITH_DIGIT.sub(_placeholder, rest[begin:]) if begin > 0 else "/"
    if len(path) > 24:
        path = _TOKEN.sub("{x}", path)
    if not query:
        return path, ""
    return path, "&".join(sorted({pair.partition("=")[0] for pair in query.split("&") if pair}))


def folder(path: str) -> str:
    """The first segment of a *path*, with all that lies below it: ``/docs/**``."""
    first = path[1:].partition("/")
    return f"/{first[0]}/**" if first[1] else "/**"


def _placeholder(match: re.Match[str]) -> str:
    """``7`` is a number, ``page7`` one with a name; ``7f3a`` is a token."""
    word = match[0]
    name = word.rstrip("0123456789")
    if not name:
        return "{n}"
    return f"{name}{{n}}" if name.isalpha() and len(name) < 16 else "{x}"
