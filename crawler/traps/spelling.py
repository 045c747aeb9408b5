"""URLs that no person has written: their spelling tells.

A relative link that misses its slash makes ``/docs/docs/docs/``; a form that adds to its own URL makes ``?a=1&a=1&a=1``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

REPEATS = 4
"""Times in a row that is once too often. StormCrawler allows 3, Heritrix 2."""
_WIDEST = 3
"""Segments that are repeated together: ``/a/b/c/a/b/c/``."""
_SLASHES = 6
"""Of ``http://host/a/a/a/a``, the shortest URL that repeats itself, or that has more segments than the least limit."""


def is_endless(href: str, most_segments: int) -> bool:
    """Whether *href*, serialized as an :class:`~crawler.urls.url.Address` has it, has more than *most_segments* (4 at
    least) in its path, or repeats itself.

    Folders that are numbers may repeat: ``/tiles/0/0/0/0.png`` is a place.
    """
    if href.count("/") < _SLASHES and href.count("&") < REPEATS - 1:
        return False
    path, _, query = href.partition("?")
    segments = [segment for segment in path.split("/")[3:] if segment]
    return len(segments) > most_segments or _repeats(segments) or _repeats_pair(query)


def _repeats(segments: Sequence[str]) -> bool:
    if len(segments) - len(set(segments)) < REPEATS - 1:
        return False
    return any(_repeats_by(width, segments) for width in range(1, _WIDEST + 1))


def _repeats_by(width: int, segments: Sequence[str]) -> bool:
    same = 0
    for place in range(width, len(segments)):
        same = same + 1 if segments[place] == segments[place - width] else 0
        if same >= width * (REPEATS - 1) and not "".join(segments[place - width + 1 : place + 1]).isdigit():
            return True
    return False


def _repeats_pair(query: str) -> bool:
    """Whether one ``name=value`` stands there too often. A name alone may: ``id=1&id=2`` is a list."""
    pairs = [pair for pair in query.split("&") if pair]
    return len(pairs) - len(set(pairs)) >= REPEATS - 1 and max(Counter(pairs).values()) >= REPEATS
