"""What hosts teach about themselves: how long they want to be left alone, from one run of a job to the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crawler.frontier.store import Learned
from crawler.politeness.pace import Manners
from crawler.politeness.throttle import Throttle
from crawler.request import Entry

_CRAWL_DELAYS = 50_000
"""Hosts whose Crawl-delay is remembered while nothing of them waits. Either scheme's robots.txt may have asked for it."""
_THROTTLES = 50_000
"""Hosts of which it is remembered how quickly they answer; past that the one heard of longest ago goes. 10 MB."""
_NOTABLE = 0.2
"""Part by which a pause must differ from the one that was written down before it is written down anew."""


class Lessons:
    """Belongs to one frontier."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._before: dict[str, Learned] | None = None
        self._changed: dict[str, Entry] = {}
        self._crawl_delays: dict[str, float] = {}
        self._throttles: dict[str, Throttle] = {}
        self._told: dict[str, float] = {}  # the pauses beyond a host's own that were noted

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
        if learned.latency or learned.penalty:
            self._throttles[host] = Throttle(learned.latency, learned.penalty)
        return learned.refusals, max(learned.rest, pause)

    def crawl_delay(self, host: str, asked: float | None) -> float | None:
        """What *host* wants between two requests, now that one of its robots.txt *asked* for so many seconds."""
        if asked:
            self._crawl_delays[host] = max(asked, self._crawl_delays.get(host, 0.0))
            if len(self._crawl_delays) > _CRAWL_DELAYS:
                del self._crawl_delays[next(iter(self._crawl_delays))]
        return self._crawl_delays.get(host)

    def throttle(self, host: str) -> Throttle:
        """What *host*'s answers have taught, to be taught more."""
        throttle = self._throttles.pop(host, None) or Throttle()
        self._throttles[host] = throttle  # it is the last one now
        if len(self._throttles) > _THROTTLES:
            forgotten = next(iter(self._throttles))
            del self._throttles[forgotten]
            self._told.pop(forgotten, None)
        return throttle

    def slowness(self, host: str, floor: float, most: float) -> float:
        """The pause of *host*, beside its own of *floor* seconds, that its answers have taught."""
        throttle = self._throttles.get(host)
        return 0.0 if throttle is None else throttle.pause(floor, most)

    def note_pause(self, entry: Entry, floor: float, pause: float) -> None:
        """*entry*'s host is asked every *pause* seconds for now, *floor* being its own: worth noting if that is new."""
        told = self._told.get(entry.host, floor)
        pause = max(pause, floor)
        if pause == floor != told:
            del self._told[entry.host]
        elif abs(pause - told) > _NOTABLE * told:
            self._told[entry.host] = pause
        else:
            return
        self.note(entry)

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
        rest = max(left, pause if pause > own else 0.0)
        throttle = self._throttles.get(entry.host)
        if throttle is None:
            return Learned(entry.host, rest, refusals)
        return Learned(entry.host, rest, refusals, throttle.latency, throttle.penalty)
