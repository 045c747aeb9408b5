"""Which hosts belong to the crawl."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.urls.url import address

ANYWHERE = "*"
_CACHE = 10_000
"""Hosts whose verdict is remembered; past that the memory starts afresh. A page may name endless sub-domains."""


class Scope:
    """``example.com`` admits itself and its sub-domains; ``*`` admits every host.

    Rule 1: without hosts of its own a scope grows by the seeds: each adds its host, less a leading ``www.``.
    """

    __slots__ = ("_anywhere", "_grows", "_hosts", "_verdicts")

    def __init__(self, allowed_hosts: Iterable[str] | None = None) -> None:
        hosts = {host.strip() for host in allowed_hosts or ()}
        self._anywhere = ANYWHERE in hosts
        self._grows = not hosts
        self._hosts = {_hostname(host) for host in hosts}
        self._verdicts: dict[str, bool] = {}

    def admits(self, hostname: str) -> bool:
        """Whether pages of *hostname* (no port) belong to the crawl."""
        verdict = self._verdicts.get(hostname)
        if verdict is None:
            if len(self._verdicts) >= _CACHE:
                self._verdicts.clear()
            verdict = self._verdicts[hostname] = self._anywhere or self._covers(hostname)
        return verdict

    def grow(self, hostname: str) -> None:
        """Take in the host of a seed, if the spider named no hosts."""
        name = hostname.rstrip(".")
        root = name.removeprefix("www.")
        if "." not in root:
            root = name  # the site www.com is not all of com
        if self._grows and root not in self._hosts:
            self._hosts.add(root)
            self._verdicts.clear()

    def _covers(self, hostname: str) -> bool:
        name = hostname.rstrip(".")
        while name:
            if name in self._hosts:
                return True
            if name[0] == "[" or name.replace(".", "").isdigit():
                return False  # an IP address has no parent domain
            name = name.partition(".")[2]
        return False


def _hostname(host: str) -> str:
    """*host* as an :class:`~crawler.urls.url.Address` has it, whether its port or its whole URL was given or not."""
    bare = host.removeprefix("*.").removeprefix(".")
    target = address(bare if "://" in bare else f"http://{bare}")
    return target.hostname.rstrip(".") if target is not None else bare
