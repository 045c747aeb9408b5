"""How each host is treated: what its politeness asks, what its answers teach, and whether there is a way to it at all.

The rules are in :mod:`crawler.politeness`; here they meet the schedule, which keeps to what comes out.
"""

from __future__ import annotations

from collections.abc import Callable

from crawler.frontier.lanes import Lanes
from crawler.frontier.lessons import Lessons
from crawler.frontier.schedule import HostSchedule, Place
from crawler.politeness import stall
from crawler.politeness.outage import Outages
from crawler.politeness.pace import Manners, Politeness, is_address
from crawler.request import Entry, hostname_of

_AFTER_OTHERS = 0.001
"""Seconds after the rest of a site that is out in which others of its URLs may go before the one that failed."""


class Courtesy:
    """Belongs to one frontier. Nothing is awaited."""

    def __init__(
        self,
        manners: Manners,
        clock: Callable[[], float],
        address_of: Callable[[str], str],
        lanes: Lanes | None = None,
    ) -> None:
        """
        :param clock: the event loop's
        :param address_of: gives the IP address of a host name, as far as it is known
        :param lanes: how many may be asked at once; None for any number
        """
        self._manners = manners
        self._clock = clock
        self._address_of = address_of
        self._begun = clock()
        self.schedule: HostSchedule[Entry] = HostSchedule(self._place_of, lanes)
        self.lessons = Lessons(manners)
        self.outages = Outages(manners.default.outage_patience)
        self.stalls = stall.Stalls()
        self.later: dict[int, float] = {}
        """Numbers of leases that are to be put back behind others of their host, and until when."""
        self._visits: dict[tuple[str, str], float] = {}
        """Whose robots.txt is to be asked for at whom, and when its turn is there."""

    def _place_of(self, host: str) -> Place | None:
        hostname = hostname_of(host)
        gap = self._manners.of(hostname).pause_per_ip(hostname)
        if not gap:
            return None
        address = hostname.strip("[]") if is_address(hostname) else self._address_of(hostname)
        return address, gap

    def recall(self, host: str, hostname: str) -> None:
        """A host that is new to this run: an earlier one may owe it a rest, and asked it not long ago."""
        owed = self.lessons.owed(host, hostname)
        if owed is not None:
            refusals, rest = owed
            self.schedule.remember(host, refusals, self._begun + rest)

    def set_pace(self, entry: Entry, crawl_delay: float | None, *, alone: bool) -> float:
        """As :meth:`Frontier.set_pace`."""
        host, hostname = entry.host, entry.hostname
        if crawl_delay:
            self.lessons.note(entry)
        politeness, schedule = self._manners.of(hostname), self.schedule
        floor = politeness.pause(hostname, self.lessons.crawl_delay(host, crawl_delay))
        schedule.set_limits(host, entry, 1 if alone else politeness.concurrency_per_host, floor)
        if politeness.throttle:
            slowness = self.lessons.slowness(host, schedule.floor_of(host), politeness.max_delay)
            schedule.slow(host, slowness, self._clock(), entry)
        return schedule.spacing_of(host) or 0.0

    def started(self, entry: Entry) -> None:
        """*entry* has just been sent."""
        self.schedule.place(entry.host, self._place_of(entry.host))  # by now its name has been looked up
        self.schedule.started(entry.host, entry, self._clock())

    def may_visit(self, entry: Entry, host: str) -> bool:
        """As :meth:`Frontier.may_visit`."""
        hostname = hostname_of(host)
        if self.schedule.held(host) is None:
            self.recall(host, hostname)
        pause = self._manners.of(hostname).pause(hostname, self.lessons.crawl_delay(host, None))
        now, visit = self._clock(), (entry.host, host)
        slot = self.schedule.visit(host, now, pause, self._visits.pop(visit, None))
        if slot <= now:
            return True
        self._visits[visit] = slot
        self.schedule.rest(entry.host, slot)
        return False

    def accept(self, entry: Entry, elapsed: float, *, is_good: bool) -> bool:
        """*entry*'s host answered. Whether an outage is over with that."""
        schedule, host = self.schedule, entry.host
        is_over = self._heard(entry)
        if is_good and schedule.accepted(host):
            self.lessons.note(entry)
        if schedule.pause_of(host):
            politeness = self._manners.of(entry.hostname)
            if politeness.throttle:
                self.lessons.throttle(host).answered(elapsed, is_good=is_good)
                self._repace(entry, politeness)
        return is_over

    def refuse(self, entry: Entry, retry_after: float | None) -> bool:
        """*entry*'s host said "too much". Whether an outage is over with that."""
        is_over = self._heard(entry)
        is_new = self.schedule.strained(entry.host)
        times = self.schedule.refused(entry.host, is_new=is_new)
        self.lessons.note(entry)
        if is_new:
            self._slow_down(entry, self._manners.of(entry.hostname).max_delay)
        self.rest(entry, self._manners.of(entry.hostname).rest_after_refusal(times, retry_after))
        return is_over

    def miss(self, entry: Entry, reason: str, *, is_refusal: bool = False) -> bool:
        """As :meth:`Frontier.miss`."""
        now, politeness = self._clock(), self._manners.of(entry.hostname)
        rest = self.outages.missed(
            entry.origin, entry.number, reason, now, politeness.outage_patience, is_refusal=is_refusal
        )
        if rest is None:
            self.schedule.probe(entry.host, is_probed=False)
            begun = self.schedule.ignored(entry.host, entry, now)
            if reason == "timeout" and self.schedule.strained(entry.host):
                self._slow_down(entry, politeness.max_delay if begun is None else stall.LONGEST)
            if begun is not None:
                self._note_stall(entry, begun, now)
            return False
        if rest > 0:
            self.schedule.probe(entry.host, is_probed=True)
            self.rest(entry, rest)
            self.later[entry.number] = now + rest + _AFTER_OTHERS
        return True

    def _note_stall(self, entry: Entry, begun: float, now: float) -> None:
        rest = self.stalls.stalled(entry.host, entry.number, begun, now)
        self.schedule.probe(entry.host, is_probed=True)
        if self.stalls.gives_up(entry.host, now):
            self.schedule.rouse(entry.host, now)
        elif rest:
            self.rest(entry, rest)
            self.later[entry.number] = now + rest + _AFTER_OTHERS

    def revive(self, entry: Entry) -> None:
        """*entry*'s host may have kept others waiting for nothing, and does so no more."""
        if self.stalls.answered(entry.host):
            self.schedule.probe(entry.host, is_probed=False)

    def rest(self, entry: Entry, seconds: float) -> None:
        """Leave *entry*'s host alone for a while."""
        self.schedule.rest(entry.host, self._clock() + seconds)

    def _heard(self, entry: Entry) -> bool:
        is_over = self.outages.answered(entry.origin, entry.number)
        if is_over:
            self.schedule.probe(entry.host, is_probed=False)
        return is_over

    def _slow_down(self, entry: Entry, most: float) -> None:
        """... to one request in *most* seconds at the slowest."""
        host, politeness = entry.host, self._manners.of(entry.hostname)
        if politeness.throttle:
            most = min(most, politeness.max_delay)
            self.lessons.throttle(host).strained(self.schedule.pause_of(host) or 0.0, most)
            self._repace(entry, politeness)

    def _repace(self, entry: Entry, politeness: Politeness) -> None:
        schedule, host = self.schedule, entry.host
        floor = schedule.floor_of(host)
        slowness = self.lessons.slowness(host, floor, politeness.max_delay)
        schedule.slow(host, slowness, self._clock())
        self.lessons.note_pause(entry, floor, slowness)
