"""What happens to one leased request: the whole flow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

from crawler.discovery import nearest
from crawler.engine.apart import Apart
from crawler.engine.callback import run_callback
from crawler.engine.harvest import CallbackError, Harvest, is_cancellation
from crawler.engine.hosts import Hosts
from crawler.engine.inner import Inner, Turn
from crawler.engine.stages import EngineOptions, Stages
from crawler.engine.steps import steps_of
from crawler.engine.visit import Visit, led_to, why_not_there
from crawler.engine.watchdog import Watchdog
from crawler.errors import NoParseProcess, PageTooHeavy, ParseProcessError, SinkError, StoreError
from crawler.frontier.frontier import Admission
from crawler.outcome import Failure, Outcome, Record, Verdict
from crawler.parse.page import Page
from crawler.politeness.retry import RETRYABLE_STATUSES, Retry, may_repeat
from crawler.request import Entry, Request
from crawler.response import Response
from crawler.spider import FETCHING, LISTINGS, Spider

log = logging.getLogger("crawler")

_SLICE = 1_000
"""Requests of one page that are admitted before others have their turn: 2 to 3 ms."""
_TRACEBACKS = 3
"""Tracebacks shown as they happen; further ones are in the log at level INFO, and counted in the summary."""
_TRAPS = 5
"""Kinds of endless pages that are told of as they are found; further ones are in the log at level INFO."""
_HEAVY_PAUSE = 5.0
"""Seconds after which a heavy page is fetched again that found too many others before it: each of theirs takes one or
two, unless the machine is busy."""
_SHORT = 0.001
"""Seconds. After a page that took less, its worker asks for the next one when the others that have come are done, too: the CPU
then has at hand what each stage needs, and a page takes a tenth less of it. With longer ones the hosts would wait for it."""
_START_PAUSE = 5.0
"""Seconds after which a page is tried again for which no process could be started: the machine may have room again."""
_PROCESS_LOSSES = 2
"""Parse processes that one page may cost: the first may have been bad luck."""


class Worker(Visit):
    """The flow, shared by all worker coroutines."""

    def __init__(
        self, spider: Spider, stages: Stages, retry: Retry, options: EngineOptions, stop: Callable[[str], None]
    ) -> None:
        """*stop* ends the crawl, with a reason, as Ctrl-C would."""
        super().__init__(
            stages, Hosts(stages.frontier, stages.robots, stages.manners, stages.stats, retry), retry, options
        )
        self._spider = spider
        self._stop = stop
        self._steps = steps_of(spider)
        self._inner = Inner(stages, self._hosts, retry, options)
        self.watchdog = Watchdog(options.slow_callback)
        self._apart = Apart(spider, stages, self._steps, self.watchdog, options.refresh_redirect)
        self._items = 0  # in all runs of the job, those not committed included
        self._is_short = False  # the page that was taken in last
        self._hears_failures = type(spider).on_failure is not Spider.on_failure

    def restore(self, items: int) -> None:
        """Earlier runs of the job gave so many."""
        self._items = items
        self._within_limit([])

    def warm(self) -> None:
        """Pages will come soon."""
        self._apart.warm()

    async def work(self) -> None:
        """Lease, visit, hand over the outcome; until the frontier gives no more."""
        self._inner.crew.add(asyncio.current_task())
        frontier, committer, room = self._frontier, self._stages.committer, self._stages.room
        outcome: Outcome | None = None
        while (entry := await frontier.lease()) is not None:
            try:
                reason = frontier.leaves_out(entry)
                outcome = self._skip(entry, reason) if reason else await self._visit(entry)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancellation(error) or isinstance(error, (SinkError, StoreError)):
                    raise  # the page waits on
                # a defect of this program costs its page, not the crawl
                outcome = await self._defect(entry, error)
            finally:
                if outcome is None:
                    frontier.put_back(entry)
                else:
                    frontier.finish(outcome)
            if outcome is not None:
                await committer.put(outcome)
                outcome = None  # what it holds is not to be held by a worker that waits
            if room.held:
                room.release()
            if self._is_short:
                await asyncio.sleep(0)

    def _is_page(self, entry: Entry, response: Response) -> bool:
        """A site without a robots.txt is no failure (RFC 9309, section 2.3.1.3): its sitemap is where sitemaps are."""
        status = response.status
        is_unavailable = 400 <= status < 500 and status not in RETRYABLE_STATUSES
        return response.is_success or (is_unavailable and entry.request.callback == "parse_robots")

    def _skip(self, entry: Entry, reason: str) -> Outcome:
        self._stats.skip(reason, entry.request.url)
        return Outcome(entry, Verdict.SKIPPED, sent=False, note=reason)

    async def _go_on(self, entry: Entry, target: Request, response: Response) -> Outcome | None:
        admission = self._frontier.admit([target], entry, hop=True)
        objection = admission.skipped[0][0] if admission.skipped else ""
        if objection not in ("", "site_budget") and entry.is_seed:
            return await self._fail(entry, *why_not_there(target.url, objection), response.status)
        self._count(admission)
        self._stats.redirects += 1
        return Outcome(
            entry, Verdict.REDIRECTED, discovered=admission.entries, note=target.url, too_deep=admission.too_deep
        )

    async def _take_in(self, entry: Entry, response: Response) -> Outcome | None:
        name = entry.request.callback
        callback = getattr(self._spider, name, None)
        if not callable(callback):
            return await self._no_callback(entry, name)
        begun = perf_counter()
        page = self._page(entry, response)
        is_sent = self._apart.sends(name, page)
        try:
            if not is_sent and not await self._is_ready(entry, page):
                return self._wait_for_tree(entry)
            target = None if is_sent else self._refreshed(entry, page)
            harvest = await self._harvest(entry, page, is_sent=is_sent) if target is None else Harvest()
            if harvest.refresh is not None:
                target = led_to(entry, page.url, harvest.refresh)
            if target is not None:
                return await self._go_on(entry, target, response)
        except CallbackError as error:
            self._count_error()
            return await self._fail(entry, "callback_error", error.summary, response.status, error.trace)
        except ParseProcessError as error:
            return await self._lost_process(entry, error, response.status)
        if harvest.forbids_following and self._stages.manners.of(entry.hostname).obey_robots_tags:
            self._leave_out(harvest)
        self._look_for_traps(entry, response, harvest)
        outcome = await self._outcome(entry, harvest)
        self._stats.pages += outcome is not None
        self._is_short = perf_counter() - begun < _SHORT
        return outcome

    async def _harvest(self, entry: Entry, page: Page, *, is_sent: bool) -> Harvest:
        """What the callback gives, with its items after all steps.

        :raises CallbackError: it raised, or a step did
        :raises ParseProcessError: its process was lost
        """
        name = entry.request.callback
        turn = Turn(self._inner, entry, page, sent=page.response.was_sent)
        FETCHING.set(turn)
        try:
            if is_sent:
                harvest = await self._apart.send(entry, page, turn)
            elif name in self._apart.names:
                harvest = await self._apart.stay(entry, page, turn)
            else:
                callback = getattr(self._spider, name)
                harvest = await run_callback(callback, page, page.url, self.watchdog, self._steps, turn.step_aside)
                if harvest.requests and name not in LISTINGS:
                    harvest.forbids_following = page.forbids_following
        finally:
            turn.end()
            if turn.others:
                await turn.end_others()
        return harvest

    def let_start_fetch(self) -> None:
        """In the task that draws from ``start()``."""
        self._inner.crew.add(asyncio.current_task())
        FETCHING.set(Turn(self._inner, None))

    async def _is_ready(self, entry: Entry, page: Page) -> bool:
        """See to it that a tree that takes long is there, if *page* will be asked for one; False: not yet.

        :raises PageTooHeavy: there will be none
        """
        name = entry.request.callback
        if name in LISTINGS or not page.is_document or page.is_light:
            return True
        is_last = not may_repeat(entry.request.method, PageTooHeavy.reason, None)  # a POST is not sent twice for that
        return await self._stages.trees.build(page, entry.host, waits=is_last)

    def _wait_for_tree(self, entry: Entry) -> Outcome:
        """So many heavy pages wait for their trees that the workers are needed for others."""
        entry.attempts -= 1
        return Outcome(entry, Verdict.RETRY, due=asyncio.get_running_loop().time() + _HEAVY_PAUSE)

    def _look_for_traps(self, entry: Entry, response: Response, harvest: Harvest) -> None:
        """A kind of pages that goes on and on, and brings nothing new, is told of when it is left alone."""
        if entry.request.callback in LISTINGS or response.saved is not None:
            return
        kind = self._frontier.saw(entry, response.body, has_items=bool(harvest.records))
        if kind is None:
            return
        self._stats.trap(kind.name)
        level = logging.WARNING if len(self._stats.traps) <= _TRAPS else logging.INFO
        log.log(
            level,
            "%s looks endless: its last pages brought nothing new, so what they link to of that kind is left alone "
            "(trap_pages)",
            kind.name,
        )

    def _leave_out(self, harvest: Harvest) -> None:
        """The page asks that none of its links is followed."""
        for request in harvest.requests:
            self._stats.skip("nofollow", request.url)
        harvest.requests = []

    async def _lost_process(self, entry: Entry, error: ParseProcessError, status: int) -> Outcome | None:
        """The page is tried once more in a fresh process, if it may not have been its fault."""
        entry.process_losses += 1
        if entry.process_losses < _PROCESS_LOSSES and not isinstance(error, PageTooHeavy):
            self._stats.retries += 1
            now = asyncio.get_running_loop().time()
            return Outcome(entry, Verdict.RETRY, due=now + _START_PAUSE if isinstance(error, NoParseProcess) else 0.0)
        return await self._fail(entry, error.reason, str(error), status)

    async def _defect(self, entry: Entry, error: BaseException) -> Outcome | None:
        log.error("a defect in crawler itself, at %s: please report it", entry.request.url, exc_info=error)
        return await self._fail(entry, "internal_error", f"{type(error).__name__}: {error}", None)

    async def _no_callback(self, entry: Entry, name: str) -> Outcome | None:
        self._count_error()
        spider = type(self._spider)
        known = [attribute for attribute in dir(spider) if callable(getattr(spider, attribute, None))]
        detail = f"{spider.__name__} has no method {name!r}{nearest(name, known)}"
        return await self._fail(entry, "callback_error", detail, None)

    async def _fail(
        self, entry: Entry, reason: str, detail: str, status: int | None, traceback: str = "", *, sent: bool = True
    ) -> Outcome | None:
        """*entry* is given up: counted, and told to the spider, which may yield as from a callback."""
        request = entry.request
        failure = Failure(
            request.url,
            reason,
            detail,
            status,
            max(entry.attempts, 1),
            entry.referrer,
            request.callback,
            traceback,
            request,
        )
        self._stats.fail(failure)
        level = logging.WARNING if traceback and self._stats.failures[reason] <= _TRACEBACKS else logging.INFO
        log.log(level, "%s failed: %s%s", request.url, detail, f"\n{traceback}" if traceback else "")
        if not self._hears_failures:
            return Outcome(entry, Verdict.FAILED, failure=failure, sent=sent)
        turn = Turn(self._inner, entry, sent=sent)
        FETCHING.set(turn)
        try:
            harvest = await run_callback(
                self._spider.on_failure, failure, request.url, self.watchdog, self._steps, turn.step_aside
            )
        except (CallbackError, PageTooHeavy) as error:  # the latter by a page that the spider has kept
            self._count_error()
            log.warning("on_failure raised at %s\n%s", request.url, getattr(error, "trace", error))
            harvest = Harvest()
        finally:
            turn.end()
            if turn.others:
                await turn.end_others()
        outcome = await self._finished(entry, harvest, self._within_limit(harvest.records))
        outcome.verdict, outcome.failure, outcome.sent = Verdict.FAILED, failure, sent
        return outcome

    async def _outcome(self, entry: Entry, harvest: Harvest) -> Outcome | None:
        """What was harvested, within the crawl's bounds; None if there is no room for any of it."""
        wanted = harvest.records[entry.taken :]
        records = self._within_limit(wanted)
        if len(records) < len(wanted):
            return self._part(entry, records)
        return await self._finished(entry, harvest, records)

    def _within_limit(self, records: list[Record]) -> list[Record]:
        """Those of *records* that ``max_items`` has room for; with the last one the crawl stops."""
        limit = self._options.max_items
        if limit is not None:
            records = records[: max(0, limit - self._items)]
        self._items += len(records)
        if limit is not None and self._items >= limit:
            self._stop("max_items")
        return records

    async def _finished(self, entry: Entry, harvest: Harvest, records: list[Record]) -> Outcome:
        for reject in harvest.rejects:
            self._stats.reject(reject.item_type, reject.field, reject.reason)
        if harvest.dropped:  # to add nothing would take 1 µs of each page
            self._stats.dropped.update(harvest.dropped)
        admission = await self._admit(harvest.requests, entry)
        self._count(admission)
        note = ""
        if harvest.rejects:
            first = harvest.rejects[0]
            note = f"{len(harvest.rejects)} rejected; {first.item_type}.{first.field}: {first.reason}"
        return Outcome(
            entry, Verdict.DONE, records, harvest.rejects, admission.entries, note=note, too_deep=admission.too_deep
        )

    async def _admit(self, requests: list[Request], entry: Entry) -> Admission:
        """Admit what a page gave; of the 50,000 requests of a sitemap a slice at a time."""
        is_listing = entry.request.callback in LISTINGS
        whole = self._frontier.admit(requests[:_SLICE], entry, is_listing=is_listing)
        for begin in range(_SLICE, len(requests), _SLICE):
            await asyncio.sleep(0)
            part = self._frontier.admit(requests[begin : begin + _SLICE], entry, is_listing=is_listing)
            whole.entries += part.entries
            whole.duplicates += part.duplicates
            whole.skipped += part.skipped
            whole.too_deep += part.too_deep
        return whole

    def _part(self, entry: Entry, records: list[Record]) -> Outcome | None:
        """The first items of a page, up to ``max_items``: it waits on, and a crawl with room for more goes on there."""
        if not records:
            return None
        entry.taken += len(records)
        entry.attempts = 0
        return Outcome(entry, Verdict.RETRY, records)

    def _count(self, admission: Admission) -> None:
        self._stats.duplicates += admission.duplicates
        for reason, url in admission.skipped:
            self._stats.skip(reason, url)

    def _count_error(self) -> None:
        self._stats.callback_errors += 1
        if self._options.max_errors is not None and self._stats.callback_errors >= self._options.max_errors:
            self._stop("max_errors")
