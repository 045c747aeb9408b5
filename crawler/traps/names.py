"""How many hosts a site has: one entry in the name service makes a million of them.

Rule 1: names are grouped by their last two labels, which costs nothing. The list of public suffixes, which tells
``co.uk`` from a site, is asked only where a group grows large.
"""

from __future__ import annotations

from collections.abc import Callable

from crawler.politeness.pace import is_address

MANY = 100
"""Hosts from which on those of a site are looked at as one: more than nearly all have."""
_NAMES = 100_000
"""Names that are remembered, over all sites, 12 MB; then the site whose first one came first is forgotten."""


class Names:
    """The hosts of each site, as far as links led to them."""

    def __init__(self, site_of: Callable[[str], str]) -> None:
        self._site_of = site_of
        self._groups: dict[str, set[str]] = {}
        self._shared: set[str] = set()  # last labels that are a registry's, such as co.uk
        self._total = 0

    def is_among(self, hostname: str, most: int | None) -> tuple[bool, str]:
        """Whether *hostname* is one of the first *most* hosts of its site, None being any number; and that site, if it
        has many, else ``""``. It counts from now on.
        """
        if is_address(hostname):
            return True, ""
        site, group = self._group(hostname)
        if hostname not in group:
            is_large = len(group) == (MANY if most is None else min(most, MANY))
            if is_large and site not in self._shared and self._splits(site, hostname):
                return self.is_among(hostname, most)
            if len(group) >= (MANY + 1 if most is None else most):
                return most is None, site
            group.add(hostname)
            self._total += 1
            if self._total > _NAMES:
                self._forget(site)
        return True, site if len(group) > MANY else ""

    def welcome(self, hostname: str) -> None:
        """*hostname* is one of its site's hosts, however many these are."""
        if is_address(hostname):
            return
        _, group = self._group(hostname)
        self._total += hostname not in group
        group.add(hostname)

    def _group(self, hostname: str) -> tuple[str, set[str]]:
        name = hostname.rstrip(".")
        cut = name.rfind(".", 0, max(name.rfind("."), 0))
        site = name[cut + 1 :]
        if site in self._shared:
            site = self._site_of(name)
        group = self._groups.get(site)
        if group is None:
            group = self._groups[site] = set()
        return site, group

    def _splits(self, site: str, hostname: str) -> bool:
        """Whether a group that *hostname* is about to join turns out to be of several sites, and is divided."""
        sites = {name: self._site_of(name.rstrip(".")) for name in (hostname, *self._groups[site])}
        if set(sites.values()) == {site}:
            return False
        self._shared.add(site)
        for name in self._groups.pop(site):
            self._groups.setdefault(sites[name], set()).add(name)
        return True

    def _forget(self, but: str) -> None:
        for site in self._groups:
            if site != but:
                self._total -= len(self._groups.pop(site))
                return
