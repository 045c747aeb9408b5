"""One request on the wire, and what its answer asks for; what becomes of it is for those who asked."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from crawler.engine.hosts import Hosts
from crawler.engine.stages import EngineOptions, Stages
from crawler.errors import BlockedAddress, FetchError
from crawler.fetch.robots import RobotsUnavailable
from crawler.http.addresses import refusal
from crawler.http.refresh import Refresh
from crawler.outcome import Outcome, Verdict
from crawler.parse.page import Page, PageOptions
from crawler.politeness.retry import RETRYABLE_STATUSES, Retry, may_repeat
from crawler.politeness.stall import STALLED
from crawler.request import Entry, Request
from crawler.response import Response
from crawler.spider import LISTINGS
from crawler.urls.redirect import redirected
from crawler.urls.url import address


class Visit(ABC):
    """The way from a lease, or a claim, to its outcome. None for one that is to wait for another turn."""

    def __init__(self, stages: Stages, hosts: Hosts, retry: Retry, options: EngineOptions) -> None:
        self._stages = stages
        self._frontier = stages.frontier
        self._stats = stages.stats
        self._hosts = hosts
        self._retry = retry
        self._options = options

    @abstractmethod
    async def _take_in(self, entry: Entry, response: Response) -> Outcome | None:
        """There is a page."""

    @abstractmethod
    async def _go_on(self, entry: Entry, target: Request, response: Response) -> Outcome | None:
        """*entry* was redirected to *target*."""

    @abstractmethod
    async def _fail(
        self, entry: Entry, reason: str, detail: str, status: int | None, traceback: str = "", *, sent: bool = True
    ) -> Outcome | None:
        """*entry* is given up."""

    @abstractmethod
    def _skip(self, entry: Entry, reason: str) -> Outcome:
        """*entry* is not asked for, for that *reason*: ``robots``, ``crawl_delay``."""

    @abstractmethod
    def _is_page(self, entry: Entry, response: Response) -> bool:
        """Whether that is what was asked for, rather than a failure or a redirect."""

    async def _visit(self, entry: Entry) -> Outcome | None:
        """One request on the wire, and all that follows. None if *entry* is to wait for another turn: its host's
        robots.txt was asked for instead, or nobody can be reached.
        """
        hosts = self._hosts
        if self._frontier.gives_up(entry):
            return await self._fail(entry, STALLED, "its host kept every request waiting for nothing", None, sent=False)
        try:
            rules = hosts.rules(entry)
        except RobotsUnavailable as error:
            return await self._fail(entry, error.reason, error.detail, None, sent=False)
        if rules is None:
            return await self._visit_robots(entry)
        pause = hosts.pause(entry, rules)
        objection = hosts.objection(entry, rules)
        if objection:
            return self._skip(entry, objection)
        return await self._fetch(entry, hosts.on_sent(entry) if pause else None)

    async def _visit_robots(self, entry: Entry) -> Outcome | None:
        """Ask for the robots.txt in *entry*'s stead."""
        try:
            is_at_hand = await self._hosts.ask_robots(entry)
        except RobotsUnavailable as error:
            return await self._fail(entry, error.reason, error.detail, None)
        return await self._visit(entry) if is_at_hand else None

    async def _fetch(self, entry: Entry, on_sent: Callable[[], None] | None) -> Outcome | None:
        self._stats.requests += 1
        entry.attempts += 1
        try:
            response = await self._stages.fetcher.fetch(entry.request, on_sent, entry.inside)
        except FetchError as error:
            if self._hosts.is_outage(entry, error):
                entry.attempts -= 1
                return None
            return await self._retry_or_fail(entry, error.reason, error.detail, retryable=error.retryable)
        if response.cached:
            return await self._receive_stored(entry, response)
        self._stats.bytes += len(response.body)
        if response.saved is not None:
            self._stats.save(response.saved)
        return await self._receive(entry, response)

    async def _receive_stored(self, entry: Entry, response: Response) -> Outcome | None:
        """The page came out of the cache: a host that was not asked for it is owed no pause."""
        self._stats.cached += 1
        self._stats.requests -= not response.was_sent
        outcome = await self._receive(entry, response)
        if outcome is not None:
            outcome.sent = response.was_sent
        return outcome

    async def _receive(self, entry: Entry, response: Response) -> Outcome | None:
        status = response.status
        self._frontier.answered(entry, was_sent=response.was_sent)
        if not response.cached or response.cached == "revalidated":
            self._hosts.hear(entry, response)
        if self._is_page(entry, response):
            return await self._take_in(entry, response)
        if response.is_redirect:
            return await self._redirect(entry, response)
        return await self._retry_or_fail(
            entry, f"http_{status}", f"answered {status}", status, retryable=status in RETRYABLE_STATUSES
        )

    async def _redirect(self, entry: Entry, response: Response) -> Outcome | None:
        target = redirected(entry, response.status, *response.headers.getall("Location"))
        if isinstance(target, str):
            return await self._fail(entry, "redirect", target, response.status)
        return await self._go_on(entry, target, response)

    async def _retry_or_fail(
        self, entry: Entry, reason: str, detail: str, status: int | None = None, *, retryable: bool
    ) -> Outcome | None:
        if retryable and may_repeat(entry.request.method, reason, status):
            wait = self._retry.wait(entry.attempts, random.random())
            if wait is not None:
                self._stats.retries += 1
                return Outcome(entry, Verdict.RETRY, due=asyncio.get_running_loop().time() + wait)
        return await self._fail(entry, reason, detail, status)

    def _page(self, entry: Entry, response: Response) -> Page:
        options, manners = self._stages.page, self._stages.manners.of(entry.hostname)
        if manners.obey_rel_nofollow:
            options = _heeding_nofollow(options)
        return Page(response, entry.request, entry.depth, options)

    def _refreshed(self, entry: Entry, page: Page) -> Request | None:
        """What *page* is only a sign-post to; None if it is a page of its own.

        It is one, too, if it goes on to itself (a news ticker) or back to where it came from (a slide show): nobody
        else would ever see it.
        """
        limit = self._options.refresh_redirect
        if entry.request.callback in LISTINGS:
            return None  # no HTML, and far too big to be parsed as such for one word in it
        refresh = page.refresh if limit is not None else None
        if refresh is None or limit is None or not refresh.leads_within(limit):
            return None
        return led_to(entry, page.url, refresh)


def led_to(entry: Entry, url: str, refresh: Refresh) -> Request | None:
    """Where *refresh* leads from the page *url*, if that is another one."""
    target = redirected(entry, 303, refresh.target or "")
    if isinstance(target, str) or target.url.partition("#")[0] in (url, *entry.redirects):
        return None
    return target


@lru_cache(maxsize=8)
def _heeding_nofollow(options: PageOptions) -> PageOptions:
    return replace(options, obey_nofollow=True)


def why_not_there(url: str, objection: str) -> tuple[str, str]:
    """The reason, and the words for it, that something is given up which leads to *url*, for that *objection*."""
    target = address(url)
    if objection == "private" and target is not None:
        return BlockedAddress.reason, f"it redirects to {url}: {refusal(target.hostname)}"
    return "redirect", f"it redirects to {url}, outside the crawl: add that host to allowed_hosts"
