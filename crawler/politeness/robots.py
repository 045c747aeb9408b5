"""What a robots.txt allows. RFC 9309; matching by protego."""

from __future__ import annotations

from typing import Any, Protocol

from protego import Protego

ROBOTS_LIMIT = 500 * 1024
"""Bytes that are read of a robots.txt. RFC 9309, section 2.5."""


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

    __slots__ = ("_agent", "_rules", "crawl_delay")

    def __init__(self, body: bytes, user_agent: str) -> None:
        text = body[:ROBOTS_LIMIT].decode("utf-8-sig", "replace")
        self._rules: Any = Protego.parse(text)  # protego ships no types
        self._agent = product_token(user_agent)
        delay = self._rules.crawl_delay(self._agent)
        self.crawl_delay: float | None = None if delay is None else float(delay)

    def allows(self, url: str) -> bool:
        return bool(self._rules.can_fetch(url, self._agent))


def product_token(user_agent: str) -> str:
    """The name that a robots.txt calls us by: ``MyBot`` of ``MyBot/1.2 (+https://…)``. RFC 9309, section 2.2.1."""
    return user_agent.partition("/")[0].partition(" ")[0]
