"""The lines of a robots.txt, sorted by what they say to one agent. RFC 9309, section 2; lines that the RFC does not know,
or that are misspelt, as Google's parser takes them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from crawler.politeness.escapes import escaped

ROBOTS_LIMIT = 500 * 1024
"""Bytes that are read of a robots.txt. Section 2.5."""
MAX_LINE = 8 * 2083 - 1
"""Octets that are read of a line, as Google's parser has it: eight of the longest URLs."""
MAX_SITEMAPS = 1_000
"""Sitemaps that are taken from one robots.txt."""
_MAX_SITEMAP = 2_083
"""Characters of the address of a sitemap: none longer could be followed."""


class Rule(NamedTuple):
    """One ``Allow`` or ``Disallow``."""

    text: str
    """Its pattern: one character for each octet, those outside of ASCII escaped."""
    allows: bool
    line: int
    """From 1 on."""


class Group:
    """The groups of one agent, as one: "matching groups' rules MUST be combined" (section 2.2.1)."""

    __slots__ = ("crawl_delay", "is_current", "is_named", "rules")

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.crawl_delay: float | None = None
        """Seconds between two requests."""
        self.is_named = False
        """Whether any line names its agent."""
        self.is_current = False
        """Whether the lines that come are its."""


class Said:
    """What a robots.txt says to one product token."""

    def __init__(self, body: bytes, token: str) -> None:
        self._token = "" if _NAME_ENDS.intersection(token) else token.lower()
        self._own = Group()
        self._everyone = Group()
        self._is_list_over = False
        """Whether the list of agents that a group begins with has ended."""
        self.sitemaps: list[str] = []
        for number, line in enumerate(lines_of(body), 1):
            if line:
                self._take(number, line)

    @property
    def group(self) -> Group:
        """The one to go by: that of ``*`` only if there is none of our own."""
        return self._own if self._own.is_named else self._everyone

    def _take(self, number: int, line: str) -> None:
        kind, value = _record(line)
        if kind in (_ALLOW, _DISALLOW):
            self._add(value, kind == _ALLOW, number)
        elif kind == _AGENT:
            self._name(value)
        elif kind == _SITEMAP:
            if value and len(value) <= _MAX_SITEMAP and len(self.sitemaps) < MAX_SITEMAPS:
                self.sitemaps.append(value.encode("latin-1").decode("utf-8", "replace"))
        elif kind is not None:
            self._wish(_crawl_delay(value) if kind == _DELAY else _request_rate(value))

    def _name(self, agent: str) -> None:
        """A ``User-agent`` begins a group, or goes on with its list. Only an ``Allow`` or ``Disallow`` ends that:
        "other records MUST NOT interfere" (section 2.2.4).
        """
        if self._is_list_over:
            self._own.is_current = self._everyone.is_current = self._is_list_over = False
        if _is_everyone(agent):
            self._everyone.is_current = self._everyone.is_named = True
        elif _is_for(agent, self._token):
            self._own.is_current = self._own.is_named = True

    def _add(self, pattern: str, allows: bool, number: int) -> None:
        for group in (self._own, self._everyone):
            if group.is_current:
                self._is_list_over = True
                if pattern:
                    group.rules.append(Rule(escaped(pattern), allows, number))

    def _wish(self, seconds: float | None) -> None:
        """Of several the longest holds."""
        for group in (self._own, self._everyone):
            if group.is_current and seconds is not None:
                group.crawl_delay = max(seconds, group.crawl_delay or 0.0)


def lines_of(body: bytes) -> list[str]:
    """Each character is an octet. Section 2.2: a line ends with CR, LF, or both; a byte order mark is no part of one."""
    text = within_limit(body).removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")


def within_limit(body: bytes) -> bytes:
    """As much of *body* as is read: whole lines, as a rule that is cut through would forbid more than it did."""
    if len(body) <= ROBOTS_LIMIT:
        return body
    return body[: 1 + max(body.rfind(b"\n", 0, ROBOTS_LIMIT), body.rfind(b"\r", 0, ROBOTS_LIMIT))]


_AGENT, _ALLOW, _DISALLOW, _SITEMAP, _DELAY, _RATE = range(6)

_KINDS = {
    "user-agent": _AGENT,
    "useragent": _AGENT,
    "user agent": _AGENT,
    "allow": _ALLOW,
    "disallow": _DISALLOW,
    "dissallow": _DISALLOW,
    "dissalow": _DISALLOW,
    "disalow": _DISALLOW,
    "diasllow": _DISALLOW,
    "disallaw": _DISALLOW,
    "sitemap": _SITEMAP,
    "site-map": _SITEMAP,
    "crawl-delay": _DELAY,
    "crawldelay": _DELAY,
    "request-rate": _RATE,
}
"""What a line may begin with, as Google's parser takes it; the last three are not its."""
_STARTS = tuple(_KINDS)
_BLANK = " \t\n\r\x0b\x0c"
"""ASCII's white space."""


def _record(line: str) -> tuple[int | None, str]:
    """What kind of line it is, None for one that says nothing, and its value."""
    if len(line) > MAX_LINE:
        line = line[:MAX_LINE]
    if "#" in line:
        line = line[: line.index("#")]
    key, colon, value = line.partition(":")
    if not colon:  # "Disallow /": who forgets the colon may write two words, no more
        words = [word for word in line.replace("\t", " ").strip(_BLANK).split(" ") if word]
        if len(words) != 2:
            return None, ""
        key, value = words
    return _kind_of(key.strip(_BLANK)[:20].lower()), value.strip(_BLANK)


@lru_cache(maxsize=256)
def _kind_of(key: str) -> int | None:
    if not key.startswith(_STARTS):
        return None
    return next(kind for start, kind in _KINDS.items() if key.startswith(start))


def _is_everyone(agent: str) -> bool:
    return agent[:1] == "*" and (len(agent) == 1 or agent[1] in _BLANK)


def _is_for(agent: str, token: str) -> bool:
    """Whether a line that names *agent* means *token*, in lower case.

    Its name ends with the first octet that no token has (section 2.2.1), so that ``bot/2.0`` means ``bot``; who is
    called ``bot2`` against the rules is meant by ``bot2`` alone.
    """
    if not token or agent[: len(token)].lower() != token:
        return False
    following = agent[len(token) : len(token) + 1].lower()
    return following in _NAME_ENDS or (following not in _TOKEN and _TOKEN.issuperset(token))


_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyz_-")
_NAME_ENDS = frozenset(("", "/", *_BLANK))


def _crawl_delay(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


_RATE_FORM = re.compile(r"(\d{1,9})\s*/\s*(\d{1,9})\s*([smh]?)\b", re.IGNORECASE)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def _request_rate(value: str) -> float | None:
    """Seconds for each request: ``1/5`` and ``1/5s`` are 5, ``10/1m`` is 6.

    The times of day that may follow (``0600-0845``) are not looked at: what is asked for a part of the day is kept
    to all day.
    """
    found = _RATE_FORM.match(value)
    if found is None or not int(found[1]):
        return None
    return int(found[2]) * _UNITS[found[3].lower()] / int(found[1])
