"""What the URLs of one kind of pages have in common: ``/calendar/{n}/{n}``."""

from __future__ import annotations

import re

_FROM_DIGIT = re.compile(r"([0-9][A-Za-z0-9]*)")
"""What a word has from its first digit on. To look for the whole word takes twice as long: letters are everywhere."""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = 24
"""Letters of a word that is too long to be one."""
_TOKEN = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z]{{{_WORD},}}")


def shape(href: str) -> tuple[str, str]:
    """The path of *href*, with ``{n}`` for each number and ``{x}`` for each token; and the names of its query, sorted,
    as ``a&b``, empty if there are none.
    """
    rest, _, query = href.partition("?")
    begin = rest.find("/", 8)  # past https://
    path = _generalized(rest[begin:]) if begin > 0 else "/"
    if len(path) > _WORD and max(map(len, path.split("-"))) >= _WORD:  # half of what the pattern takes, for most paths
        path = _TOKEN.sub("{x}", path)
    if not query:
        return path, ""
    return path, "&".join(sorted({pair.partition("=")[0] for pair in query.split("&") if pair}))


def folder(path: str) -> str:
    """The first segment of a *path*, with all that lies below it: ``/docs/**``."""
    first = path[1:].partition("/")
    return f"/{first[0]}/**" if first[1] else "/**"


def _generalized(path: str) -> str:
    """*path* with a placeholder for each word that has a digit in it."""
    parts = _FROM_DIGIT.split(path)  # between the parts of words, what stands before each
    for place in range(1, len(parts), 2):
        before, rest = parts[place - 1], parts[place]
        if before[-1:] in "-_/" and rest.isdigit():
            parts[place] = "{n}"  # a number without a name, as most are
            continue
        parts[place - 1] = before.rstrip(_LETTERS)
        parts[place] = _placeholder(before[len(parts[place - 1]) :], rest)
    return "".join(parts)


def _placeholder(name: str, rest: str) -> str:
    """``7`` is a number, ``page7`` one with a name; ``7f3a`` is a token. *rest* begins with the first digit."""
    return f"{name}{{n}}" if rest.isdigit() and len(name) < 16 else "{x}"
