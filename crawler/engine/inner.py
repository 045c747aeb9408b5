"""``await self.fetch(...)``: what a page under way asks for while its callback runs.

Rule 1: an inner fetch is asked for as a page is, each hop and each try with a claim of its own; what comes is handed
over, and nothing of it is kept: with its page it is fetched again after a crash.
Rule 2: a page steps aside before it waits, so that its host is free for what it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any

from crawler.engine.harvest import is_cancellation
from crawler.engine.hosts import Hosts
from crawler.engine.stages import EngineOptions, Stages
from crawler.engine.visit import Visit, why_not_there
from crawler.errors import BlockedAddress, FetchFailed, InvalidRequest, NoFetchHere, PageTooHeavy
from crawler.http.addresses import refusal
from crawler.outcome import Failure, Outcome, Verdict
from crawler.parse.page import Page
from crawler.politeness.retry import Retry
from crawler.request import Entry, Request
from crawler.response import Response
from crawler.urls.url import address, why_not

_MOST = 10_000
"""Inner fetches of one callback: all of them are lost with its page, which is held in memory meanwhile."""
_OBJECTIONS = {
    "robots": "robots.txt forbids it (obey_robots = false would not ask it)",
    "crawl_delay": "robots.txt asks for a longer pause than max_crawl_delay",
}


class Inner:
    """All inner fetches of one crawl."""

    def __init__(self, stages: Stages, hosts: Hosts, retry: Retry, options: EngineOptions) -> None:
        self._parts = stages, hosts, retry, options
        self.frontier = stages.frontier
        self.crew: set[asyncio.Task[Any] | None] = set()
        """The tasks in which callbacks run. Whoever asks from another one was started by a callback."""

    async def page(self, request: Request, parent: Entry | None, statuses: Container[int]) -> Page:
        """Fetch *request* for *parent*, which has stepped aside.

        :raises FetchFailed: there is no such page
        """
        adopted = self.frontier.adopt(request, parent)
        if isinstance(adopted, str):
            raise FetchFailed(request.url, *_why_not(request.url, adopted))
        return await _Fetch(statuses, *self._parts).run(adopted)


class Turn:
    """What a callback may do while it runs, beside giving items and requests."""

    __slots__ = ("_count", "_entry", "_inner", "_is_over", "_page", "_sent", "others")

    def __init__(self, inner: Inner, entry: Entry | None, page: Page | None = None, *, sent: bool = True) -> None:
        """
        :param entry: the lease that it runs in; None for ``start()``
        :param page: what it was called with, if that is a page
        :param sent: whether *entry* was on the wire
        """
        self._inner = inner
        self._entry = entry
        self._page = page
        self._sent = sent
        self._count = 0
        self._is_over = False
        self.others: set[asyncio.Task[Page]] | None = None
        """Fetches for tasks that the callback has started, as ``asyncio.gather()`` does. They are owned here: when one of
        them fails, and the callback with it, nobody else would end the rest."""

    def step_aside(self) -> None:
        """The callback is going to wait for something else than its host."""
        if self._entry is not None:
            self._inner.frontier.step_aside(self._entry, sent=self._sent)

    @property
    def is_over(self) -> bool:
        """Whether the callback has ended, perhaps while something was awaited."""
        return self._is_over

    def end(self) -> None:
        """It has ended: a task that it has left behind must not fetch."""
        self._is_over = True
        self._page = None  # whatever was started meanwhile has this in its context, and would keep the page's body

    async def end_others(self) -> None:
        """End what is fetched for tasks that were left behind."""
        others = self.others or set()
        for task in others:
            task.cancel()
        await asyncio.wait(others)

    async def fetch(self, wanted: Request | str, statuses: Container[int], fields: dict[str, Any]) -> Page:
        """As :meth:`crawler.Spider.fetch`."""
        request = self._request(wanted, fields)
        if self._is_over:
            raise self._too_late(request)
        self._count += 1
        if self._count > _MOST:
            raise NoFetchHere(
                f"more than {_MOST:,} fetches in one callback: yield Requests instead, which are kept and go on after a crash"
            )
        self.step_aside()
        fetching = self._inner.page(request, self._entry, statuses)
        if asyncio.current_task() in self._inner.crew:
            return await fetching
        task = asyncio.create_task(fetching)
        if self.others is None:
            self.others = set()
        self.others.add(task)
        task.add_done_callback(self.others.discard)
        try:
            return await task
        except asyncio.CancelledError as error:
            if self.is_over and not is_cancellation(error):
                raise self._too_late(request) from None
            raise

    def _too_late(self, request: Request) -> NoFetchHere:
        return NoFetchHere(f"self.fetch({request.url!r}) by a task whose callback has ended: await it in the callback")

    def _request(self, wanted: Request | str, fields: dict[str, Any]) -> Request:
        if isinstance(wanted, Request):
            return wanted.replace(**fields) if fields else wanted
        if self._entry is not None:
            fields = {"session": self._entry.request.session, **fields}
        if self._page is not None and isinstance(wanted, str) and address(wanted) is None:
            wanted = self._page.urljoin(wanted)
        return Request(wanted, **fields)


class _Fetch(Visit):
    """One of them, from its first claim to its page."""

    def __init__(
        self, statuses: Container[int], stages: Stages, hosts: Hosts, retry: Retry, options: EngineOptions
    ) -> None:
        super().__init__(stages, hosts, retry, options)
        self._statuses = statuses
        self._got: Page | None = None
        self._next: Entry | None = None

    async def run(self, entry: Entry) -> Page:
        frontier = self._frontier
        while True:
            await frontier.claim(entry)
            outcome, sent = None, True
            try:
                outcome = await self._visit(entry)
                sent = outcome is None or outcome.sent
            finally:
                due = frontier.yield_claim(entry, sent=sent)
            if self._got is not None:
                return self._got
            if outcome is not None and outcome.failure is not None:
                raise _error(outcome.failure)
            if self._next is not None:
                entry, self._next = self._next, None
                continue
            due = max(due, outcome.due if outcome is not None else 0.0)
            await _until(due)

    def _is_page(self, entry: Entry, response: Response) -> bool:
        return response.is_success or response.status in self._statuses

    async def _take_in(self, entry: Entry, response: Response) -> Outcome | None:
        page = self._page(entry, response)
        try:
            if page.is_document and not page.is_light:
                await self._stages.trees.build(page, entry.host, waits=True)
            target = self._refreshed(entry, page)
        except PageTooHeavy as error:
            return await self._fail(entry, error.reason, str(error), response.status)
        if target is not None:
            return await self._go_on(entry, target, response)
        self._got = page
        return Outcome(entry, Verdict.DONE)

    async def _go_on(self, entry: Entry, target: Request, response: Response) -> Outcome | None:
        adopted = self._frontier.adopt(target, entry, hop=True)
        if isinstance(adopted, str):
            return await self._fail(entry, *why_not_there(target.url, adopted), response.status)
        self._stats.redirects += 1
        self._next = adopted
        return Outcome(entry, Verdict.REDIRECTED)

    async def _fail(
        self, entry: Entry, reason: str, detail: str, status: int | None, traceback: str = "", *, sent: bool = True
    ) -> Outcome | None:
        failure = Failure(entry.request.url, reason, detail, status, entry.attempts)
        return Outcome(entry, Verdict.FAILED, failure=failure, sent=sent)

    def _skip(self, entry: Entry, reason: str) -> Outcome:
        failure = Failure(entry.request.url, reason, _OBJECTIONS[reason], None, entry.attempts)
        return Outcome(entry, Verdict.SKIPPED, failure=failure, sent=False)


def _error(failure: Failure) -> FetchFailed:
    return FetchFailed(failure.url, failure.detail, failure.reason, failure.status, failure.attempts)


async def _until(due: float) -> None:
    """A task that holds neither a host nor a lane may sleep: nobody waits for it but its own page."""
    seconds = due - asyncio.get_running_loop().time()
    if seconds > 0:
        await asyncio.sleep(seconds)


def _why_not(url: str, objection: str) -> tuple[str, str]:
    """In words and in one: why *url* does not belong to the crawl."""
    target = address(url)
    if target is None:
        return f"it cannot be asked: {why_not(url)}", InvalidRequest.reason
    if objection == "private":
        return refusal(target.hostname), BlockedAddress.reason
    return f"it is outside the crawl: add {target.hostname!r} to allowed_hosts", objection
