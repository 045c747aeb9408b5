"""Attacks on the end: sites that make up pages as fast as they are asked for. Each page is small and harmless.

A trap is a plain function from what is asked for, below the place where the trap is, to a title, HTML and links; so it
can be put beside the pages of any other site.
"""

from __future__ import annotations

import random
import zlib
from calendar import Calendar, month_name
from collections.abc import Callable, Mapping
from typing import TypeAlias

from crawler.testing.attack import Attack, Play, Visit, html

TrapPage: TypeAlias = tuple[str, str, list[str]]
"""Title, HTML, and links that are relative to the page or begin at the trap (``@/``)."""
Trap: TypeAlias = Callable[[str], TrapPage]

_ARTICLES = 40
"""Contents of the traps that have several."""
_SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "wa"]


def calendar(asked: str) -> TrapPage:
    """A month, which leads to the next and the one before, for ever."""
    year, _, month = asked.partition("/")
    number = int(year) * 12 + int(month) - 1 if year.isdigit() and month.isdigit() else 2030 * 12
    weeks = Calendar().monthdayscalendar(number // 12 % 8000 + 1000, number % 12 + 1)
    days = "".join("<tr>" + "".join(f"<td>{day or ''}</td>" for day in week) + "</tr>" for week in weeks)
    beside = [f"@/{place // 12}/{place % 12 + 1}" for place in (number + 1, number - 1)]
    title = f"{month_name[number % 12 + 1]} {number // 12}"
    return title, f"<p>No events in this month.</p><table>{days}</table>", beside


def repetition(asked: str) -> TrapPage:
    """A link that lacks its first slash: each page seems to have a folder more."""
    return "A wiki", "<p>One page under very many names.</p>", ["wiki/", "wiki/help/"]


def growth(asked: str) -> TrapPage:
    """The same, without an order that could be seen."""
    return "Documents", "<p>One page under very many names.</p>", ["guide/", "notes/", "index/"]


def session_in_query(asked: str) -> TrapPage:
    """Articles, of which each visit makes new ones by a name that no list of session names has."""
    title, text = _article(_number(asked))
    visit = _token(asked)
    return title, text, [f"@/article?id={_number(asked + salt) % _ARTICLES}&visit={visit}" for salt in "abc"]


def session_in_path(asked: str) -> TrapPage:
    """The same, with the visit as a folder."""
    title, text = _article(_number(asked))
    return title, text, [f"@/{_token(asked + salt)}/article/{_number(asked + salt) % _ARTICLES}" for salt in "abc"]


def facets(asked: str) -> TrapPage:
    """A shop whose six filters can be set and taken back in any order."""
    pairs = [pair for pair in asked.partition("?")[2].split("&") if pair]
    chosen = dict(pair.split("=", 1) for pair in pairs)
    links = []
    for name in ("size", "colour", "brand", "price", "sort", "view"):
        for value in range(4):
            query = "&".join(f"{key}={picked}" for key, picked in {**chosen, name: value}.items())
            links.append(f"@/shop?{query}")
    title, text = _article(sum(map(int, chosen.values())))
    return "The shop", f"<h2>{title}</h2>{text}", links


def soft_404(asked: str) -> TrapPage:
    """Whatever is asked for, the answer is a page which says that there is none, and has ideas of its own."""
    text = f"<p>Sorry, {asked} is not here.</p><p>Perhaps one of these is what you want.</p>"
    return "Not here", text, [f"@/{word}" for word in _words(asked, 5)]


def near_duplicates(asked: str) -> TrapPage:
    """One article, under a number that is never the same, with a clock in its footer."""
    number = _number(asked)
    footer = f"<footer>made in 0.{number % 1000:03} s at {number % 24:02}:{number % 60:02}</footer>"
    title, text = _article(7)
    return title, text + footer, [f"@/copy-{number + step}.html" for step in (1, 2, 3)]


TRAPS: Mapping[str, Trap] = {
    "calendar": calendar,
    "repetition": repetition,
    "growth": growth,
    "session-in-query": session_in_query,
    "session-in-path": session_in_path,
    "facets": facets,
    "soft-404": soft_404,
    "near-duplicates": near_duplicates,
}
"""Each trap, by the name of the folder that it may be put in."""


def page_of(trap: Trap, asked: str, here: str) -> TrapPage:
    """The page of *trap* for *asked*; with its links as a page has them, the trap being at the URL *here*."""
    title, text, links = trap(asked)
    return title, text, [here.rstrip("/") + link[1:] if link.startswith("@") else link for link in links]


def _play(trap: Trap) -> Play:
    async def play(visit: Visit) -> None:
        await visit.send(html(*page_of(trap, visit.path, visit.here)))

    return play


def _number(asked: str) -> int:
    """The last number in *asked*; one that is made of it where there is none."""
    digits = "".join(letter if letter.isdigit() else " " for letter in asked.partition("&")[0]).split()
    return int(digits[-1]) if digits else zlib.crc32(asked.encode())


def _token(asked: str) -> str:
    return f"{random.Random(asked).getrandbits(64):016x}"


def _words(asked: str, number: int) -> list[str]:
    dice = random.Random(asked)
    return ["".join(dice.choices(_SYLLABLES, k=4)) for _ in range(number)]


def _article(number: int) -> tuple[str, str]:
    words = _words(f"article {number % _ARTICLES}", 60)
    lines = "".join(f"<p>{' '.join(words[place : place + 12])}.</p>" for place in range(0, 60, 12))
    return f"On {words[0]} and {words[1]}", lines


_BOUNDS = {"trap_pages": 50}
ATTACKS = tuple(
    Attack(f"trap: {name}", _play(trap), alone=True, settings=_BOUNDS, seconds=30.0, requests=2_500)
    for name, trap in TRAPS.items()
)
"""With a small budget, so that the end comes soon."""
