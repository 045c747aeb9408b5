"""The connections of a crawl: where they may lead, how names are resolved, and how many there may be."""

from __future__ import annotations

from aiohttp import TCPConnector

from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.guard import Guard

_KEEP_ALIVE = 15.0
"""Seconds that an unused connection is kept, as aiohttp has it. A broad crawl has one for each host of that time."""
_DNS_SECONDS = 300
_DNS_NAMES = 100_000
_DESCRIPTORS = 100_000
"""Open files to ask the system for: the most workers that there can be."""


def connector_of(options: FetchOptions, guard: Guard) -> TCPConnector:
    """Kept connections and a DNS cache. Their number is not bounded here: the frontier bounds the requests."""
    raise_descriptor_limit()
    return TCPConnector(
        limit=0,
        ttl_dns_cache=_DNS_SECONDS,
        dns_cache_max_size=_DNS_NAMES,
        keepalive_timeout=_KEEP_ALIVE,
        socket_factory=guard,
        ssl=options.verify_tls,
    )


def raise_descriptor_limit() -> None:
    """As many sockets as the system permits: the usual soft limit of 1,024 is that of select(), which nobody uses here."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            pass  # macOS has a further limit, which it does not tell; the crawl works with what there is
