"""What is said over and over costs time in proportion: nobody can make a crawl slow by repeating himself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import parse_targets
import pytest
import web_targets
import wire_targets
from inputs import Target
from search import REST, SEED, feed, seconds_of

from crawler.errors import CrawlerError
from crawler.fetch.chunks import Chunks
from crawler.fetch.mend import mended
from crawler.http.fields import directives
from crawler.http.link_header import links_of
from crawler.http.set_cookie import parse_set_cookie
from crawler.parse.charset import charset_of, encoding_of
from crawler.parse.css import addresses_in_css
from crawler.parse.feed import read_feed
from crawler.parse.links import addresses_in_text
from crawler.parse.page import Page
from crawler.parse.sitemap import Sitemap
from crawler.parse.srcset import candidates
from crawler.politeness.robots import ROBOTS_LIMIT, RobotsTxt, rules_of
from crawler.response import Response, headers_of
from crawler.urls.url import Base

LONG, LONG_PAGE = 1_000_000, 300_000
"""Characters of the hostile ones. A page is read four times over, once by Lexbor."""
MOST = 3.0
"""Seconds of processor time for them: nothing takes a third of it, on a machine that has others to serve."""
GROWTH = 3.0
"""How much longer twice as many may take."""
NOTICEABLE = 0.1
"""Seconds. What takes less is not compared."""

URL = "http://a.example/b/c?d"
_BASE = Base(URL)


def _page(body: str) -> Page:
    headers = headers_of({"Content-Type": "text/html; charset=utf-8"})
    return Page(Response(URL, 200, headers, body.encode()))


def _robots(body: str) -> None:
    rules = rules_of(body.encode(), "bot")
    rules.allows("http://a.example/" + "a" * 2_000)


def _unchunked(body: str) -> None:
    chunks = Chunks()
    raw = body.encode()
    for at in range(0, len(raw), 1_000):
        if not chunks.is_over:
            chunks.take(raw[at : at + 1_000])


def _sitemap(body: str) -> None:
    for _ in Sitemap(body.encode(), URL):
        pass


def _read(*readers: Callable[[str], Any]) -> Callable[[str], None]:
    def read(given: str) -> None:
        for reader in readers:
            found = reader(given)
            if isinstance(found, Iterator):
                list(found)

    return read


HEADERS = _read(
    lambda text: directives(headers_of({"Cache-Control": text})),
    lambda text: links_of([text]),
    lambda text: parse_set_cookie(text, 0.0),
    charset_of,
)
HOSTILE: list[tuple[str, Callable[[str], object], str, tuple[str, ...]]] = [
    ("joined", _BASE.join, "", ("../", "./", "%25", "%", "@", ":", "\\", "//", "é", "中", "?", "#", "\t", "&a", "a.", "xn--a", "[")),
    ("joined as a host", _BASE.join, "http://", ("@", "中", "a@", ":", "%41", "a.", "xn--a", "0x1.", "é.", "..")),
    ("headers", HEADERS, "a=b", (";", ",", '"', "; a=", ', a="', " ", "\t", '="\\', "<a>;", "<a>,", "=")),
    ("mended", lambda text: mended(text.encode() + b"\r\n\r\n"), "HTTP/1.1 200 OK\r\nA: b", ("\n a", "\n", "\r\n", "\nA: b", "\n:", "\nContent-Length: 1", ",1", "\t\n")),
    ("mended from the first line", lambda text: mended(text.encode() + b"\r\n\r\n"), "HTTP/", ("1", ".", " ", "HTTP/")),
    ("unchunked", _unchunked, "", ("1\r\na\r\n", "0", ";", "1;a=b\r\na\r\n", "0\r\n")),
    ("robots.txt", _robots, "User-agent: *\nDisallow: /x\n", ("Disallow: *a\n", "Disallow: /*a*b*\n", "Allow: /a$\n", "*a", "%", ":", "Sitemap: a\n", "User-agent: bot\n", "\r", "#", " ")),
    ("robots.txt of one rule", _robots, "User-agent: *\nDisallow: /", ("*a", "*aa*b", "*", "$", "%2a", "a*")),
    ("css", _read(addresses_in_css), "", ("url(", 'url("', "url('", "@import", "@import '", "/*", "*/", "\\", "url(\\", "url( ")),
    ("srcset", _read(candidates), "a ", ("(", "(a", ",", " ", "a 1x,", "1e", ")", "()", "a (,")),
    ("text", _read(addresses_in_text), "http://a", (")", "]", ".", "http://", '"/a', "//a.", "\\/", "&amp;", "(", ")]")),
    ("encoding", lambda text: encoding_of(text.encode()), "", ("<meta ", "<meta charset=", "<!--", "<a '", "charset", "\x1b", "é")),
    ("feed", lambda text: read_feed(text.encode(), URL), "<rss>", ("<item ", "<item>", "<a>", "&a", "&", "<!--", "]]>", "<![CDATA[", "<item/>", "<link href='a'/>", "<a xml:base='b'/>", "&amp;", "<?a ")),
    ("sitemap", _sitemap, "<urlset>", ("<url>", "<url><loc>a</loc></url>", "<url/>", "<loc>", "&a", "<!--", "]]>", "<![CDATA[", "<url><a:loc/></url>")),
    ("list of a sitemap", _sitemap, "http://a.example/\n", ("http://a.example/\n", "\n", "\r", "a", " ")),
]  # fmt: skip
PAGES: list[tuple[str, tuple[str, ...]]] = [
    ("", ("<meta ", "<meta name=robots content=", "<meta http-equiv=refresh content=1>", "<a href=b>c</a>", "<a href=", "<base href=a>", "<link rel=next href=a>", "<img srcset='a 1x'>", "<!--", "]]>", "&a", "&", "<p style='url(a)'>", "<form action=a></form>", "<area href=a>")),
    ("<div>" * 200, ("<meta http-equiv=refresh content=1>", "<meta name=robots content=none>", "<a href=b>c</a>", "<noscript></noscript>")),
]  # fmt: skip


def _cases() -> Iterator[tuple[str, Callable[[str], object], str, str]]:
    for name, run, begin, words in HOSTILE:
        for word in words:
            yield name, run, begin, word
    for begin, words in PAGES:
        for word in words:
            yield "page", _read_page, begin, word


def _read_page(body: str) -> None:
    page = _page(body)
    page.links("pages")
    page.links("all")
    assert page.refresh is None or page.refresh.target
    assert page.forbids_following in (True, False)


CASES = list(_cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{name}, {begin[:12]!r} and {word!r}" for name, _, begin, word in CASES])
def test_a_million_characters_of_it_take_little(case: tuple[Any, ...]) -> None:
    _, run, begin, word = case
    length = LONG_PAGE if run is _read_page else LONG
    long = begin + word * (length // len(word))
    took = _seconds(run, long)
    assert took < MOST
    if took < NOTICEABLE:
        return
    half = begin + word * (length // len(word) // 2)
    for _ in range(4):
        took = min(took, _seconds(run, long))
        brief = _seconds(run, half)
        if took < GROWTH * brief:
            return
    raise AssertionError(f"twice as much took {took:.3f} s, after {brief:.3f} s")


def _seconds(run: Callable[[str], object], given: str) -> float:
    def read() -> None:
        with suppress(CrawlerError, ValueError):  # which BadChunk, Unmendable and the errors of documents are
            run(given)

    return seconds_of(read)


def _rules(line: Callable[[int], str]) -> RobotsTxt:
    """As many of *line* as are read of a robots.txt."""
    lines = ["User-agent: *"]
    size = 0
    for number in itertools.count():
        lines.append(f"Disallow: /{line(number)}")
        size += len(lines[-1]) + 1
        if size > ROBOTS_LIMIT - 20_000:
            return RobotsTxt("\n".join(lines).encode(), "bot")
    raise AssertionError


LETTERS = "abcdefghijklmnopqrstuvwxyz"
RULES: list[tuple[Callable[[int], str], str]] = [
    (lambda number: f"*aaa{number}", "a" * 2_000),  # all may match, and each reads the path to its end
    (lambda number: f"*{LETTERS[number % 26]}*{LETTERS[number // 26 % 26]}", "." * 2_000),
    (lambda number: "*a" * 8_000 + f"*{number}", "a" * 2_000),
    (lambda number: f"*a*a*a*a*a*a*b{number}", "a" * 2_000 + "b"),
    (lambda number: "a" * (number % 900) + "*b", "a" * 2_000),
    (lambda number: "a" * (number % 1_990) + "b", "a" * 2_000),
    (lambda number: "*" + "a" * 1_000 + f"b{number}", "a" * 2_000),
]
AT_ONCE = 0.05
"""Seconds for one URL: 0.005 here. More would stop the other hosts."""


@pytest.mark.parametrize(("line", "path"), RULES)
def test_no_robots_txt_takes_long_for_one_url(line: Callable[[int], str], path: str) -> None:
    rules = _rules(line)
    assert min(seconds_of(lambda: rules.allows(f"http://a.example/{path}")) for _ in range(5)) < AT_ONCE


def test_what_there_is_no_time_to_try_is_forbidden() -> None:
    rules = _rules(lambda number: f"*aaa{number}")
    assert not rules.allows("http://a.example/" + "a" * 2_000)
    assert rules.line_for("http://a.example/" + "a" * 2_000) is not None
    assert rules.allows("http://a.example/" + "b" * 2_000)  # none of them can match, as one look tells


SIZES = (8_000, 32_000)
BOUNDED = 0.3
"""Seconds. A tree of 5,000 elements in each other, which is quadratic and light, takes 0.07."""
TIMES_AS_LONG = 10.0
"""Four times as much would take 16 times as long where it is quadratic."""
OWN = ("a config.toml is read", "a setting is given")
"""What the person writes, not a site: Python's own reader of TOML is quadratic in ``-0.0-0.0-0.0``."""
TARGETS = [
    target for target in (*web_targets.TARGETS, *parse_targets.TARGETS, *wire_targets.TARGETS) if target.name not in OWN
]


@pytest.mark.timeout(60 + 2 * REST)
def test_no_word_of_any_language_is_slow_to_repeat() -> None:
    """Every target, with words of its own language, and pairs of them, for as long as there is time."""
    until = time.monotonic() + REST / 3
    random = Random(SEED)
    tries = 0
    for tries in itertools.count():
        if time.monotonic() > until:
            break
        target = random.choice(TARGETS)
        place = random.randrange(len(target.sources))
        words = target.sources[place].words
        pump = random.choice(words) + random.choice((words[0][:0], random.choice(words)))
        begin = random.choice((words[0][:0], random.choice(words), random.choice(target.sources[place].seeds)[:200]))
        args = [source.random(random)[:100] for source in target.sources]
        _check_growth(target, args, place, begin, pump)
    assert tries > 0


def _check_growth(target: Target, args: list[Any], place: int, begin: Any, pump: Any) -> None:
    took = []
    for _ in range(3):
        took = []
        for size in SIZES:
            given = [*args]
            given[place] = target.sources[place].finish(begin + pump * (size // max(1, len(pump))))
            took.append(seconds_of(lambda given=given: feed(target, given)))
        if took[1] < BOUNDED or took[1] < TIMES_AS_LONG * took[0]:
            return
    raise AssertionError(f"{target.name}: {begin!r} and many of {pump!r} as argument {place}: {took} s")
