"""What a robots.txt allows. RFC 9309; matching by protego."""

from __future__ import annotations

import re
from typing import Any, Protocol

from protego import Protego

ROBOTS_LIMIT = 500 * 1024
"""Bytes that are read of a robots.txt. RFC 9309, section 2.5."""


_DISALLOW = re.compile(rb"di\w*l+[oa]w[ \t:]*[^\s:#]", re.IGNORECASE)
"""What may be a rule that forbids something, however it is misspelt and whatever ends the line before it. Many a
robots.txt has none, and protego takes 8 µs to say so of each URL."""


class Rules(Protocol):
    """One robots.txt, as one user agent reads it."""

    crawl_delay: float | None
    """Seconds that it asks between two requests; None if it asks nothing."""

    def allows(self, url: str) -> bool:
        """Whether *url* may be fetched."""


class _Everything:
    crawl_delay: float | None = None

    def allows(self, url: str) -> bool:
        return True


ALLOW_ALL: Rules = _Everything()
"""No robots.txt (a 4xx status), or an empty one."""


class RobotsTxt:
    """A parsed robots.txt."""

    __slots__ = ("_agent", "_forbids", "_rules", "crawl_delay")

    def __init__(self, body: bytes, user_agent: str) -> None:
        if len(body) > ROBOTS_LIMIT:  # a rule that is cut through would forbid more than it did
            body = body[:ROBOTS_LIMIT].rpartition(b"\n")[0]
        self._rules: Any = Protego.parse(body.decode("utf-8-sig", "replace"))  # protego ships no types
        self._agent = product_token(user_agent)
        self._forbids = _DISALLOW.search(body) is not None
        delay = self._rules.crawl_delay(self._agent)
        self.crawl_delay: float | None = float(delay) if delay is not None and delay >= 0 else None  # it may be NaN

    def allows(self, url: str) -> bool:
        return not self._forbids or bool(self._rules.can_fetch(url, self._agent))


def line_against(body: bytes, user_agent: str, url: str) -> tuple[int, str] | None:
    """The line of a robots.txt that forbids *url*, and its number from 1 on; None if it is allowed.

    Of several it is the longest one, as RFC 9309, section 2.2.2, has it. Slow: each is tried alone.
    """
    if RobotsTxt(body, user_agent).allows(url):
        return None
    lines = body.splitlines()
    against = [number for number, line in enumerate(lines) if _DISALLOW.search(line)]
    for number in sorted(against, key=lambda number: -len(lines[number])):
        others = [line for at, line in enumerate(lines) if at == number or at not in against]
        if not RobotsTxt(b"\n".join(others), user_agent).allows(url):
            return number + 1, lines[number].decode("utf-8", "replace").strip()
    return None


def product_token(user_agent: str) -> str:
    """The name that a robots.txt calls us by: ``MyBot`` of ``MyBot/1.2 (+https://…)``. RFC 9309, section 2.2.1."""
    return user_agent.partition("/")[0].partition(" ")[0]
