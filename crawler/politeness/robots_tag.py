"""What a page asks of robots: ``X-Robots-Tag`` headers and ``<meta name="robots">``, as Google documents them.

No RFC holds these. ``nofollow`` asks that no link of the page is followed, ``noindex`` that the page is not shown in
results; a crawl acts on the first alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_MEANS = {"none": ("noindex", "nofollow")}
"""Directives that stand for others."""
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives that go on behind a colon; another word before a colon is a robot's name."""
_EVERYONE = ("*", "robots")
_NOTHING: frozenset[str] = frozenset()


def directives(header_values: Sequence[str], metas: Sequence[tuple[str, str]], token: str) -> frozenset[str]:
    """What a page asks of the robot whose product token is *token*, in lower case; ``none`` is ``noindex`` and
    ``nofollow``.

    Directives for everyone and for us count together, so the strictest holds. Of one with a value (``max-snippet:20``)
    there is the name alone: whether the date of an ``unavailable_after`` is past is not judged here.

    :param header_values: the page's ``X-Robots-Tag`` headers
    :param metas: name and content of its ``<meta>`` elements; those with other names are left out here
    """
    if not header_values and not metas:
        return _NOTHING
    ours = (*_EVERYONE, token.lower())
    found: set[str] = set()
    for value in header_values:
        found.update(_of_header(value, ours))
    for name, content in metas:
        if name.strip().lower() in ours:
            found.update(_words(content))
    return frozenset(one for word in found for one in _MEANS.get(word, (word,)))


def _of_header(value: str, ours: tuple[str, ...]) -> Iterator[str]:
    """A robot's name holds for what follows it, up to the next name: ``a: nofollow, noindex, b: none``."""
    is_ours = True
    for part in value.split(","):
        name, colon, rest = part.partition(":")
        name = name.strip().lower()
        if colon and name not in _WITH_VALUE and " " not in name:  # with a space it is the rest of a date
            is_ours = name in ours
            part = rest
        if is_ours:
            yield from _words(part)


def _words(text: str) -> Iterator[str]:
    """Directives stand between commas; many write semicolons, or spaces alone."""
    for part in text.lower().replace(";", ",").split(","):
        name, colon, _ = part.partition(":")
        if colon:
            if name.strip() in _WITH_VALUE:
                yield name.strip()
        else:
            yield from part.split()
