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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from sys import maxsize
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crawler.frontier.budget import SiteBudget
from crawler.frontier.claims import Claims
from crawler.frontier.courtesy import Courtesy
from crawler.frontier.lanes import Lanes
from crawler.frontier.store import Batch, Restored, Store
from crawler.frontier.window import Window
from crawler.http.addresses import PrivateHosts, is_private_host
from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners
from crawler.request import Entry, Request, hostname_of
from crawler.traps.watch import Kind, Traps
from crawler.urls.canonical import Canonical, canonical
from crawler.urls.fingerprint import fingerprint, fingerprints
from crawler.urls.scope import Scope
from crawler.urls.url import Address, address

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
    """(reason, URL) of those that do not belong to the crawl: ``malformed``, ``out_of_scope``, ``private``, ``too_deep``,
    ``site_budget``, ``trap``, ``trap_path`` or ``trap_hosts``."""
    too_deep: list[tuple[int, str]] = []
    """Fingerprint and URL of those that are past ``max_depth``."""


class Frontier:
    """One crawl's frontier. Belongs to one event loop; nothing here is awaited but :meth:`lease` and :meth:`room`."""

    def __init__(
        self,
        store: Store,
        scope: Scope,
        manners: Manners,
        options: FrontierOptions = FrontierOptions(),
        canonical: Canonical = canonical,
        *,
        address_of: Callable[[str], str] = lambda hostname: "",
        site_of: Callable[[str], str] = lambda hostname: hostname,
        permitted: PrivateHosts = PrivateHosts(),
        traps: Traps | None = None,
        width: int | None = None,
    ) -> None:
        """
        :param address_of: gives the IP address of a host name, as far as it is known
        :param site_of: gives the site that a host name belongs to: its registrable domain, or itself
        :param permitted: the private hosts that any page may lead to
        :param traps: what is left alone as endless; None for nothing
        :param width: leases at once, beside those that are overdue (:mod:`crawler.frontier.lanes`); None for any number
        """
        self._store = store
        self._canonical = canonical
        self._keeps = store.keeps
        self._scope = scope
        self._permitted = permitted
        self._traps = traps
        self._manners = manners
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes(width or maxsize)
        self._courtesy = Courtesy(manners, self._loop.time, address_of, self._lanes)
        self._schedule = self._courtesy.schedule
        self._lessons = self._courtesy.lessons
        self._outages = self._courtesy.outages
        self._stalls = self._courtesy.stalls
        counts_sites = any(each.max_pages_per_site is not None for each in manners.all())
        self._sites = SiteBudget(manners, site_of) if counts_sites else None
        self._window = Window()
        self._thin = asyncio.Event()
        self._number = 0
        self._out: set[int] = set()  # numbers that the store has, and that must not be read from it
        self._ended: list[int] = []  # those of them whose outcome is in the group that is being filled
        self._ending: dict[int, list[int]] = {}
        self._workers: deque[asyncio.Future[Entry | None]] = deque()
        self._seeding: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._looked_at = 0.0  # when the schedule was last asked for something
        self._seeds_to_come = True
        self._leased = 0
        self._aside: set[int] = set()  # numbers of the leases whose host's part has ended
        self._claims = Claims(self._courtesy, self._lanes, self._loop, self._settle)
        self._claimed = self._claims.waiting  # looked at for each lease
        self._claim = 0  # the number of the last one: less than 0, where no other is
        self._pages = 0
        self._reserves = self._lanes.spare if width is not None else 0  # workers that were not called yet
        self.call_worker: Callable[[], None] | None = None
        """Brings one more worker, for whom there is something to do while others wait for hosts that are slow. Called
        once for each overdue lease that there may be."""
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
        if self._sites is not None:
            self._sites.restore(restored.sites)
        for hostname in restored.seed_hosts:
            self._scope.grow(hostname)
            if self._traps is not None:
                self._traps.welcome(hostname)
            if self._pages:
                self._outages.remember(f"http://{hostname}")
                self._outages.remember(f"https://{hostname}")
        self._thin.set()

    def admit(
        self, requests: Sequence[Request], parent: Entry | None = None, *, hop: bool = False, is_listing: bool = False
    ) -> Admission:
        """Decide which *requests* are new to the crawl and belong to it, and mark them as seen.

        *parent* is the page that they were found on, None for seeds; *hop* says that it redirected here, *is_listing*
        that it is no page but a list of seeds, as a sitemap is.
        """
        depth = 0 if parent is None else parent.depth + (not hop and not is_listing)
        referrer = "" if parent is None else parent.referrer if hop else parent.request.url
        redirects = (*parent.redirects, parent.request.url) if parent is not None and hop else ()
        may_enter = parent is None or parent.inside
        objection_to: Callable[[Request, Address], str] | None = None
        seed = self._store.seed
        marks = fingerprints(requests, seed, self._canonical)
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
                self._plant_at(target.hostname)
            is_private = is_private_host(target.hostname)
            objection = self._objection(target.hostname, depth, enters=is_private and not may_enter)
            if objection_to is None:  # most pages have nothing new to ask about
                objection_to = self._trap_rule(parent, hop=hop, is_listing=is_listing)
            objection = objection or objection_to(request, target)
            if objection:
                skipped.append((objection, request.url))
                if objection == "too_deep":
                    deep.append((fingerprint(target.href, request, seed, self._canonical), target.href))
                continue
            if request.url != target.href:
                request = request.replace(url=target.href)  # what robots.txt is asked about is what is fetched
                mark = fingerprint(target.href, request, seed, self._canonical)
            entry = Entry(request, target.host, target.origin, mark, depth, 0, 0, redirects, referrer)
            entry.inside = is_private and may_enter
            offered.append(entry)
        new = self._store.add(offered) if offered else []
        if hop and not new:
            new = [entry for entry in offered if self._returns(entry)]
        return Admission(new, duplicates + len(offered) - len(new), skipped, deep)

    def _objection(self, hostname: str, depth: int, *, enters: bool) -> str:
        """Why *hostname*, so deep, does not belong to the crawl, in one word; empty if it does. *enters* says that it is
        private, and that a public page leads there.
        """
        if not self._scope.admits(hostname):
            return "out_of_scope"
        if enters and not self._permitted.may_have(hostname):
            return "private"  # and it is not marked as seen: a private page may lead there yet
        if self._sites is not None and self._sites.is_spent(hostname):
            return "site_budget"
        max_depth = self._options.max_depth
        return "too_deep" if max_depth is not None and depth > max_depth else ""

    def _plant_at(self, hostname: str) -> None:
        """A seed names that host."""
        self._scope.grow(hostname)
        if self._traps is not None:
            self._traps.welcome(hostname)

    def _trap_rule(self, parent: Entry | None, *, hop: bool, is_listing: bool) -> Callable[[Request, Address], str]:
        """Says why something that *parent* leads to is left alone as endless; "" if it is not. Nothing is that the user
        asks for: a seed, where it redirects to, and what is not ``unique``.
        """
        traps = self._traps
        if traps is None or parent is None or (hop and parent.is_seed):
            return lambda request, target: ""
        is_fed = traps.feeds(parent.request.url)

        def objection(request: Request, target: Address) -> str:
            if not request.unique:
                return ""
            return traps.objection(target.href, target.hostname, is_fed=is_fed, is_listed=is_listing)

        return objection

    def saw(self, entry: Entry, body: bytes, *, has_items: bool) -> Kind | None:
        """The leased *entry* is a page. Its kind, if it is one that is left alone from now on."""
        if self._traps is None or not entry.request.unique:
            return None
        return self._traps.saw(entry.request.url, entry.hostname, body, has_items=has_items)

    def _returns(self, entry: Entry) -> bool:
        """Whether it was redirected to a URL of its own chain, as by a page that sets a cookie and asks again."""
        seed, request = self._store.seed, entry.request
        return any(entry.fingerprint == fingerprint(url, request, seed, self._canonical) for url in entry.redirects)

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
                self._courtesy.recall(host, entry.hostname)
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
        if self._sites is not None:
            batch.sites = self._sites.fetched(batch.outcomes)
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
                    self._courtesy.recall(host, hostname_of(host))
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
        if self._claimed:
            self._claims.serve(self._on_wire)
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
        """The leased *entry* has just been sent: the pause of its host begins, and that of its address."""
        self._courtesy.started(entry)
        self._settle()

    def pause_of(self, entry: Entry) -> float | None:
        """Seconds between two requests to *entry*'s host, or to its address; None if :meth:`set_pace` has not been
        called for it.
        """
        return self._schedule.spacing_of(entry.host)

    def set_pace(self, entry: Entry, crawl_delay: float | None = None, *, alone: bool = False) -> float:
        """From now on *entry*'s host is asked as its politeness allows; one request at a time if *alone*, as long as
        its robots.txt is not known.

        Gives the seconds between two requests. Where there are some, :meth:`started` must be called for *entry*.
        """
        pause = self._courtesy.set_pace(entry, crawl_delay, alone=alone)
        if self._workers or self._claimed:
            self._settle()  # more of that host's requests may be asked now
        return pause

    def may_visit(self, entry: Entry, host: str) -> bool:
        """Whether *host* may be asked just now in *entry*'s stead: a robots.txt may have moved there, perhaps those of
        many hosts. If not, *entry*'s own host rests until it may.
        """
        return self._courtesy.may_visit(entry, host)

    def accept(self, entry: Entry, elapsed: float = 0.0, *, is_good: bool = True) -> None:
        """*entry*'s host answered, after so many seconds; with a page if that *is_good*."""
        if self._courtesy.accept(entry, elapsed, is_good=is_good):
            self._settle()

    def refuse(self, entry: Entry, retry_after: float | None) -> None:
        """*entry*'s host said "too much": it rests, for all its URLs, and is asked more slowly afterwards."""
        if self._courtesy.refuse(entry, retry_after):
            self._settle()

    def miss(self, entry: Entry, reason: str, *, is_refusal: bool = False) -> bool:
        """Nothing came back from *entry*'s host, for that *reason*; with *is_refusal* but that it takes no connections.
        Whether an outage is to blame: then the try does not count, and :meth:`put_back` lets it wait until there is a
        way again.
        """
        return self._courtesy.miss(entry, reason, is_refusal=is_refusal)

    def answered(self, entry: Entry, *, was_sent: bool = True) -> None:
        """*entry*'s page has come, whatever it says; if it *was_sent* for, from its host, which is well then."""
        self._schedule.answered(entry.host, entry, self._loop.time(), was_sent=was_sent)
        if was_sent and self._stalls.hosts:
            self._courtesy.revive(entry)

    def gives_up(self, entry: Entry) -> bool:
        """Whether *entry*'s host has kept too many requests waiting for nothing to be sent another one."""
        return bool(self._stalls.hosts) and self._stalls.gives_up(entry.host, self._loop.time())

    def rest(self, entry: Entry, seconds: float) -> None:
        """Leave *entry*'s host alone for a while."""
        self._courtesy.rest(entry, seconds)

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell of outages, or of hosts that were given up."""
        return bool(self._outages.news or self._stalls.news)

    def news(self) -> list[str]:
        """What there is to tell of them since this was last called, in lines for the person."""
        told = self._outages.news + self._stalls.news
        self._outages.news, self._stalls.news = [], []
        return told

    def leaves_out(self, entry: Entry) -> str:
        """Why the leased *entry* is not asked for after all, in one word: ``site_budget``, if its site has had as many
        pages fetched as it may, or ``trap``, if its kind of pages turned out to be endless since it was discovered.
        """
        if self._sites is not None and not self._sites.has_room(entry):
            return "site_budget"
        traps, request = self._traps, entry.request
        if traps and request.unique and traps.is_spent(request.url, entry.hostname, entry.referrer):
            return "trap"
        return ""

    def put_back(self, entry: Entry, *, sent: bool = True) -> None:
        """End the lease of *entry* without an outcome: it goes first again (its robots.txt was asked instead), or
        after another one of its host (:meth:`miss`).
        """
        self._leased -= 1
        if self._sites is not None:
            self._end_at_site(entry, is_page=False)
        later = self._courtesy.later
        due = later.pop(entry.number, None) if later else None
        if due is None:
            self._schedule.add(entry.host, entry, entry.key)
        else:
            self._schedule.add_later(entry.host, entry, entry.key, due)
        self._end_at_host(entry, sent=sent)

    def finish(self, outcome: Outcome) -> None:
        """End the lease of ``outcome.entry``, and let what it discovered, or its retry, wait."""
        entry = outcome.entry
        self._leased -= 1
        if self._sites is not None:
            self._end_at_site(entry, is_page=outcome.verdict is Verdict.DONE)
        if outcome.verdict is Verdict.DONE:
            self._pages += 1
        if outcome.discovered:
            self.queue(outcome.discovered)
        later = self._courtesy.later
        if later:
            outcome.due = max(outcome.due, later.pop(entry.number, 0.0))
        if outcome.verdict is Verdict.RETRY:
            self._schedule.add_later(entry.host, entry, entry.key, outcome.due)
        else:
            self._ended.append(entry.number)
        self._end_at_host(entry, sent=outcome.sent)

    def _end_at_host(self, entry: Entry, *, sent: bool) -> None:
        if self._aside and entry.number in self._aside:
            self._aside.remove(entry.number)  # it has stepped aside: that is done
        else:
            self._schedule.finish(entry.host, entry, self._loop.time() if sent else None)

    def step_aside(self, entry: Entry, *, sent: bool) -> None:
        """The leased *entry* has what it wants of its host, but goes on to wait for something else: others may be asked
        for in its place. Its lease ends as always, with :meth:`finish` or :meth:`put_back`. May be called again.

        :param sent: whether there was a request on the wire, after which the host is owed its pause
        """
        if entry.number not in self._aside:
            self._end_at_host(entry, sent=sent)
            self._aside.add(entry.number)
            self._settle()

    def adopt(self, request: Request, parent: Entry | None, *, hop: bool = False) -> Entry | str:
        """*request* as an entry that *parent*'s callback waits for, which is no page of the crawl: not marked as seen,
        not counted, not kept. Or why it does not belong to the crawl, in one word: ``malformed``, ``out_of_scope`` or
        ``private``.

        :param parent: must have stepped aside before :meth:`claim`; None for ``start()``, which may ask where a seed may
        :param hop: whether *parent* is such an entry itself, and was redirected here
        """
        target = address(request.url)
        if target is None:
            return "malformed"
        if parent is not None and not self._scope.admits(target.hostname):
            return "out_of_scope"
        is_private = is_private_host(target.hostname)
        may_enter = parent is None or parent.inside
        if is_private and not may_enter and not self._permitted.may_have(target.hostname):
            return "private"
        if request.url != target.href:
            request = request.replace(url=target.href)
        entry = Entry(request, target.host, target.origin, 0)
        if parent is not None:
            entry.depth = parent.depth
            entry.referrer = parent.referrer if hop else parent.request.url
            entry.redirects = (*parent.redirects, parent.request.url) if hop else ()
        entry.inside = is_private and may_enter
        self._claim -= 1
        entry.number = self._claim
        return entry

    async def claim(self, entry: Entry) -> None:
        """Wait until *entry*, which :meth:`adopt` gave, may be sent. It goes before what waits, past ``max_pages`` and
        after :meth:`stop`, too: a page under way may come to its end. Each is followed by one :meth:`yield_claim`.
        """
        if self._schedule.held(entry.host) is None and self._keeps:
            self._courtesy.recall(entry.host, entry.hostname)
        claiming = self._claims.wait(entry)
        self._settle()
        await claiming

    def yield_claim(self, entry: Entry, *, sent: bool) -> float:
        """*entry*, which was claimed, is no more on the wire. When it may be claimed again, at the earliest: after
        others, if an outage ended it.
        """
        self._claims.end(entry, sent=sent)
        self._settle()
        return self._courtesy.later.pop(entry.number, 0.0)

    @property
    def _on_wire(self) -> int:
        return self._leased - len(self._aside) + self._claims.running

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
        now = self._looked_at = self._loop.time()
        if not self._lanes.has_room(now):
            return None
        if self._outages.is_ours and not self._outages.may_probe(now, self._on_wire):
            return None
        entry = self._schedule.take(now)
        while entry is not None and self._sites is not None and not self._sites.begin(entry):
            self._bar(entry)
            entry = self._schedule.take(now)
        if entry is not None:
            self._leased += 1
            if self._keeps:
                self._out.add(entry.number)
                if self._window.is_partial:
                    self._look_after(entry.host)
        return entry

    def _bar(self, entry: Entry) -> None:
        """What runs of *entry*'s site may be all that it is to give: see how that ends."""
        self._schedule.add(entry.host, entry, entry.key)
        self._schedule.finish(entry.host, entry, None)
        self._schedule.bar(entry.host)

    def _end_at_site(self, entry: Entry, *, is_page: bool) -> None:
        assert self._sites is not None
        for host in self._sites.end(entry, is_page=is_page):
            self._schedule.unbar(host)

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
        """Hand what may be asked now to those that wait, and see whether the crawl is over."""
        if self._claimed:
            self._claims.serve(self._on_wire)
        self._hand_out()
        if self._window.outside and self._window.may_scan(self._schedule.hosts):
            self._thin.set()
        if self._seeding is not None:
            self._draw_on()
        if self.stopped is None and not self._leased:
            if self.is_complete:
                self.stopped = "complete"
            elif not self._within_budget():
                self.stopped = "max_pages"
        if self.stopped is not None:
            self._dismiss()
        elif not self._workers:
            self._call_reserves()
        elif self._within_budget():
            self._arm_timer()

    def _draw_on(self) -> None:
        """Let the next seeds come, if there is room for them, or if nobody wants them any more."""
        if self._seeding is not None and (self.waiting < _SEED_WINDOW or self.stopped is not None):
            if not self._seeding.done():
                self._seeding.set_result(None)
            self._seeding = None

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

    def _call_reserves(self) -> None:
        """All workers are busy. If some of them wait for slow hosts, others are to work for the rest meanwhile."""
        if not self._reserves:
            return
        called = self._lanes.spare - self._reserves
        if self._lanes.overdue > called and self.call_worker is not None:
            for _ in range(min(self._lanes.overdue - called, self._reserves)):
                self._reserves -= 1
                self.call_worker()
        look_at = self._lanes.look_at
        if self._reserves and look_at < inf and (self._timer is None or self._timer_due > look_at):
            self._set_timer(look_at)

    def _arm_timer(self) -> None:
        due = self._schedule.next_ready()
        if not self._lanes.has_room(self._looked_at):
            due = self._lanes.look_at if self._lanes.look_at < inf else None
        if self._outages.is_ours:
            due = self._outages.next_look(due, self._looked_at, self._on_wire)  # what was not due then may be by now
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return  # it comes early enough, and looks again then
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_timer)
        self._timer_due = due  # uvloop's handle for a time that has all but come does not tell it

    def _on_timer(self) -> None:
        self._timer = None
        self._lanes.age(self._loop.time())
        self._settle()

    def _give_back(self, waiter: asyncio.Future[Entry | None]) -> None:
        """A worker was cancelled while it waited, perhaps just after a lease had been handed to it."""
        if waiter.done() and not waiter.cancelled():
            entry = waiter.result()
            if entry is not None:
                self.put_back(entry, sent=False)
                self._settle()
