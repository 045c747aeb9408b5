"""How long to leave a host alone between two requests, and how many it may be asked at once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from crawler.politeness.overrides import Overrides

DEFAULT_DELAY = 0.25
"""Seconds. Four requests a second are less than one person with a browser causes, and 14,400 pages an hour."""


@dataclass(frozen=True, slots=True)
class Politeness:
    """The courtesy shown to one host. All times are in seconds."""

    delay: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="seconds between two requests to one host (unset: 0.25, and 0 on loopback)"),
    ] = None
    delay_per_ip: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="seconds between two requests to one IP address, all its hosts together (unset: delay / 5)"),
    ] = None
    concurrency_per_host: Annotated[
        int, Meta(ge=1, description="requests at once to one host (8, as Scrapy has; browsers use 6)")
    ] = 8
    throttle: Annotated[bool, Meta(description="ask a host that slows down or refuses more slowly, for a while")] = True
    obey_robots: Annotated[bool, Meta(description="obey robots.txt (RFC 9309)")] = True
    max_crawl_delay: Annotated[
        float,
        Meta(ge=0, description="skip a host whose robots.txt asks for more seconds between two requests than this"),
    ] = 60.0
    obey_robots_tags: Annotated[
        bool,
        Meta(description="follow no link of a page whose X-Robots-Tag or <meta name=robots> says nofollow"),
    ] = True
    obey_rel_nofollow: Annotated[
        bool, Meta(description="leave out links that are marked rel=nofollow: a word about praise, not about access")
    ] = False
    max_pages_per_site: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="pages of one site (example.com with its sub-domains) at most (unset: any number)"),
    ] = None
    max_delay: Annotated[
        float,
        Meta(ge=0, description="never wait longer for a host, whatever it asks (300, as Heritrix has)"),
    ] = 300.0
    outage_patience: Annotated[
        float,
        Meta(ge=0, description="seconds that URLs wait for a site that answered before and cannot be reached now"),
    ] = 120.0

    def pause(self, hostname: str, crawl_delay: float | None = None) -> float:
        """Seconds from one request to *hostname* to the next; *crawl_delay* is what robots.txt asks, if anything."""
        own = self.delay
        if own is None:
            own = 0.0 if is_loopback(hostname) else DEFAULT_DELAY
        return max(own, crawl_delay or 0.0)

    def pause_per_ip(self, hostname: str) -> float:
        """Seconds from one request to the IP address of *hostname* to the next, whichever host that one is for.

        A fifth of the host's own pause, if nothing is set: an address that many sites share is asked more often than
        one of them, but not as often as all of them might be.
        """
        return self.pause(hostname) / 5 if self.delay_per_ip is None else self.delay_per_ip

    def rest_after_refusal(self, refusals: int, retry_after: float | None) -> float:
        """Seconds that a host rests, for all its URLs, after its *refusals*-th 429 or 503 in a row.

        Its own Retry-After counts if it sent one; else 1, 2, 4 ... seconds. Never more than ``max_delay``.
        """
        wanted = float(2 ** min(refusals - 1, 20)) if retry_after is None else retry_after
        return min(wanted, self.max_delay)


class Manners(Overrides[Politeness]):
    """Which :class:`Politeness` holds for which host: the crawl's own, and ``[host."…"]`` tables over it."""

    __slots__ = ()


def is_address(hostname: str) -> bool:
    """Whether *hostname* is an IP address already, as URLs have it."""
    return hostname.startswith("[") or hostname.replace(".", "").isdigit()


@lru_cache(maxsize=4096)
def is_loopback(hostname: str) -> bool:
    """Whether *hostname* is this machine: ``localhost``, 127.0.0.0/8 or ``[::1]``."""
    if f".{hostname.rstrip('.')}".endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname.strip("[]")).is_loopback
    except ValueError:
        return False


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date from which *now* (a Unix time) is taken. None if unreadable.

    A date without a zone is in UTC: the old asctime form has none.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # thirty years are enough
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
