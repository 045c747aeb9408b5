"""The frontier: takes in requests, hands out leases, and knows when the crawl is over.

Rule 1: a lease is one request on the wire. Robots fetches, redirects and retries are leases too, so politeness
holds for them.
Rule 2: a worker never sleeps: a host that must rest is not leased.
Rule 3: the crawl is over when nothing waits, nothing is leased and no seeds are to come.
Rule 4: memory holds what comes next of each host; which that is :mod:`crawler.frontier.window` decides, and
:meth:`Frontier.stock` reads the rest from the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crawler.frontier.lessons import Lessons
from crawler.frontier.schedule import HostSchedule
from crawler.frontier.store import Batch, Restored, Store
from crawler.frontier.window import Window
from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners
from crawler.request import Entry, Request, hostname_of
from crawler.urls.fingerprint import fingerprint, fingerprints
from crawler.urls.scope import Scope
from crawler.urls.url import address

_SEED_WINDOW = 10_000
"""Waiting requests past which no more seeds are drawn: ``start()`` may yield millions."""


@dataclass(frozen=True, slots=True)
class FrontierOptions:
    """Where the frontier is kept, and the bounds of the crawl that it keeps."""

    store: Annotated[
        Literal["sqlite", "memory"],
        Meta(description="sqlite: the crawl survives anything and can be resumed; memory: it leaves no trace"),
    ] = "sqlite"

    max_depth: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="follow no link further from a seed than this (unset: any)")
    ] = None
    max_pages: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="stop after so many pages (unset: never)")
    ] = None


class Admission(msgspec.Struct):
    """What became of the requests that were offered."""

    entries: list[Entry]
    """New to the crawl. They are not in the frontier yet: see :meth:`Frontier.queue`."""
    duplicates: int
    skipped: list[tuple[str, str]]
    """(reason, URL) of those that do not belong to the crawl: ``malformed``, ``out_of_scope`` or ``too_deep``."""
    too_deep: list[tuple[int, str]] = []
    """Fingerprint and URL of those that are past ``max_depth``."""


class Frontier:
    """One crawl's frontier. Belongs to one event loop; nothing here is awaited but :meth:`lease` and :meth:`room`."""

    def __init__(
        self, store: Store, scope: Scope, manners: Manners, options: FrontierOptions = FrontierOptions()
    ) -> None:
        self._store = store
        self._keeps = store.keeps
        self._scope = scope
        self._manners = manners
        self._options = options
        self._schedule: HostSchedule[Entry] = HostSchedule()
        self._window = Window()
        self._thin = asyncio.Event()
        self._number = 0
        self._lessons = Lessons(manners)
        self._out: set[int] = set()  # numbers that the store has, and that must not be read from it
        self._ended: list[int] = []  # those of them whose outcome is in the group that is being filled
        self._ending: dict[int, list[int]] = {}
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._workers: deque[asyncio.Future[Entry | None]] = deque()
        self._seeding: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._seeds_to_come = True
        self._leased = 0
        self._pages = 0
        self.stopped: str | None = None
        """Why no more leases are given; None while they are."""

    @property
    def waiting(self) -> int:
        """Requests that wait to be leased."""
        return len(self._schedule) + self._window.outside

    @property
    def leased(self) -> int:
        """Requests that are being worked on."""
        return self._leased

    @property
    def hosts(self) -> int:
        """Hosts that have something to do."""
        return self._schedule.hosts

    @property
    def is_complete(self) -> bool:
        """Whether everything that was discovered has been finished."""
        return not (self._schedule or self._leased or self._seeds_to_come or self._window.outside)

    def restore(self, restored: Restored) -> None:
        """Go on where an earlier run of the job ended. Called once, before anything else."""
        if restored.tally is None:
            return
        self._window = Window(restored.waiting)
        self._number = restored.number
        self._pages = restored.tally.pages
        self._lessons.restore(restored.hosts)
        for hostname in restored.seed_hosts:
            self._scope.grow(hostname)
        self._thin.set()

    def admit(self, requests: Sequence[Request], parent: Entry | None = None, *, hop: bool = False) -> Admission:
        """Decide which *requests* are new to the crawl and belong to it, and mark them as seen.

        *parent* is the page that they were found on, None for seeds; *hop* says that it redirected here.
        """
        depth = 0 if parent is None else parent.depth + (not hop)
        referrer = "" if parent is None else parent.referrer if hop else parent.request.url
        redirects = (*parent.redirects, parent.request.url) if parent is not None and hop else ()
        max_depth = self._options.max_depth
        seed, admits = self._store.seed, self._scope.admits
        marks = fingerprints(requests, seed)
        offered: list[Entry] = []
        deep: list[tuple[int, str]] = []
        skipped: list[tuple[str, str]] = []
        duplicates = 0
        for request, mark, is_known in zip(requests, marks, self._store.known(marks), strict=True):
            if is_known and request.unique and not hop:
                duplicates += 1  # spelled as it was before, as nine links of ten are: nothing needs to be parsed
                continue
            target = address(request.url)
            if target is None:
                skipped.append(("malformed", request.url))
                continue
            if parent is None:
                self._scope.grow(target.hostname)
            if not admits(target.hostname):
                skipped.append(("out_of_scope", request.url))
            elif max_depth is not None and depth > max_depth:
                skipped.append(("too_deep", request.url))
                deep.append((fingerprint(target.href, request, seed), target.href))
            else:
                if request.url != target.href:
                    request = request.replace(url=target.href)  # what robots.txt is asked about is what is fetched
                    mark = fingerprint(target.href, request, seed)
                offered.append(Entry(request, target.host, target.origin, mark, depth, 0, 0, redirects, referrer))
        new = self._store.add(offered) if offered else []
        if hop and not new:
            new = [entry for entry in offered if self._returns(entry)]
        return Admission(new, duplicates + len(offered) - len(new), skipped, deep)

    def _returns(self, entry: Entry) -> bool:
        """Whether it was redirected to a URL of its own chain, as by a page that sets a cookie and asks again."""
        seed, request = self._store.seed, entry.request
        return any(entry.fingerprint == fingerprint(url, request, seed) for url in entry.redirects)

    def queue(self, entries: Iterable[Entry]) -> None:
        """Let *entries* wait for their lease. The next group that is sealed must hold them."""
        for entry in entries:
            self._number += 1
            entry.number = self._number
            self._place(entry)

    def _place(self, entry: Entry) -> None:
        schedule, host, key = self._schedule, entry.host, entry.key
        if not self._keeps:
            schedule.add(host, entry, key)
            return
        window, held = self._window, schedule.held(host)
        if window.takes(host, key, held, schedule.hosts, schedule.last_key):
            if held is None:
                self._recall(host, entry.hostname)
            schedule.add(host, entry, key)
            if held and (keep := window.overfull(host, held + 1, schedule.hosts)) is not None:
                self._trim(host, keep)
            if (keep := window.shrinks(len(schedule), schedule.hosts)) is not None:
                for fat in schedule.holding_more(keep + keep // 4):
                    self._trim(fat, keep)
        if window.has_tail(host):
            schedule.hold(host)

    def _trim(self, host: str, keep: int) -> None:
        """Leave all of *host* but the first ones to the store."""
        cut = self._schedule.trim(host, keep)
        self._out.difference_update(number for _, number in cut)
        self._window.cut(host, self._schedule.last_key(host), cut[0], len(cut))
        self._schedule.hold(host)

    def _recall(self, host: str, hostname: str) -> None:
        """A host that is new to this run: an earlier one may owe it a rest, and asked it not long ago."""
        owed = self._lessons.owed(host, hostname)
        if owed is not None:
            refusals, rest = owed
            self._schedule.remember(host, refusals, self._begun + rest)

    def seal(self) -> int:
        """The number of the group that holds all that was queued so far and is not committed."""
        group = self._window.seal()
        self._ending[group], self._ended = self._ended, []
        return group

    async def commit(self, group: int, batch: Batch) -> None:
        """Commit the group that was sealed under that number.

        :raises StoreError: it cannot be written
        """
        batch.hosts = self._lessons.news(self._loop.time(), self._schedule.learned)
        await self._store.commit(batch)
        self._out.difference_update(self._ending.pop(group))
        if self._window.committed(group) or self._window.may_scan(self._schedule.hosts):
            self._thin.set()

    async def stock(self) -> None:
        """Read from the store what comes next, whenever memory runs low of it; until cancelled.

        :raises StoreError: it cannot be read
        """
        schedule, window = self._schedule, self._window
        while True:
            await self._thin.wait()
            self._thin.clear()
            while (scan := window.scans(schedule.hosts)) is not None:
                for host in window.found(await self._store.hosts(*scan), lambda host: schedule.held(host) is not None):
                    self._recall(host, hostname_of(host))
                    schedule.hold(host)
                await self._restock()
            await self._restock()

    async def _restock(self) -> None:
        schedule, window = self._schedule, self._window
        while wants := window.wants(schedule.held, schedule.hosts):
            for want, entries in zip(wants, await self._store.read(wants), strict=True):
                keys = [entry.key for entry in entries]
                is_here = [entry.number in self._out for entry in entries]
                passed = window.accept(want, keys, is_here, is_end=len(entries) < want.limit)
                for entry, here in zip(entries[:passed], is_here, strict=False):
                    if not here:
                        schedule.add(want.host, entry, entry.key)
                if not window.has_tail(want.host):
                    schedule.release(want.host, self._loop.time())
            self._settle()

    async def lease(self) -> Entry | None:
        """The next request that may be sent now; waits for one. None when the crawl is over or stopped."""
        entry = self._take()
        self._settle()
        if entry is not None or self.stopped is not None:
            return entry
        waiter: asyncio.Future[Entry | None] = self._loop.create_future()
        self._workers.append(waiter)
        self._settle()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def started(self, entry: Entry) -> None:
        """The leased *entry* has just been sent: the host's pause begins."""
        self._schedule.started(entry.host, entry, self._loop.time())
        self._settle()

    def pause_of(self, entry: Entry) -> float | None:
        """Seconds between two requests to *entry*'s host; None if :meth:`set_pace` has not been called for it."""
        return self._schedule.pause_of(entry.host)

    def set_pace(self, entry: Entry, crawl_delay: float | None = None, *, alone: bool = False) -> float:
        """From now on *entry*'s host is asked as its politeness allows; one request at a time if *alone*, as long as
        its robots.txt is not known.

        Gives the seconds between two requests. Where there are some, :meth:`started` must be called for *entry*.
        """
        hostname = entry.hostname
        if crawl_delay:
            self._lessons.note(entry)
        politeness = self._manners.of(hostname)
        pause = politeness.pause(hostname, self._lessons.crawl_delay(entry.host, crawl_delay))
        self._schedule.set_limits(entry.host, entry, 1 if alone else politeness.concurrency_per_host, pause)
        if self._workers:
            self._settle()  # more of that host's requests may be asked now
        return pause

    def refuse(self, entry: Entry, retry_after: float | None) -> None:
        """*entry*'s host said "too much": it rests, for all its URLs."""
        times = self._schedule.refused(entry.host)
        self._lessons.note(entry)
        rest = self._manners.of(entry.hostname).rest_after_refusal(times, retry_after)
        self.rest(entry, rest)

    def rest(self, entry: Entry, seconds: float) -> None:
        """Leave *entry*'s host alone for a while."""
        self._schedule.rest(entry.host, self._loop.time() + seconds)

    def accept(self, entry: Entry) -> None:
        """*entry*'s host answered."""
        if self._schedule.accepted(entry.host):
            self._lessons.note(entry)

    def put_back(self, entry: Entry, *, sent: bool = True) -> None:
        """End the lease of *entry* without an outcome: it goes first again (its robots.txt was asked instead)."""
        self._leased -= 1
        self._schedule.add(entry.host, entry, entry.key)
        self._schedule.finish(entry.host, entry, self._loop.time() if sent else None)

    def finish(self, outcome: Outcome) -> None:
        """End the lease of ``outcome.entry``, and let what it discovered, or its retry, wait."""
        entry = outcome.entry
        self._leased -= 1
        if outcome.verdict is Verdict.DONE:
            self._pages += 1
        if outcome.discovered:
            self.queue(outcome.discovered)
        if outcome.verdict is Verdict.RETRY:
            self._schedule.add_later(entry.host, entry, entry.key, outcome.due)
        else:
            self._ended.append(entry.number)
        self._schedule.finish(entry.host, entry, self._loop.time() if outcome.sent else None)

    async def room(self) -> None:
        """Wait until few enough requests wait that another seed may be drawn."""
        while self.waiting >= _SEED_WINDOW and self.stopped is None:
            self._seeding = self._loop.create_future()
            await self._seeding

    def seeds_ended(self) -> None:
        """No more seeds will come."""
        self._seeds_to_come = False
        self._settle()

    def plant(self, seeds: Iterable[Entry]) -> None:
        """Let *seeds* wait, and wake workers for them."""
        self.queue(seeds)
        self._settle()

    def stop(self, reason: str) -> None:
        """Give no more leases. Those that run go on; what waits stays waiting."""
        if self.stopped is None:
            self.stopped = reason
            self._settle()

    def _take(self) -> Entry | None:
        if self.stopped is not None or not self._within_budget():
            return None
        entry = self._schedule.take(self._loop.time())
        if entry is not None:
            self._leased += 1
            if self._keeps:
                self._out.add(entry.number)
                if self._window.is_partial:
                    self._look_after(entry.host)
        return entry

    def _look_after(self, host: str) -> None:
        """*host* has one less in memory, and may have more in the store."""
        hosts = self._schedule.hosts
        if self._window.taken(host, self._schedule.held(host) or 0, hosts) or self._window.may_scan(hosts):
            self._thin.set()

    def _within_budget(self) -> bool:
        """Pages that run may all succeed, so they count: the limit is never passed."""
        limit = self._options.max_pages
        return limit is None or self._pages + self._leased < limit

    def _settle(self) -> None:
        """Hand what may be asked now to workers that wait, and see whether the crawl is over."""
        self._hand_out()
        if self._window.outside and self._window.may_scan(self._schedule.hosts):
            self._thin.set()
        if self._seeding is not None and (self.waiting < _SEED_WINDOW or self.stopped is not None):
            if not self._seeding.done():
                self._seeding.set_result(None)
            self._seeding = None
        if self.stopped is None and not self._leased:
            if self.is_complete:
                self.stopped = "complete"
            elif not self._within_budget():
                self.stopped = "max_pages"
        if self.stopped is not None:
            self._dismiss()
        elif self._workers and self._within_budget():
            self._arm_timer()

    def _hand_out(self) -> None:
        workers = self._workers
        while workers:
            if workers[0].done():  # cancelled while it waited
                workers.popleft()
            elif (entry := self._take()) is not None:
                workers.popleft().set_result(entry)
            else:
                return

    def _dismiss(self) -> None:
        while self._workers:
            waiter = self._workers.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm_timer(self) -> None:
        due = self._schedule.next_ready()
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return  # it comes early enough, and looks again then
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._on_timer)
            self._timer_due = due  # uvloop's handle for a time that has all but come does not tell it

    def _on_timer(self) -> None:
        self._timer = None
        self._settle()

    def _give_back(self, waiter: asyncio.Future[Entry | None]) -> None:
        """A worker was cancelled while it waited, perhaps just after a lease had been handed to it."""
        if waiter.done() and not waiter.cancelled():
            entry = waiter.result()
            if entry is not None:
                self.put_back(entry, sent=False)
                self._settle()
