"""What hosts teach about themselves: how long they want to be left alone, from one run of a job to the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crawler.frontier.store import Learned
from crawler.politeness.pace import Manners
from crawler.request import Entry

_CRAWL_DELAYS = 50_000
"""Hosts whose Crawl-delay is remembered while nothing of them waits. Either scheme's robots.txt may have asked for it."""


class Lessons:
    """Belongs to one frontier."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._before: dict[str, Learned] | None = None
        self._changed: dict[str, Entry] = {}
        self._crawl_delays: dict[str, float] = {}

    def restore(self, learned: Mapping[str, Learned]) -> None:
        """Those of an earlier run."""
        self._before = dict(learned)

    def owed(self, host: str, hostname: str) -> tuple[int, float] | None:
        """For a *host* that is new to this run: its refusals in a row, and the seconds that an earlier run owes it,
        its pause at least; None if it is owed nothing.
        """
        if self._before is None:
            return None
        learned = self._before.pop(host, None)  # once: what is forgiven afterwards stays forgiven
        pause = self._manners.of(hostname).pause(hostname)
        if learned is None:
            return (0, pause) if pause else None
        return learned.refusals, max(learned.rest, pause)

    def crawl_delay(self, host: str, asked: float | None) -> float | None:
        """What *host* wants between two requests, now that one of its robots.txt *asked* for so many seconds."""
        if asked:
            self._crawl_delays[host] = max(asked, self._crawl_delays.get(host, 0.0))
            if len(self._crawl_delays) > _CRAWL_DELAYS:
                del self._crawl_delays[next(iter(self._crawl_delays))]
        return self._crawl_delays.get(host)

    def note(self, entry: Entry) -> None:
        """*entry*'s host taught something."""
        self._changed[entry.host] = entry

    def news(self, now: float, state_of: Callable[[str], tuple[int, float, float]]) -> list[Learned]:
        """What was noted since this was last called.

        :param state_of: gives a host's refusals, when it may be asked next, and its pause
        """
        if not self._changed:
            return []
        changed, self._changed = self._changed, {}
        return [self._lesson(entry, now, *state_of(entry.host)) for entry in changed.values()]

    def _lesson(self, entry: Entry, now: float, refusals: int, ready_at: float, pause: float) -> Learned:
        own = self._manners.of(entry.hostname).pause(entry.hostname)
        left = max(ready_at - now, 0.0)
        if left > pause:
            self.note(entry)  # until it is over, or the next run would wait for it again
        return Learned(entry.host, max(left, pause if pause > own else 0.0), refusals)
