"""What the first bytes of a document say of their encoding: the prescan of the HTML Standard, 13.2.3.2. Pure.

The names that come out are labels, as they stand there; which of them are known is for :mod:`crawler.parse.charset`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

PRESCAN = 1024
"""Bytes that are looked at; the Standard's number."""
_META = re.compile(rb"<[mM][eE][tT][aA][\t\n\f\r /]")
_TAG = re.compile(rb"</?[a-zA-Z][^\t\n\f\r >]*+")
_NAME = re.compile(rb"[\t\n\f\r /]*+(=?[^\t\n\f\r />=]*+)[\t\n\f\r ]*+(=?)[\t\n\f\r ]*+")
_PLAIN = re.compile(rb"[^\t\n\f\r >]*+")
_CONTENT = re.compile(
    rb"charset[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\"'\t\n\f\r ;][^\t\n\f\r ;]*+))"
)
_MARKED_UP = re.compile(
    rb"(?:[^<]++|<!--(?:[^>]++|(?<!--)>)*+>|<(?!!--)[!?][^>]*+>|</?[a-zA-Z][^<>\"'=]*+(?:=\"[^\"<>]*+\"[^<>\"'=]*+)*+>)*+"
)
"""Markup in which each ``<`` begins a tag and each quote is where it should be, as on nearly every page."""
_XML = re.compile(rb"<\?xml[^>]*?encoding[\x00-\x20]*+=[\x00-\x20]*+(?:\"([^\"\x00-\x20]*+)\"|'([^'\x00-\x20]*+)')")
_META_TAGS = frozenset(b"<meta" + bytes([after]) for after in b" \t\n\r\f/")

Known = Callable[[str], str | None]
"""From a label to its encoding; None for one that nobody knows."""


def declared_in_meta(body: bytes, known: Known) -> str | None:
    """The encoding that the first ``<meta>`` with one that is *known* declares."""
    head = body[:PRESCAN]
    lower = head.lower()
    first = lower.find(b"charset")
    if first < 0:
        return None
    tag, end = lower.rfind(b"<", 0, first), head.find(b">", first)
    if end >= 0 and lower[tag : tag + 6] in _META_TAGS and _is_marked_up(head[:tag]):
        encoding = _declared_by(head[tag + 5 : end + 1], known)
        if encoding is not None:
            return encoding  # as on nearly every page
    return scan(head, known)


def _is_marked_up(begin: bytes) -> bool:
    """Whether *begin* is ``_MARKED_UP``. What stands before the title is so, or not, on all pages of a site: that is
    remembered, and a title of ordinary text needs no pattern.
    """
    before, mark, title = begin.partition(b"<title>")
    if mark and b"<" not in title.replace(b"</title>", b"", 1):
        return _is_known_to_be_marked_up(before)
    return _MARKED_UP.fullmatch(begin) is not None


@lru_cache(maxsize=1024)
def _is_known_to_be_marked_up(begin: bytes) -> bool:
    return _MARKED_UP.fullmatch(begin) is not None


def declared_in_xml(body: bytes) -> str:
    """The label in an XML declaration; empty if there is none. "Get an XML encoding"."""
    match = _XML.match(body[:PRESCAN])
    return "" if match is None else (match[1] or match[2] or b"").decode("latin-1")


def scan(head: bytes, known: Known) -> str | None:
    """The same, byte by byte as the Standard has it, and slowly."""
    position = 0
    while (position := head.find(b"<", position)) >= 0:
        if head.startswith(b"<!--", position):
            position = _after(head, b"-->", position + 2)
        elif _META.match(head, position):
            attributes, position = _attributes(head, position + 5)
            encoding = _declared(attributes, known) if position < len(head) else None
            if encoding is not None:
                return encoding
        elif (tag := _TAG.match(head, position)) is not None:
            _, position = _attributes(head, tag.end())
        elif head[position + 1 : position + 2] in (b"!", b"/", b"?"):
            position = _after(head, b">", position + 1)
        else:
            position += 1
    return None


def _after(head: bytes, mark: bytes, position: int) -> int:
    found = head.find(mark, position)
    return len(head) if found < 0 else found + len(mark)


def _attributes(head: bytes, position: int = 0) -> tuple[dict[bytes, bytes], int]:
    """The attributes from *position* on, names and values in lower case, the first of each name; and where the tag
    ends. That is the end of *head* if it does not end at all.
    """
    found: dict[bytes, bytes] = {}
    for name, value, after in _each_attribute(head, position):
        position = after
        if name:
            found.setdefault(name.lower(), value.lower())
    return found, position


def _each_attribute(head: bytes, position: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, value and end of each. "Get an attribute"."""
    while (match := _NAME.match(head, position)) is not None:
        name, position, value = match[1], match.end(), b""
        if match[2]:
            quote = head[position : position + 1]
            if quote in (b'"', b"'"):
                end = head.find(quote, position + 1)
                if end < 0:
                    break
                value, position = head[position + 1 : end], end + 1
            elif (plain := _PLAIN.match(head, position)) is not None:
                value, position = plain[0], plain.end()
        if position >= len(head):
            break
        yield name, value, position
        if not name:
            return  # at the > that ends the tag
    yield b"", b"", len(head)


@lru_cache(maxsize=1024)
def _declared_by(attributes: bytes, known: Known) -> str | None:
    """The same, of attributes as they stand there, up to the first ``>``: they do so in all pages of a site."""
    found, end = _attributes(attributes)
    return _declared(found, known) if end < len(attributes) else None  # that > was in quotes: no tag ends there


def _declared(attributes: dict[bytes, bytes], known: Known) -> str | None:
    """What a ``<meta>`` with these declares: by ``charset``, or by the ``content`` beside ``http-equiv=content-type``."""
    label = attributes.get(b"charset")
    if label is None and attributes.get(b"http-equiv") == b"content-type":
        match = _CONTENT.search(attributes.get(b"content", b""))
        label = None if match is None else match[1] or match[2] or match[3]
    return None if label is None else known(label.rstrip(b"/").decode("latin-1"))  # <meta charset=utf-8/> is common
