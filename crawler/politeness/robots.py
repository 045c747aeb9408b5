"""What a robots.txt allows. RFC 9309; where it is silent, or sites misspell, as Google's parser reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from crawler.politeness.escapes import capitalized, unescaped
from crawler.politeness.paths import NONE, Paths, Pattern, pattern_of
from crawler.politeness.robots_lines import MAX_LINE, MAX_SITEMAPS, ROBOTS_LIMIT, Rule, Said, lines_of, within_limit

__all__ = [
    "ALLOW_ALL",
    "MAX_LINE",
    "MAX_SITEMAPS",
    "ROBOTS_LIMIT",
    "RobotsTxt",
    "Rules",
    "line_against",
    "product_token",
    "rules_of",
    "within_limit",
]

_LINES = 20
"""Bits for the number of a line: 500 KiB hold no more than 2^19."""
_LAST_LINE = (1 << _LINES) - 1


class Rules(Protocol):
    """One robots.txt, as one product token reads it."""

    crawl_delay: float | None
    """Seconds that it asks between two requests; None if it asks nothing."""
    sitemaps: tuple[str, ...]
    """The sitemaps that it names, as they stand there; they are for everyone."""
    size: int
    """Bytes of memory that it takes, roughly."""

    def allows(self, url: str) -> bool:
        """Whether *url* may be fetched: an absolute URL as the URL Standard writes it, its host followed by a ``/``."""


class _Everything:
    __slots__ = ()
    crawl_delay: float | None = None
    sitemaps: tuple[str, ...] = ()
    size = 0

    def allows(self, url: str) -> bool:
        return True


ALLOW_ALL: Rules = _Everything()
"""No robots.txt (a 4xx status), or an empty one."""


class RobotsTxt:
    """A parsed robots.txt.

    The rule with the most octets that matches decides, ``Allow`` before ``Disallow`` (section 2.2.2). What decides is
    kept as one number for each rule, its rank: octets, then which of the two it is, then its line, the first one first.
    """

    __slots__ = ("__weakref__", "_paths", "crawl_delay", "says_something", "sitemaps", "size")

    def __init__(self, body: bytes, token: str) -> None:
        """*token* is our product token: a name with other characters than a token has none but the ``*`` group."""
        said = Said(body, token)
        group = said.group
        # without a rule that forbids, those that allow say nothing
        rules = group.rules if any(not rule.allows for rule in group.rules) else []
        self._paths = Paths((spelling for rule in rules for spelling in _spellings(rule)), guess=_forbids)
        self.crawl_delay = group.crawl_delay
        self.sitemaps = tuple(dict.fromkeys(said.sitemaps))
        self.says_something = bool(rules or self.sitemaps or self.crawl_delay is not None)
        self.size = (  # measured
            700
            + sum((300 if "*" in rule.text else 150) + len(rule.text) for rule in rules)
            + sum(60 + len(text) for text in self.sitemaps)
        )

    def allows(self, url: str) -> bool:
        rank = self._rank(url)
        return rank == NONE or not _forbids(rank)

    def line_for(self, url: str) -> int | None:
        """The line, from 1 on, of the rule that decides about *url*; None if none does."""
        rank = self._rank(url)
        return None if rank == NONE else _LAST_LINE - (rank & _LAST_LINE)

    def _rank(self, url: str) -> int:
        path = _path_of(url)
        if path == "/robots.txt":  # section 2.2.2: it is implicitly allowed
            return NONE
        if "%" not in path:
            return self._paths.highest(path)
        return max(map(self._paths.highest, {path, capitalized(path), unescaped(path)}))


def rules_of(body: bytes, token: str) -> Rules:
    """The rules of a robots.txt; those that say nothing to us are all the same object."""
    rules = RobotsTxt(body, token)
    return rules if rules.says_something else ALLOW_ALL


def line_against(body: bytes, user_agent: str, url: str) -> tuple[int, str] | None:
    """The line of a robots.txt that forbids *url*, and its number from 1 on; None if it is allowed."""
    rules = RobotsTxt(body, product_token(user_agent))
    number = rules.line_for(url)
    if number is None or rules.allows(url):
        return None
    return number, lines_of(body)[number - 1].strip().encode("latin-1").decode("utf-8", "replace")


def product_token(user_agent: str) -> str:
    """The name that a robots.txt calls us by: ``MyBot`` of ``MyBot/1.2 (+https://…)``. Section 2.2.1."""
    return user_agent.partition("/")[0].partition(" ")[0]


def _spellings(rule: Rule) -> Iterator[tuple[Pattern, int]]:
    """*rule*, and what it means beside, each with its rank.

    Section 2.2.2 compares what is left when escapes of letters, digits and ``-._~`` are undone; Google's parser
    compares what is written. Where they differ a ``Disallow`` forbids what either says, an ``Allow`` allows what is
    written. Section 2.2.3: ``%2A`` and ``%24`` are the characters themselves.
    """
    written = pattern_of(rule.text)
    rank = _rank(len(rule.text), rule)
    yield written, rank
    if "%" in rule.text:
        meant = tuple(_literal(piece if rule.allows else unescaped(piece)) for piece in written.pieces)
        if meant != written.pieces:
            yield Pattern(meant, written.is_anchored), rank
    folder, slash, name = rule.text.rpartition("/")
    if rule.allows and slash and name.startswith("index.htm"):  # who allows the page of a folder allows the folder
        yield pattern_of(folder + "/$"), _rank(len(folder) + 2, rule)


def _rank(octets: int, rule: Rule) -> int:
    return (octets << 1 | rule.allows) << _LINES | _LAST_LINE - rule.line


def _forbids(rank: int) -> bool:
    return not rank >> _LINES & 1


def _literal(piece: str) -> str:
    return piece.replace("%2A", "*").replace("%24", "$")


def _path_of(url: str) -> str:
    """What stands behind the host, without the fragment."""
    start = url.find("/", 8)  # past https://
    path = url[start:] if start >= 0 else "/"
    return path[: path.index("#")] if "#" in path else path
