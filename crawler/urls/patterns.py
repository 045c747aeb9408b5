"""Which URLs a person means: ``/catalogue/``, ``*.pdf``, ``https://example.com/**``, ``re:[?&]page=\\d+``.

Rule 1: a ``*`` stands for anything but a slash, a ``**`` for anything; nothing else in a pattern is special.
Rule 2: one that begins with ``/`` is about the path (and, with a ``?`` in it, the query, too), one that begins with a
scheme is about the whole URL, one without any slash is about each part of the path, as ``*.pdf`` or ``cart``.
Rule 3: one that ends with ``/`` means all that lies below, too.
Rule 4: ``re:`` begins a regular expression, which is searched for in the whole URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import quote

from crawler.errors import UsageError

REGEX = "re:"
_STARS = re.compile(r"\*{2,}")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
"""What stands in a URL as it is; of a pattern all else is escaped, as a browser does it."""
_SCHEMES = ("http://", "https://", "*://")


class Pattern(NamedTuple):
    """One pattern, compiled."""

    text: str
    """As it was written."""
    search: Callable[[str], object]
    part: Callable[[str], str]
    """What of a URL it is about."""

    def matches(self, url: str) -> bool:
        """Whether *url*, an absolute one as a browser writes it, is meant."""
        return self.search(self.part(url)) is not None


class Patterns:
    """What a crawl takes: URLs that one of *include* means, or all without any, and none of *exclude*."""

    __slots__ = ("_exclude", "_include")

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """
        :raises UsageError: one of them cannot be read
        """
        self._include = [pattern_of(text) for text in include]
        self._exclude = [pattern_of(text) for text in exclude]

    def admits(self, url: str) -> bool:
        """Whether *url* belongs to what is taken."""
        if self._include and not any(pattern.matches(url) for pattern in self._include):
            return False
        return not any(pattern.matches(url) for pattern in self._exclude)

    def admitted(self, urls: list[str]) -> list[str]:
        """Those of *urls* that are taken."""
        return [url for url in urls if self.admits(url)] if self._include or self._exclude else urls


def pattern_of(text: str) -> Pattern:
    """The pattern that *text* is.

    :raises UsageError: it is empty, no regular expression, or could mean several things
    """
    if text.startswith(REGEX):
        return Pattern(text, searched(text.removeprefix(REGEX), text).search, _whole)
    glob = quote(text.strip(), safe=_PRINTABLE)
    if not glob:
        raise UsageError("a pattern is empty: write one as /catalogue/, *.pdf or re:[?&]page=")
    if glob.startswith(_SCHEMES):
        part = _whole
    elif "/" not in glob:
        match = re.compile(_regex(glob)).match
        if "?" in glob:
            return Pattern(text, match, _last_with_query)
        return Pattern(text, lambda path: next(filter(match, path.split("/")[1:]), None), _path)
    elif glob.startswith(("/", "*")):
        part = _path_with_query if "?" in glob else _path
    else:
        raise UsageError(
            f"the pattern {text!r} begins in the middle of a URL: write /{text}, **/{text} or https://{text}"
        )
    return Pattern(text, re.compile(_regex(f"{glob}**" if glob.endswith("/") else glob), re.DOTALL).match, part)


def searched(pattern: str, whole: str = "") -> re.Pattern[str]:
    """*pattern* as a regular expression; *whole* is how it was written.

    :raises UsageError: it is none, or an empty one, which would be found everywhere
    """
    if not pattern:
        raise UsageError(f"the pattern {whole or pattern!r} is empty, and would be found in every URL")
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"the pattern {whole or pattern!r} is no regular expression: {error}") from None


def _regex(glob: str) -> str:
    """*glob* as a regular expression that is matched from the beginning to the end.

    It is quick whatever it is matched with, for groups are atomic: what follows a star is taken where it stands first.
    A later place would leave less to what comes after it, so nothing is missed by that.
    """
    first, *others = _STARS.split(glob)
    if not others:
        return _chunk(first, is_last=True) + r"\Z"
    *middle, last = others
    found = [_chunk(first)] + [f"(?>.*?{_chunk(chunk)})" for chunk in middle]
    return "".join(found) + (rf".*?{_chunk(last, is_last=True)}\Z" if last else "")


def _chunk(glob: str, *, is_last: bool = False) -> str:
    """A part of a glob without a ``**``; of the last one the last star has to reach the end."""
    first, *others = map(re.escape, glob.split("*"))
    atomic, ending = (others[:-1], others[-1:]) if is_last else (others, [])
    return first + "".join(f"(?>[^/]*?{literal})" for literal in atomic) + "".join(f"[^/]*{end}" for end in ending)


# What of a URL a pattern is about. All of them are absolute: a slash stands after the host.


def _whole(url: str) -> str:
    return url


def _path_with_query(url: str) -> str:
    slash = url.find("/", url.find("//") + 2)
    return url[slash:] if slash >= 0 else "/"


def _path(url: str) -> str:
    return _path_with_query(url).partition("?")[0]


def _last_with_query(url: str) -> str:
    path, mark, query = _path_with_query(url).partition("?")
    return path.rpartition("/")[2] + mark + query
