"""One seed: a made-up site, crawled by the real frontier, schedule, window, committer, workers, robots cache and SQLite
store, in several runs of one job of which all but the last are cut short.

Whatever is random comes out of the seed, so that the same seed is the same crawl to the last event.
"""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from laws import Broken, Order, Server, check_end, check_kept, finished_in, kept_in
from network import Disk, FakeFetcher, FakeSink
from sites import Site, made_up
from virtual import Endless, Stuck, VirtualLoop, VirtualThread

from crawler.assemble import STORES, assemble
from crawler.config import SETTINGS, Settings
from crawler.engine.crawl import Crawl, Report
from crawler.errors import StoreError
from crawler.frontier import frontier, schema, seen, sqlite, window
from crawler.frontier.frontier import Frontier
from crawler.frontier.job import Job
from crawler.frontier.ledger import put_back
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch, Restored
from crawler.frontier.window import Window
from crawler.items.item import Item
from crawler.outcome import Failure, Outcome, Verdict
from crawler.parse.page import Page
from crawler.request import Entry, Request
from crawler.response import RobotsFile
from crawler.spider import Spider

EPOCH = 1_800_000_000.0
MOMENTS = ("time", "fetch", "statement", "before append", "amid append", "after append", "after commit")
"""When a crawl may die."""


class Killed(BaseException):
    """The process died here."""


@dataclass
class Plan:
    """How one run ends, unless it comes to its own end before."""

    kind: str = "end"
    """``end``, ``crash``, ``interrupt``, ``max_pages``, ``max_items``, ``disk full``, ``store fails`` or
    ``start fails``."""
    moment: str = "time"
    """Of a crash or an interruption."""
    times: int = 1
    """... the how manieth."""
    seconds: float = 0.0
    """... or when."""
    limit: int | None = None
    grace: float = 10.0


@dataclass
class Options:
    """What holds for one run; another one may be run otherwise."""

    concurrency: int
    commit_interval: float
    commit_size: int
    slowness: float
    """Of the network, in seconds."""
    disk: float
    """Seconds that the disk takes at most."""
    outputs: int = 1


class Row(Item):
    """Given with ``item=None`` it is a reject."""

    page: int
    item: int


class Simulated(Spider):
    """Gives what its pages say."""

    name = "simulated"

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.start_urls = [link.url for link in world.site.seeds]
        self.allowed_hosts = sorted({origin.host.partition(":")[0] for origin in world.site.origins})

    def parse(self, page: Page) -> Iterator[Any]:
        told = msgspec.json.decode(page.body)
        links = [
            Request(url, priority=priority, unique=unique, callback=callback)
            for url, priority, unique, callback in told["links"]
        ]
        yield from links[: len(links) // 2]
        for item in range(told["items"]):
            yield {"kind": "page", "page": told["page"], "item": item}
        if told["raises"]:
            raise ValueError("as the site has it")
        for _ in range(told["rejects"]):
            yield Row(page=told["page"], item="none")
        yield from links[len(links) // 2 :]

    async def parse_slowly(self, page: Page) -> AsyncIterator[Any]:
        for given in self.parse(page):
            await asyncio.sleep(self._world.rng.choice([0.0, 0.1]))
            yield given


class OwnStart(Simulated):
    """Draws its seeds by itself, one after the other."""

    async def start(self) -> AsyncIterator[Request]:
        for number, link in enumerate(self._world.site.seeds):
            if self._world.plan.kind == "start fails" and number == self._world.plan.times:
                raise ValueError("as the plan has it")
            yield Request(link.url, priority=link.priority)
            await asyncio.sleep(self._world.rng.choice([0.0, 0.0, 3.0]))


def _hears(self: Simulated, failure: Failure) -> Iterator[Any]:
    page = self._world.site.page_of(failure.url)
    assert page is not None
    yield {"kind": "failed", "page": page.number, "item": 0}


class HearsFailures(Simulated):
    on_failure = _hears


class OwnStartHearsFailures(OwnStart):
    on_failure = _hears


SPIDERS = {
    (False, False): Simulated,
    (True, False): OwnStart,
    (False, True): HearsFailures,
    (True, True): OwnStartHearsFailures,
}


# --- watched ---


class WatchedWindow(Window):
    """Counts what happens, so that it can be shown to have happened."""

    counts: Counter[str] = Counter()

    def takes(self, host: str, key: window.Key, *more: Any) -> bool:
        takes = super().takes(host, key, *more)
        if not takes:
            self.counts["spilled"] += 1
            self.counts["fell asleep"] += self._tails[host].is_asleep
        return takes

    def cut(self, host: str, last: window.Key, first_cut: window.Key, number: int) -> None:
        super().cut(host, last, first_cut, number)
        self.counts["trimmed"] += 1

    def accept(self, want: Any, keys: Sequence[window.Key], is_here: Sequence[bool], **more: Any) -> int:
        taken = super().accept(want, keys, is_here, **more)
        self.counts["read back"] += taken
        self.counts["read in part"] += taken < len(keys)
        return taken

    def found(self, names: list[str], is_awake: Any) -> list[str]:
        woken = super().found(names, is_awake)
        self.counts["woken"] += len(woken)
        return woken


class WatchedFrontier(Frontier):
    """Compared with :class:`~laws.Order` at every lease."""

    def __init__(self, world: World, *stages: Any, **more: Any) -> None:
        super().__init__(*stages, **{"address_of": world.fetcher.address_of, **more})
        self._world = world
        self._order = Order()

    def restore(self, restored: Restored) -> None:
        super().restore(restored)
        kept = kept_in(self._world.path)
        for number, host, rank in kept.waiting:
            self._order.add(host, (rank, number))
        with self._world.judged():
            if restored.waiting != len(kept.waiting):
                raise Broken(f"{restored.waiting} requests are restored, {len(kept.waiting)} wait")

    def queue(self, entries: Iterable[Entry]) -> None:
        entries = list(entries)
        super().queue(entries)
        most = 2 * window._MOST + window._LEAST + len(self._order.returned)
        for entry in entries:
            self._order.add(entry.host, entry.key)
            with self._world.judged():
                if (held := self._schedule.held(entry.host) or 0) > most:
                    raise Broken(f"{held} requests of {entry.host} are in memory; {most} may be")

    def put_back(self, entry: Entry, *, sent: bool = True) -> None:
        due = self._courtesy.later.get(entry.number)
        super().put_back(entry, sent=sent)
        self._order.give_back(entry.host, entry.key, due)
        self._world.counts["outlasted"] += due is not None

    def finish(self, outcome: Outcome) -> None:
        entry = outcome.entry
        super().finish(outcome)
        if outcome.verdict is Verdict.RETRY:
            self._world.counts["retries"] += 1
            self._order.give_back(entry.host, entry.key, outcome.due)

    def _take(self) -> Entry | None:
        entry = super()._take()
        with self._world.judged():
            if entry is not None:
                self._world.log("leased", entry.number, entry.request.url)
                self._world.server.leased(entry.origin, self._world.now())
                self._order.take(entry.host, entry.key, self._loop.time())
            if self.waiting != self._order.total:
                raise Broken(f"{self.waiting} requests are said to wait, {self._order.total} do")
        return entry


class WatchedStore(SqliteStore):
    """Tells the world what is durable, and what is read."""

    def __init__(self, world: World, path: Path, thread: VirtualThread) -> None:
        super().__init__(path, syncs=False, executor=thread)
        self._world = world
        self._asked_at = 0.0

    async def commit(self, batch: Batch) -> None:
        self._asked_at = self._world.now()
        await super().commit(batch)

    def _write(self, batch: Batch, *more: Any) -> None:
        world = self._world
        if world.plan.kind == "store fails" and world.count("write") == world.plan.times:
            raise sqlite.sqlite3.OperationalError("as the plan has it")
        super()._write(batch, *more)
        world.counts["commits"] += 1
        world.log("committed", len(batch.outcomes))
        if batch.tally is not None:  # else it says why the crawl ended, and nothing else
            world.server.committed(self._asked_at)
        world.reach("after commit")
        if world.is_dead:
            raise Killed

    async def robots(self, origin: str) -> RobotsFile | None:
        file = await super().robots(origin)
        if file is not None and file.body is not None and not self._world.is_dead:
            self._world.server.recalled(origin, file.fetched, self._world.now())
        return file

    def _open(self) -> Restored:
        restored = super()._open()
        self._world.counts["fingerprints in the table"] += self._seen._size > 0
        return restored

    def kill(self) -> None:
        """Without a commit of what is under way."""
        self._close()


class _Clock:
    """Stands where a module has ``time``."""

    def __init__(self, world: World) -> None:
        self.time = world.now


# --- the world ---


@dataclass
class World:
    """Everything that outlives a run: the site, its servers, the disk, and the time."""

    seed: int
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(f"world {self.seed}")
        self.site: Site = made_up(self.seed)
        self.server = Server(self.site)
        self.disk = Disk()
        self.plan = Plan()
        self.path = self.folder / f"{self.seed}.sqlite3"
        self.is_dead = True
        self.broken: BaseException | None = None
        self._moments: Counter[str] = Counter()
        self._wall = EPOCH
        self._loop = VirtualLoop()
        self._loop.close()  # each run has its own; of this one there is only the time
        self._partial = 0
        self._files = 0
        schema.create(self.path, {"seed": self.rng.getrandbits(63), "state": "running"}, syncs=False)

    def now(self) -> float:
        return self._wall + self._loop.time()

    def log(self, *what: object) -> None:
        if not self.is_dead:
            self.events.append((round(self.now() - EPOCH, 6), *what))

    def count(self, moment: str) -> int:
        self._moments[moment] += 1
        return self._moments[moment]

    def reach(self, moment: str) -> None:
        if self.is_dead or self.count(moment) != self.plan.times or self.plan.moment != moment:
            return
        if self.plan.kind == "crash":
            self.crash()
        elif self.plan.kind == "interrupt":
            self._crawl.stop("interrupted")

    def crash(self) -> None:
        """As SIGKILL: what is on the disk stays there as it is, in the middle of whatever was going on."""
        if self.is_dead:
            return
        self.log("crash", self.plan.moment)
        self.counts[f"crash: {self.plan.moment}"] += 1
        self.is_dead = True
        self._thread.is_dead = True
        if self.plan.moment == "statement" or self.rng.random() < 0.5:
            self._files += 1
            copy = self.folder / f"{self.seed}-{self._files}.sqlite3"
            for ending in ("", "-wal"):
                if (file := Path(f"{self.path}{ending}")).exists():
                    shutil.copyfile(file, f"{copy}{ending}")
            self.path = copy
        self._loop.stop()

    @contextmanager
    def judged(self) -> Iterator[None]:
        """A law that is broken within it ends the simulation, not the page that was under way."""
        try:
            yield
        except Broken as error:
            self.broken = self.broken or error
            self._loop.stop()

    def run(self, plan: Plan, options: Options) -> Report | None:
        """One run of the job. None if it died."""
        self.plan = plan
        self._moments.clear()
        self._wall += self._loop.time()  # the loop's own clock starts anew, as after a boot
        self._wall += self.rng.choice([0.0, 0.01, 1.0, 100.0, 30 * 3600.0])
        begin = self.rng.choice([0.0, 5.0, 1e6])
        self._wall -= begin
        self._loop = VirtualLoop(begin)
        self._thread = VirtualThread(self._loop, lambda: self._seconds(options.disk))
        kept = kept_in(self.path)
        self.server.begin_run(finished_in(self.site, kept))
        random.seed(self.rng.random())
        self.is_dead = False
        self.log("run", plan, options)
        self.counts["runs"] += 1
        task = self._loop.create_task(self._run(options, is_resumed="tally" in kept.meta))
        task.add_done_callback(self._stop)
        if plan.moment == "time" and plan.kind == "crash":
            self._loop.call_later(plan.seconds, self.crash)
        elif plan.moment == "time" and plan.kind == "interrupt":
            self._loop.call_later(plan.seconds, lambda: self._crawl.stop("interrupted"))
        try:
            self._loop.run_forever()
        except (Stuck, Endless) as error:
            self.broken = self.broken or error
        if self.broken is not None:
            self._bury(task)
            raise self.broken
        report = None
        if not self.is_dead and not isinstance(task.exception(), StoreError):  # of the very first commit
            report = task.result()
        self._bury(task)
        self._judge(report, options)
        return report

    def _stop(self, _: object) -> None:
        if not self.is_dead:
            self._loop.stop()

    def _seconds(self, most: float) -> tuple[float, float]:
        return (self.rng.random() * most, self.rng.random() * most) if most else (0.0, 0.0)

    async def _run(self, options: Options, *, is_resumed: bool) -> Report:
        self._crawl = self._assembled(options, is_resumed=is_resumed)
        return await self._crawl.run()

    def _assembled(self, options: Options, *, is_resumed: bool) -> Crawl:
        site, plan, rng = self.site, self.plan, self.rng
        given = {
            "delay": site.delay,
            "concurrency_per_host": site.per_host,
            "max_delay": site.max_delay,
            "delay_per_ip": site.delay_per_ip,
            "throttle": site.throttle,
            "retries": site.retries,
            "retry_backoff": 0.5,
            "concurrency": options.concurrency,
            "commit_interval": options.commit_interval,
            "commit_size": options.commit_size,
            "max_pages": plan.limit if plan.kind == "max_pages" else None,
            "max_items": plan.limit if plan.kind == "max_items" else None,
            "grace": plan.grace,
        }
        defaults = {name: setting.default for name, setting in SETTINGS.items()}
        settings = Settings({**defaults, **given}, {}, site.overrides)
        names = [*(f"output {number}" for number in range(options.outputs)), "rejects"]
        sinks = [FakeSink(name, self.disk, self, rng, options.disk) for name in names]
        if plan.kind == "disk full":
            sinks[rng.randrange(options.outputs)].fails_at = plan.times
        spider = SPIDERS[site.has_own_start, site.hears_failures](self)
        self.fetcher = FakeFetcher(site, self.server, self, rng, options.slowness)
        crawl = assemble(spider, {}, settings, sinks, self.fetcher, Job(self.folder), is_resumed=is_resumed)
        crawl._worker.watchdog.watching = nullcontext  # its thread has a clock of its own
        return crawl

    def store(self, *_: Any) -> WatchedStore:
        """In the place of :class:`SqliteStore`."""
        self._store = WatchedStore(self, self.path, self._thread)
        return self._store

    def _bury(self, task: asyncio.Task[Report]) -> None:
        """Nothing that still runs changes anything."""
        self.is_dead = self._thread.is_dead = True
        loop = self._loop
        try:
            for left in asyncio.all_tasks(loop):
                left.cancel()
            if not task.done():
                loop.run_until_complete(asyncio.wait([task]))
            loop.run_until_complete(loop.shutdown_asyncgens())
        except (Stuck, Endless):
            self.counts["tasks that could not be ended"] += 1
        finally:
            if task.done() and not task.cancelled():
                task.exception()
            loop.close()
            self._store.kill()

    # --- afterwards ---

    def _judge(self, report: Report | None, options: Options) -> None:
        kept = kept_in(self.path)
        plan = self.plan
        self._partial += plan.kind == "max_items"
        outputs = {name: bytes(self.disk.files[name][:position]) for name, position in kept.positions.items()}
        check_kept(self.site, kept, outputs, partial=self._partial)
        if report is None:
            self.counts["torn tails"] += any(
                len(data) > kept.positions.get(name, 0) for name, data in self.disk.files.items()
            )
            return
        self.counts[f"ended: {report.reason}"] += 1
        allowed = {"interrupt": "interrupted", "disk full": "output_failed", "store fails": "store_failed"}
        allowed["start fails"] = "spider_failed"
        if report.reason not in ("complete", plan.kind, allowed.get(plan.kind)):
            raise Broken(f"it ended as {report.reason}: {report.error!r}")
        if report.reason == "complete":
            check_end(self.site, kept)
            check_kept(self.site, kept, outputs, partial=0)
        if report.reason not in ("output_failed", "store_failed"):
            self._judge_clean_end(report, kept)
        if report.reason != "store_failed" and kept.meta.get("state") != report.reason:
            raise Broken(f"it ended as {report.reason}, and is kept as {kept.meta.get('state')}")

    def _judge_clean_end(self, report: Report, kept: Any) -> None:
        if report.waiting != len(kept.waiting):
            raise Broken(f"{report.waiting} requests are said to be left, {len(kept.waiting)} are")
        for name, data in self.disk.files.items():
            if len(data) != kept.positions[name]:
                raise Broken(f"{name} has a tail, and nothing crashed")
        for kind, counted in (("max_pages", "pages"), ("max_items", "items")):
            if self.plan.kind != kind or self.plan.limit is None:
                continue
            if kept.tally[counted] > self.plan.limit or (
                report.reason == kind and kept.tally[counted] != self.plan.limit
            ):
                raise Broken(f"{kept.tally[counted]} {counted}, with {kind} = {self.plan.limit} ({report.reason})")


class _Errors(logging.Handler):
    """What the crawler itself logs as a defect is one."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        world = self._world
        if world.is_dead or "start() raised" in record.getMessage():
            return
        cause = record.exc_info[1] if record.exc_info else None
        world.broken = world.broken or cause or Broken(record.getMessage())
        world._loop.stop()


def simulate(seed: int, folder: Path) -> World:
    """Crawl the site of *seed*, in as many runs as it takes.

    :raises AssertionError: something is not as it must be
    """
    world = World(seed, folder)
    handler = _Errors(world)
    log = logging.getLogger("crawler")
    levels = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.ERROR)
    log.propagate = False
    state = random.getstate()
    try:
        with pytest.MonkeyPatch.context() as patch:
            _patch(world, patch)
            _all_runs(world, patch)
    except BaseException as error:
        error.add_note("\n".join(map(str, world.events[-30:])))
        raise
    finally:
        random.setstate(state)
        log.removeHandler(handler)
        log.setLevel(levels[0])
        log.propagate = levels[1]
        for file in folder.glob(f"{seed}*.sqlite3*"):
            file.unlink()
    return world


def _all_runs(world: World, patch: pytest.MonkeyPatch) -> None:
    rng = world.rng
    outputs = rng.choice([1, 1, 2])
    for number in range(rng.choice([0, 1, 2, 3, 5])):
        _shrink(patch, rng)
        plan = _plan(rng, may_fail_to_start=number == 0 and world.site.has_own_start)
        if plan.limit is not None:  # as much again as there is
            plan.limit += kept_in(world.path).tally.get(plan.kind.removeprefix("max_"), 0)
        report = world.run(plan, _options(rng, outputs))
        if report is not None and report.reason == "complete" and rng.random() < 0.7:
            break
    _shrink(patch, rng)
    report = world.run(Plan(), _options(rng, outputs))
    if report is None or report.reason != "complete":
        raise Broken(f"nothing ended it, and it is not complete: {report}")
    if rng.random() < 0.2 and not world.site.hears_failures:
        _try_again(world, _options(rng, outputs))


def _try_again(world: World, options: Options) -> None:
    """A job that is complete has nothing to do, unless its failures are put back."""
    asked = sum(event[1] == "sent" for event in world.events)
    world.run(Plan(), options)
    if sum(event[1] == "sent" for event in world.events) != asked:
        raise Broken("it was complete, and something was asked for")
    job = Job(world.folder)
    job.database = world.path
    world.counts["failures put back"] += put_back(job)
    report = world.run(Plan(), options)
    if report is None or report.reason != "complete":
        raise Broken(f"its failures were put back, and it is not complete: {report}")


def _plan(rng: Random, *, may_fail_to_start: bool) -> Plan:
    kind = rng.choices(
        ["crash", "interrupt", "max_pages", "max_items", "disk full", "store fails", "start fails"],
        [10, 3, 2, 2, 1, 1, 4 if may_fail_to_start else 0],
    )[0]
    moment = rng.choice(MOMENTS) if kind == "crash" else rng.choice(["time", "fetch"])
    often = {"statement": 60, "fetch": 30}.get(moment, 12)
    times = rng.randint(0, 3) if kind == "start fails" else 1 + int(often * rng.random() ** 2)
    plan = Plan(kind, moment, times, 10 ** rng.uniform(-2, 2.5))
    plan.grace = rng.choice([0.0, 0.3, 10.0])
    if kind in ("max_pages", "max_items"):
        plan.limit = rng.randint(1, 12)
    return plan


def _options(rng: Random, outputs: int) -> Options:
    return Options(
        concurrency=rng.choice([1, 1, 2, 8, 16]),
        commit_interval=rng.choice([0.01, 0.2, 0.2, 2.0]),
        commit_size=rng.choice([1, 3, 500]),
        slowness=rng.choice([0.0, 0.1, 3.0]),
        disk=rng.choice([0.0, 0.0, 0.02, 0.5]),
        outputs=outputs,
    )


def _patch(world: World, patch: pytest.MonkeyPatch) -> None:
    """The clock of the walls, and eyes where something is to be seen."""
    for module in ("crawler.engine.hosts", "crawler.fetch.robots", "crawler.frontier.sqlite"):
        patch.setattr(f"{module}.time", _Clock(world))
    patch.setattr("crawler.engine.worker.perf_counter", world.now)
    patch.setattr(WatchedWindow, "counts", world.counts)
    patch.setattr(frontier, "Window", WatchedWindow)
    patch.setitem(STORES, "sqlite", world.store)
    patch.setattr("crawler.assemble.Frontier", partial(WatchedFrontier, world))
    patch.setattr(seen, "PARTS", 16)
    patch.setattr(seen, "_SHIFT", 60)
    sweep, insert = seen.SeenSet.sweep, schema.insert

    def watched_sweep(self: seen.SeenSet) -> seen.Sweep | None:
        share = sweep(self)
        world.counts["sweeps"] += share is not None and share.covers is not None
        return share

    def watched_insert(*given: Any) -> None:
        world.reach("statement")
        if world.is_dead:
            raise Killed
        insert(*given)

    patch.setattr(seen.SeenSet, "sweep", watched_sweep)
    patch.setattr(sqlite, "insert", watched_insert)


def _shrink(patch: pytest.MonkeyPatch, rng: Random) -> None:
    """What is rare in a big crawl happens all the time in a tiny one, where everything that is bounded has tiny bounds."""
    if rng.random() < 0.1:
        return
    patch.setattr(window, "HOSTS", rng.choice([1, 2, 2, 3, 100]))
    patch.setattr(window, "_LEAST", least := rng.choice([1, 2, 4]))
    patch.setattr(window, "_MOST", rng.choice([least, 2 * least, 8]))
    patch.setattr(window, "_TOTAL", rng.choice([2, 8, 20]))
    patch.setattr(seen, "_RECENT", rng.choice([0, 3, 10, 10]))
    patch.setattr(seen, "_SWEEP", rng.choice([1, 5, 20]))
    patch.setattr(seen, "_PARTS_AT_ONCE", rng.choice([2, 4, 16]))
    patch.setattr(frontier, "_SEED_WINDOW", rng.choice([1, 3, 10_000]))
    patch.setattr("crawler.engine.crawl._SEED_BATCH", rng.choice([1, 2, 100]))
