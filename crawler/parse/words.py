"""Which words a page may hold in its head, found in its bytes: most pages need no search in the tree. Pure."""

from __future__ import annotations

from typing import NamedTuple

_SHORT = 4096
"""Bytes. Pages that only send their reader on are short, and some have their ``<meta>`` in the body; in longer ones it
stands in the head, and to search a whole page three times for what is not there costs 15 µs."""
_FEW = 8
"""Times that a word is looked at where it stands; past that it is left to the tree."""
_LONG_TAG = 2048
"""Bytes that a ``<meta>`` may go on behind its name."""


class Words(NamedTuple):
    """What need not be searched for in a page, because its bytes do not hold the word."""

    refresh: bool
    robots: bool
    nofollow: bool


EVERY_WORD = Words(refresh=True, robots=True, nofollow=True)


def words_in(body: bytes, token: str) -> Words:
    """The words of *body*, a document in which ASCII is ASCII, for the crawler whose product token is *token*."""
    lower, own = _head(body).lower(), token.lower().encode()
    names = [name for name in (b"robots", own) if name and name in lower]
    return Words(_says_refresh(lower), bool(names), any(_may_forbid(lower, name) for name in names))


def _head(body: bytes) -> bytes:
    """Where a page speaks of itself: what comes before its ``<body>``, and never less than ``_SHORT``."""
    end = body.find(b"<body")
    if end < 0:
        end = body.find(b"<BODY")
    return body if end < 0 else body[: max(end, _SHORT)]


def _may_forbid(lower: bytes, name: bytes) -> bool:
    """Whether there may be a ``<meta>`` with that *name* that says ``nofollow`` or ``none``."""
    position = lower.find(name)
    for _ in range(_FEW):
        if position < 0:
            return False
        begin = lower.rfind(b"<meta", 0, position)
        tag = lower[begin : position + _LONG_TAG] if begin >= 0 else b""
        if b"nofollow" in tag or b"none" in tag:
            return True
        position = lower.find(name, position + len(name))
    return True  # the tree will tell


def _says_refresh(lower: bytes) -> bool:
    """Whether an ``http-equiv`` of *lower* is ``refresh``; most pages have others."""
    position = lower.find(b"http-equiv")
    while position >= 0:
        if lower[position + 10 : position + 40].lstrip(b" \t\n\f\r=\"'").startswith(b"refresh"):
            return True
        position = lower.find(b"http-equiv", position + 10)
    return False
