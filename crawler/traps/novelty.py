"""Whether a page says something that others of its kind have not said.

Rule 1: what is compared is text: each run of it between two tags, and descriptions of pictures and of the page, without
the words that have a digit in them, and the numbers, three at a time. One new run is news; of numbers it takes many,
since every footer has a clock.
Rule 2: what merely echoes the URL is no news: ``/xyz was not found``.
Rule 3: everything here is linear in the page, and most of it is a handful of calls into C.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

_MOST = 256 * 1024
"""Bytes of a page, scripts and styles aside, that are looked at."""
_MOST_RAW = 1024 * 1024
"""Bytes in which these are looked for: many a shop's page begins with 300 kB of them."""
_FROM_DIGIT = re.compile(rb"\d\w*")
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUMBER = re.compile(rb"\d(?<!\w.)\d*(?:[.,:]\d+)*\b", re.DOTALL)
"""A number that stands alone: those within a key say nothing. It begins with a digit, for which the text is searched at
once: a ``\\b`` in front would be tried at each byte, and take three times as long.
"""
_IN_WORD = re.compile(rb"\w")
_DESCRIPTIONS = (b'alt="', b'content="')
"""What is in a picture, and in the page: a gallery has no other text. Those of several words count: one alone is a key,
an address or a file's name.
"""
_NEW_NUMBERS = 9
"""New triples of numbers that are news. One number that changes is in three triples; a clock and a counter make six."""
_ECHO = 4
"""Least length of a part of the URL that is taken out of the text: a shorter one is in every other word."""
_ECHOES = 8
SLOTS = 1 << 14
"""Marks that are remembered of one kind, in four bytes each. A page of a shop has a hundred that others do not have."""


class Memory:
    """What the pages of one kind have said, in constant space: a mark takes the place of another one when it has to."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots = array("I", bytes(4 * SLOTS))

    def learn(self, marks: Iterable[int]) -> int:
        """Take in *marks*. How many of them were not known."""
        slots, last, new = self._slots, SLOTS - 1, 0
        for mark in marks:
            place, tag = mark & last, mark >> 20 & 0xFFFFFFFF
            if slots[place] != tag:
                slots[place] = tag
                new += 1
        return new


def text_of(body: bytes, href: str) -> bytes | None:
    """The runs of text of *body*, a line each, without what echoes *href*; None if it has none, as JSON and images."""
    body = _without_scripts(body[:_MOST_RAW])[:_MOST]
    pieces = body.split(b"<")
    tagged = [(run, piece) for piece in pieces if (run := piece.partition(b">")[2].strip())]
    runs = [run for run, piece in tagged if b" " in run or piece.count(run) == 1]  # a link may show its own URL
    if not tagged:
        return None
    for attribute in _DESCRIPTIONS:
        runs += _words_of(attribute, body)
    text = b"\n".join(runs)
    for echo in _echoes(href):
        text = text.replace(echo, b"")
    return text


def is_news(text: bytes, href: str, memory: Memory) -> bool:
    """Whether *text* holds something that *memory* has not, which has it from now on."""
    runs = {run.strip() for run in _without_tokens(text).split(b"\n")}
    new_runs = memory.learn(map(hash, runs))
    numbers = _NUMBER.findall(text)
    if len(numbers) < 3:
        return new_runs > 0
    own = set(_NUMBER.findall(href.encode("utf-8", "replace")))
    if own:
        numbers = [number for number in numbers if number not in own]
    triples = set(map(hash, zip(numbers, numbers[1:], numbers[2:], strict=False)))
    return memory.learn(triples) >= _NEW_NUMBERS or new_runs > 0


def title_mark(body: bytes) -> int:
    """A number that pages of one title have in common."""
    begin = body.find(b"<title", 0, 16_384)
    return hash(body[begin : begin + 120]) if begin >= 0 else 0


def heading_mark(body: bytes) -> int:
    """A number that pages of one first heading have in common."""
    begin = body.find(b"<h1")
    return hash(body[begin : begin + 120]) if begin >= 0 else 0


def _words_of(attribute: bytes, body: bytes) -> list[bytes]:
    """What *body* has in attributes that are written as *attribute*, up to their quotes, where it is several words."""
    found = []
    before, *others = body.split(attribute)
    for other in others:
        words = other.partition(b'"')[0]
        if b" " in words and b"<" not in words and b">" not in words and not _IN_WORD.match(before[-1:]):
            found.append(words)
        before = other
    return found


def _without_scripts(body: bytes) -> bytes:
    """*body* without what scripts and styles hold: they are no text, and full of what changes with each answer."""
    for name in (b"script", b"style"):
        if b"<" + name in body:
            first, *others = body.split(b"<" + name)
            body = first + b"".join(other.partition(b"</" + name)[2] for other in others)
    return body


def _without_tokens(text: bytes) -> bytes:
    """*text* without the words that have a digit in them: numbers, dates, keys."""
    *pieces, last = _FROM_DIGIT.split(text)
    return b"".join([piece.rstrip(_LETTERS) for piece in pieces]) + last


def _echoes(href: str) -> list[bytes]:
    """The parts of *href* that a page may show as they stand, the longest first: its path, its host, their last parts
    and the values of its query.
    """
    address, _, query = href.partition("?")
    host, _, path = address.partition("://")[2].partition("/")
    segments = path.split("/")[-3:] if path else []
    values = [pair.partition("=")[2] for pair in query.split("&")[:_ECHOES]]
    parts = {href, path, query, host, host.partition(".")[0], *segments, *values}
    found = {
        unquote_to_bytes(part.replace("+", " ")) if "%" in part or "+" in part else part.encode() for part in parts
    }
    return sorted((part for part in found if len(part) >= _ECHO), key=len, reverse=True)
