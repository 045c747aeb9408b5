"""Pages that are small and ordinary to the eye of HTTP, and cost a parser of HTML seconds or gigabytes.

Lexbor, which selectolax has, takes 1 to 60 s for most of them, and memory to match; browsers have bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from crawler.testing.attack import TOO_HEAVY, Attack, Play, Visit, answer


def nested(tag: str, count: int = 80_000) -> bytes:
    """*tag* inside itself: to open one, all open ones are passed."""
    return tag.encode() * count


def attributes(count: int = 80_000) -> bytes:
    """One tag with so many: each is compared with all before it."""
    return b"<p " + b" ".join(b"a%d" % number for number in range(count)) + b">"


def root_attributes(count: int = 80_000) -> bytes:
    """So many ``<body>``, whose attributes all go to the first."""
    return b"".join(b"<body a%d>" % number for number in range(count))


def options(count: int = 80_000) -> bytes:
    """One ``<select>`` of so many: for each, all others are looked at."""
    return b"<select>" + b"<option>" * count


def formatting(between: str, count: int = 5_000) -> bytes:
    """So many ``<b>``, no two alike, each before *between*, in which all that are open are written again."""
    return b"".join(b"<b n%d>%b" % (number, between.encode()) for number in range(count))


def open_formatting(count: int = 80_000) -> bytes:
    """So many elements in each other that are compared with all before them."""
    return b"".join(b"<b n%d>" % number for number in range(count))


def misnested(count: int = 20_000) -> bytes:
    """``</b>`` with ever more ``<i>`` inside it, each of which is written again behind it."""
    return b"<b>" * count + b"".join(b"<i n%d></b>" % number for number in range(count))


def deep_then(tag: str, count: int = 40_000) -> bytes:
    """Elements in each other, and in the innermost as often *tag*, for which all of them are passed."""
    return b"<span>" * count + tag.encode() * count


def bold_and_italic(count: int = 3_500) -> bytes:
    """61 kB that become gigabytes: each paragraph writes all that was bold or italic in those before it again."""
    return b"".join(b"<b n%d><i n%d><p>x" % (number, number) for number in range(count))


SHAPES: Mapping[str, Callable[[], bytes]] = {
    "blocks in each other": lambda: nested("<div>"),
    "lists in each other": lambda: nested("<ul><li>", 50_000),
    "definition lists": lambda: nested("<dl><dd>", 50_000),
    "attributes": attributes,
    "attributes of the body": root_attributes,
    "options": options,
    "bold and italic": bold_and_italic,
    "bold in paragraphs": lambda: formatting("<p>x", 7_000),
    "bold and blocks": lambda: formatting("<p>", 20_000),
    "open formatting elements": open_formatting,
    "misnested formatting": misnested,
    "rules in the depth": lambda: deep_then("<hr>"),
    "inputs in the depth": lambda: deep_then("<input>"),
    "list items in the depth": lambda: deep_then("<li>"),
    "end tags in the depth": lambda: deep_then("</x>"),
    "headings in the depth": lambda: deep_then("<h1>"),
}
"""Every one of them, in some 60 to 800 kB."""


def _played(make: Callable[[], bytes]) -> Play:
    async def play(visit: Visit) -> None:
        await visit.send(answer(await asyncio.to_thread(make), type_="text/html; charset=utf-8"))

    return play


ATTACKS = tuple(
    Attack(name, _played(make), ends=TOO_HEAVY, alone=True, seconds=20.0, mebibytes=96) for name, make in SHAPES.items()
)
