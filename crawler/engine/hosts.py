"""What hosts permit, and what their answers tell of them: the courtesy side of a worker."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial

from crawler.engine.stats import Stats
from crawler.errors import BlockedAddress, FetchError
from crawler.fetch.robots import RobotsCache, RobotsUnavailable
from crawler.frontier.frontier import Frontier
from crawler.politeness.pace import Manners, retry_after_seconds
from crawler.politeness.retry import REFUSALS, Retry, may_repeat
from crawler.politeness.robots import ALLOW_ALL, Rules
from crawler.request import Entry
from crawler.response import Response
from crawler.urls.url import address

log = logging.getLogger("crawler")


class Hosts:
    """All hosts of one crawl."""

    def __init__(self, frontier: Frontier, robots: RobotsCache, manners: Manners, stats: Stats, retry: Retry) -> None:
        self._frontier = frontier
        self._robots = robots
        self._manners = manners
        self._stats = stats
        self._retry = retry

    def rules(self, entry: Entry) -> Rules | None:
        """What the robots.txt of *entry*'s origin allows; None if it has to be asked for first.

        :raises RobotsUnavailable: it was tried not long ago, and could not be had
        """
        if not self._manners.of(entry.hostname).obey_robots:
            return ALLOW_ALL
        return self._robots.known(entry.origin)

    def pause(self, entry: Entry, rules: Rules) -> float:
        """Seconds between two requests to *entry*'s host. Where there are some, :meth:`on_sent` must be heard."""
        pause = self._frontier.pause_of(entry)
        return self._frontier.set_pace(entry, self._crawl_delay(entry, rules)) if pause is None else pause

    def objection(self, entry: Entry, rules: Rules) -> str:
        """Why *entry* is not asked, in one word; empty if it may be."""
        if rules.crawl_delay is not None and self._crawl_delay(entry, rules) is None:
            return "crawl_delay"
        return "" if rules.allows(entry.request.url) else "robots"

    def on_sent(self, entry: Entry) -> Callable[[], None]:
        """Is to be called when *entry* leaves."""
        return partial(self._frontier.started, entry)

    async def ask_robots(self, entry: Entry) -> bool:
        """Fetch the robots.txt in *entry*'s stead. True if nobody had to be asked, and :meth:`rules` has it now: then
        *entry* may be asked at once.

        :raises RobotsUnavailable: the retries are spent
        """
        robots, frontier = self._robots, self._frontier
        frontier.set_pace(entry, alone=True)
        target = address(robots.moved_to(entry.origin))
        if target is not None and target.host != entry.host and not frontier.may_visit(entry, target.host):
            return False
        was_sent = True
        try:
            was_sent = await robots.fetch(entry.origin, self.on_sent(entry), entry.inside)
            if was_sent:
                self._stats.requests += 1
                frontier.accept(entry, is_good=False)  # it is there; a robots.txt tells nothing of its pages
        except RobotsUnavailable as error:
            if error.reason == BlockedAddress.reason:
                robots.forgive(entry.origin)
                raise  # it says what *entry* may reach, and nothing of the robots.txt: another one may have it
            if self._is_tried_again(entry, error):
                return False
            if robots.give_up(entry.origin, error):
                raise
        return self._keep_to_robots(entry) and not was_sent

    def hear(self, entry: Entry, response: Response) -> None:
        """What the answer tells of the host: that it is there, how quick it is, and whether it has had enough."""
        frontier = self._frontier
        if response.status in REFUSALS:
            frontier.refuse(entry, retry_after_seconds(response.headers.get("Retry-After"), time.time()))
        else:
            frontier.accept(entry, response.elapsed, is_good=response.is_success)
        if frontier.has_news:
            self._tell()

    def is_outage(self, entry: Entry, error: FetchError) -> bool:
        """Whether the try does not count, since an outage ended it. A request that is not to be sent twice counts."""
        is_outage = may_repeat(entry.request.method, error.reason, None) and self._frontier.miss(
            entry, error.reason, is_refusal=error.is_refusal
        )
        if self._frontier.has_news:
            self._tell()
        return is_outage

    def _is_tried_again(self, entry: Entry, error: RobotsUnavailable) -> bool:
        """Whether *entry* waits for another try of its robots.txt, and its host's other URLs with it."""
        frontier = self._frontier
        if error.status in REFUSALS:
            frontier.refuse(entry, retry_after_seconds(error.retry_after, time.time()))
        elif error.status is not None:
            frontier.accept(entry, is_good=False)
        elif self.is_outage(entry, error):
            self._robots.forgive(entry.origin)
            return True
        wait = self._retry.wait(error.failures, random.random()) if error.retryable else None
        if wait is not None:
            self._stats.retries += 1
            frontier.rest(entry, wait)
        return wait is not None

    def _keep_to_robots(self, entry: Entry) -> bool:
        """Ask *entry*'s host as its robots.txt wants, if that is known by now. Whether it is."""
        try:
            rules = self._robots.known(entry.origin)
        except RobotsUnavailable:
            return False  # another worker gave it up; so will the next turn of this entry
        if rules is not None:
            self._frontier.set_pace(entry, self._crawl_delay(entry, rules))
        return rules is not None

    def _crawl_delay(self, entry: Entry, rules: Rules) -> float | None:
        """What robots.txt asks; None where it is nothing, or so much that the host is left out: nothing will be sent
        there, so nothing has to wait.
        """
        asked = rules.crawl_delay
        if asked is None or asked > self._manners.of(entry.hostname).max_crawl_delay:
            return None
        return asked

    def _tell(self) -> None:
        for line in self._frontier.news():
            log.warning("%s", line)
