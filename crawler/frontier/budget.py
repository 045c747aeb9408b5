"""How many pages each site may still give. Pure.

Rule 1: a site is a registrable domain with all that lies below it, so that endless sub-domains are one budget.
Rule 2: pages under way may all succeed, so they count: the limit is never passed. While they alone fill it the site's
other hosts are barred, since one of them may fail.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners
from crawler.request import Entry


class SiteBudget:
    """The pages of each site, over all runs of a job. Memory: one number for each site that gave a page."""

    def __init__(self, manners: Manners, site_of: Callable[[str], str]) -> None:
        """*site_of* gives the site of a host name."""
        self._manners = manners
        self._site_of = site_of
        self._pages: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._leases: dict[int, str] = {}
        self._barred: dict[str, deque[str]] = {}

    def restore(self, pages: Mapping[str, int]) -> None:
        """What earlier runs fetched."""
        self._pages.update(pages)

    def is_spent(self, hostname: str) -> bool:
        """Whether nothing more is fetched of the site of *hostname*."""
        limit = self._limit(hostname)
        return limit is not None and self._pages[self._site_of(hostname)] >= limit

    def begin(self, entry: Entry) -> bool:
        """*entry* is to be leased. False if that must wait: its host is barred until :meth:`end` gives it back."""
        hostname = entry.hostname
        limit = self._limit(hostname)
        if limit is None:
            return True
        site = self._site_of(hostname)
        pages = self._pages[site]
        if pages >= limit:
            return True  # it will not be fetched
        if pages + self._running[site] >= limit:
            self._barred.setdefault(site, deque()).append(entry.host)
            return False
        self._running[site] += 1
        self._leases[entry.number] = site
        return True

    def has_room(self, entry: Entry) -> bool:
        """Whether the leased *entry* may be fetched."""
        return entry.number in self._leases or self._limit(entry.hostname) is None

    def end(self, entry: Entry, *, is_page: bool) -> Iterable[str]:
        """The lease of *entry* has ended. The hosts that are barred no more."""
        site = self._leases.pop(entry.number, None)
        if site is None:
            return ()
        self._running[site] -= 1
        if not self._running[site]:
            del self._running[site]
        if is_page:
            self._pages[site] += 1
        barred = self._barred.get(site)
        if barred is None:
            return ()
        if site not in self._running:
            return self._barred.pop(site)  # whoever finds no room is barred again
        if is_page:
            return ()  # there is no more room than there was
        host = barred.popleft()
        if not barred:
            del self._barred[site]
        return (host,)

    def fetched(self, outcomes: Iterable[Outcome]) -> list[tuple[str, int]]:
        """How many pages of each site there are among *outcomes*."""
        pages = Counter(
            self._site_of(outcome.entry.hostname)
            for outcome in outcomes
            if outcome.verdict is Verdict.DONE and self._limit(outcome.entry.hostname) is not None
        )
        return list(pages.items())

    def _limit(self, hostname: str) -> int | None:
        return self._manners.of(hostname).max_pages_per_site
