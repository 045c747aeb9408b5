"""What must hold whatever happens, watched from outside: at the server, at the outputs and in the database.

Law 1: a host is asked no earlier than it may be, and by no more than it may be at once, also across a crash; hosts at
one address are spaced; one that refused is asked more slowly until it gives a page.
Law 2: a page is asked again only where the first time came to nothing.
Law 3: of a host's requests the one that goes is the first by priority, then by discovery.
Law 4: what is committed is exact: an output holds the items of the pages that are done, and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sites import Expected, Origin, Resource, Site

_SLACK = 1e-6
"""Seconds that rounding may cost."""
_DAY = 24 * 3600.0
_STRAINED = 0.5
"""Seconds between two requests, at least, to a host that has just refused one."""


class Broken(AssertionError):
    """A law does not hold."""


@dataclass
class Refusal:
    """A host said "too much"."""

    received: float
    until: float
    run: int
    is_committed: bool = False


@dataclass
class Known:
    """A robots.txt was received, or recalled from an earlier run."""

    received: float
    run: int
    age: float
    """When it was fetched."""
    is_committed: bool = False
    may_be_committed: bool = False
    """It was received at the very moment of a commit."""


@dataclass
class Sent:
    """One request on its way."""

    url: str
    host: str
    begun: float
    page: Resource | None
    """None for a robots.txt."""
    origin: Origin
    run: int
    left: float = 0.0
    is_first: bool = False
    """Of its host, in its run: its address was not known."""


class Server:
    """Laws 1 and 2, over all runs of a job. All times are those of the world, which go on between two runs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last: dict[str, Sent] = {}
        self._last_at: dict[str, Sent] = {}
        self._left: dict[str, float] = {}
        self._leased: dict[str, float] = {}
        self._strained: dict[str, float] = {}
        self._troubled: dict[str, float] = {}
        self._in_flight: Counter[str] = Counter()
        self._refusals: dict[str, list[Refusal]] = defaultdict(list)
        self._robots: dict[str, Known] = {}
        self._over: dict[int, str] = {}
        self._finished: Collection[int] = ()
        self._run = 0
        self.counts: Counter[str] = Counter()

    def begin_run(self, finished: Collection[int]) -> None:
        """*finished*: the pages whose outcome is committed."""
        self._run += 1
        self._in_flight.clear()
        self._last_at.clear()
        self._left.clear()
        self._leased.clear()
        self._strained.clear()
        self._troubled.clear()
        self._over.clear()
        self._finished = finished

    def begin(self, url: str, now: float) -> Sent:
        """A request is under way, though it may not have left yet."""
        page, origin = self._site.page_of(url), self._site.origin_of(url)
        is_robots = page is None and "/robots" in url
        if page is None and not is_robots:
            raise Broken(f"{url} was asked for, which nobody links to")
        self._in_flight[origin.host] += 1
        if self._in_flight[origin.host] > (limit := self._site.per_host_of(origin.host)):
            raise Broken(f"{origin.host} is asked by {self._in_flight[origin.host]} at once; {limit} may")
        if page is not None:
            self._check_page(page, origin)
        begun = self._leased.get(origin.url, now) if is_robots else now  # it may have been looked for in the database
        return Sent(url, origin.host, begun, page, origin, self._run)

    def leased(self, origin: str, now: float) -> None:
        """A request to *origin* was handed to a worker."""
        self._leased[origin] = now

    def _check_page(self, page: Resource, origin: Origin) -> None:
        if origin.obeys:
            known = self._robots.get(origin.url)
            if known is None or not (known.run == self._run or known.may_be_committed):
                raise Broken(f"{page.path} was asked for before the robots.txt of {origin.url}")
            if origin.forbids and page.path.startswith("/private/"):
                raise Broken(f"{origin.url}{page.path} was asked for, and robots.txt forbids it")
        if page.unique:
            before = "it was done in an earlier run" if page.number in self._finished else self._over.get(page.number)
            if before not in (None, "fault"):
                raise Broken(f"page {page.number} is asked for again: {before}")
            self._over[page.number] = "it is under way"

    def sent(self, sent: Sent, now: float) -> None:
        """It leaves."""
        sent.left = now
        last = self._last.get(sent.host)
        if last is not None:
            gap = max(self._site.delay_of(sent.host), self._gap(sent, last, now))
            if now - last.left < gap - _SLACK:
                raise Broken(f"{sent.url} is asked {now - last.left:.3f} s after {last.url}; {gap} s are due")
            since = self._strained.get(sent.host)
            if since is not None and sent.begun > since and now - last.left < _STRAINED - _SLACK:
                raise Broken(f"{sent.url} is asked {now - last.left:.3f} s after {last.url}, and the host refused")
        self._last[sent.host] = sent
        self._check_address(sent, now)
        for refusal in self._refusals[sent.host]:
            counts = sent.begun > refusal.received if refusal.run == self._run else refusal.is_committed
            if counts and now < refusal.until - _SLACK:
                raise Broken(
                    f"{sent.host} is asked {refusal.until - now:.3f} s before its Retry-After is over ({sent.url}); it "
                    f"was received at {refusal.received:.3f}"
                )

    def _check_address(self, sent: Sent, now: float) -> None:
        if not self._site.gap_of(sent.host):
            return  # it may be asked as often as one likes, whoever else is there
        address = self._site.addresses[sent.host.partition(":")[0]]
        sent.is_first = sent.begun <= self._left.setdefault(sent.host, now)
        last = self._last_at.get(address)
        self._last_at[address] = sent
        if last is None or sent.is_first or last.is_first:
            return
        self.counts["spaced by address"] += sent.host != last.host
        if now - last.left < (gap := self._site.gap_of(last.host)) - _SLACK:
            raise Broken(f"{sent.url} is asked {now - last.left:.3f} s after {last.url} at {address}; {gap} s are due")

    def _gap(self, sent: Sent, last: Sent, now: float) -> float:
        """Seconds that are due: the host's own delay, and what the robots.txt that are known of it ask."""
        asked = [
            min(origin.crawl_delay, self._site.max_delay)
            for origin in self._site.origins
            if origin.host == sent.host and origin.obeys and origin.crawl_delay and self._binds(origin, sent, last, now)
        ]
        return max(asked, default=0.0)

    def _binds(self, origin: Origin, sent: Sent, last: Sent, now: float) -> bool:
        """Whether what the robots.txt of *origin* asks must be known between *last* and *sent*.

        What was under way before an answer came cannot keep to it.
        """
        known = self._robots.get(origin.url)
        if known is None:
            return False
        if last.run < self._run:
            return origin is sent.origin and known.is_committed and now - known.age < _DAY
        is_its_own = last.page is None and last.origin is origin
        return known.run == self._run and sent.begun > known.received and (is_its_own or last.begun > known.received)

    def end(self, sent: Sent, fault: str | None) -> None:
        """It is answered, or never will be."""
        self._in_flight[sent.host] -= 1
        if fault is None and sent.page is not None and sent.page.kind in ("page", "raises"):
            self._strained.pop(sent.host, None)
        if sent.page is not None:
            self._over[sent.page.number] = "fault" if fault else "it was answered in this run"

    def refused(self, sent: Sent, seconds: float | None, now: float) -> None:
        """The host says "too much"."""
        rest = min(1.0 if seconds is None else seconds, self._site.max_delay)
        self._refusals[sent.host].append(Refusal(now, now + rest, self._run))
        self.counts["refusals"] += 1
        is_alone = self._in_flight[sent.host] == 1 and sent.begun > self._troubled.get(sent.host, -1.0)
        if self._site.throttle and is_alone:  # else it may have been struck with another one, for which it was strained
            self._strained[sent.host] = now
        self._troubled[sent.host] = now

    def failed(self, sent: Sent, now: float) -> None:
        """It never gets an answer."""
        self._troubled[sent.host] = now

    def robots(self, sent: Sent, now: float) -> None:
        """The rules of an origin are on their way back."""
        self._robots[sent.origin.url] = Known(now, self._run, now)

    def recalled(self, origin: str, age: float, now: float) -> None:
        """The rules of *origin* were found in the database; they had been fetched at *age*."""
        if now - age < _DAY:
            self._robots[origin] = Known(now, self._run, age, is_committed=True, may_be_committed=True)

    def committed(self, at: float) -> None:
        """What was learned before *at* is durable."""
        for known in self._robots.values():
            known.is_committed |= known.received < at and known.run == self._run
            known.may_be_committed |= known.received <= at and known.run == self._run
        for refusals in self._refusals.values():
            for refusal in refusals:
                refusal.is_committed |= refusal.received < at and refusal.run == self._run


@dataclass
class Order:
    """Law 3, and that nothing is leased twice: a frontier of one line, to compare with."""

    waiting: dict[str, dict[int, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    """By host: number, and place."""
    later: dict[int, tuple[float, str, tuple[int, int]]] = field(default_factory=dict)
    returned: set[int] = field(default_factory=set)
    """Numbers of those that were leased before. They are in memory, and may come before their turn."""

    @property
    def total(self) -> int:
        return sum(map(len, self.waiting.values())) + len(self.later)

    def add(self, host: str, key: tuple[int, int]) -> None:
        self.waiting[host][key[1]] = key

    def give_back(self, host: str, key: tuple[int, int], due: float | None = None) -> None:
        self.returned.add(key[1])
        if due is None:
            self.add(host, key)
        else:
            self.later[key[1]] = due, host, key

    def take(self, host: str, key: tuple[int, int], now: float) -> None:
        for number, (due, its_host, its_key) in list(self.later.items()):
            if due <= now:
                del self.later[number]
                self.add(its_host, its_key)
        if self.waiting[host].pop(key[1], None) is None:
            raise Broken(f"request {key[1]} of {host} is leased, and does not wait")
        first = min(self.waiting[host].values(), default=key)
        if first < key and key[1] not in self.returned:
            raise Broken(f"{key} of {host} is leased before {first}")


# --- what is kept ---


@dataclass
class Kept:
    """What a database says."""

    positions: dict[str, int]
    finished: list[tuple[int, str, str]]
    """Number, verdict and URL."""
    failures: list[tuple[int | None, str, str]]
    """Number, reason and URL."""
    waiting: list[tuple[int, str, int]]
    """Number, host and rank."""
    meta: dict[str, Any]

    @property
    def tally(self) -> dict[str, Any]:
        return json.loads(self.meta["tally"]) if "tally" in self.meta else {}


def kept_in(path: Path) -> Kept:
    connection = sqlite3.connect(path)
    try:
        return Kept(
            dict(connection.execute("SELECT name, position FROM outputs")),
            connection.execute("SELECT number, verdict, url FROM finished").fetchall(),
            connection.execute("SELECT number, reason, url FROM failures").fetchall(),
            connection.execute("SELECT number, host, rank FROM waiting").fetchall(),
            dict(connection.execute("SELECT key, value FROM meta")),
        )
    finally:
        connection.close()


def finished_in(site: Site, kept: Kept) -> Counter[int]:
    """How often each page has an outcome."""
    return Counter(_number(site, url) for _, verdict, url in kept.finished if not _is_cookie(site, verdict, url))


def records_of(data: bytes) -> list[dict[str, Any]]:
    """The lines of an output. Each is whole."""
    if data and not data.endswith(b"\n"):
        raise Broken("a torn line is committed")
    return [json.loads(line) for line in data.splitlines()]


def check_kept(site: Site, kept: Kept, outputs: dict[str, bytes], *, partial: int) -> None:
    """Law 4, at any moment. *outputs* are cut at their committed positions; so many *partial* pages that wait may have
    given the first of their items already: each end by ``max_items`` may leave one."""
    _check_rows(site, kept)
    done = Counter(_number(site, url) for _, verdict, url in kept.finished if verdict == "done")
    failed = Counter(_number(site, url) for _, verdict, url in kept.finished if verdict == "failed")
    wanted: Counter[tuple[Any, ...]] = Counter()
    for number, times in done.items():
        for item in range(site.pages[number].items):
            wanted["page", number, item] += times
    if site.hears_failures:
        wanted.update({("failed", number, 0): times for number, times in failed.items()})
    rejects = Counter({number: times * site.pages[number].rejects for number, times in done.items()})
    for name, data in outputs.items():
        records = records_of(data)
        if name == "rejects":
            _same(name, Counter(record["values"]["page"] for record in records), +rejects)
            continue
        found = Counter((record["kind"], record["page"], record["item"]) for record in records)
        waiting = found - wanted if partial else Counter()
        pages = {number for _, number, _ in waiting}
        if any(number in done and site.pages[number].unique for number in pages) or len(pages) > partial:
            raise Broken(f"{name} holds what nobody gave: {waiting}")
        _same(name, found - waiting, wanted)
    if kept.tally and kept.tally["pages"] != done.total():
        raise Broken(f"{kept.tally['pages']} pages are counted, {done.total()} are done")
    items = [len(records_of(data)) for name, data in outputs.items() if name != "rejects"]
    if kept.tally and items != [kept.tally["items"]] * len(items):
        raise Broken(f"{kept.tally['items']} items are counted, the outputs hold {items}")


def _check_rows(site: Site, kept: Kept) -> None:
    twice = [number for number, _, _ in kept.waiting if number in {number for number, _, _ in kept.finished}]
    if twice:
        raise Broken(f"requests {twice} wait, and are finished")
    ended = finished_in(site, kept)
    twice = [number for number, times in ended.items() if times > 1 and site.pages[number].unique]
    if twice:
        raise Broken(f"pages {twice} are finished more than once")
    given_up = sorted(number for number, verdict, _ in kept.finished if verdict == "failed")
    in_ledger = sorted(number for number, _, _ in kept.failures if number is not None)
    if given_up != in_ledger:
        raise Broken(f"requests {given_up} have failed, the ledger has {in_ledger}")


def check_end(site: Site, kept: Kept) -> None:
    """Everything that can be reached has become what it must."""
    if kept.waiting:
        raise Broken(f"the crawl is complete, and these wait: {kept.waiting}")
    expected = site.expected()
    reasons = {number: reason for number, reason, _ in kept.failures}
    found = Expected()
    for number, verdict, url in kept.finished:
        page = _number(site, url)
        if _is_cookie(site, verdict, url):
            continue
        found.times[page] += 1
        is_open = expected.verdicts.get(page) == "done or failed" and verdict in ("done", "failed")
        verdict = reasons[number] if verdict == "failed" else verdict
        found.verdicts[page] = "done or failed" if is_open else verdict
    _same("the ledger", found.verdicts, expected.verdicts)
    _same("the number of times", dict(found.times), dict(expected.times))


def _is_cookie(site: Site, verdict: str, url: str) -> bool:
    """Whether the page redirected to itself, as some do once."""
    return verdict == "redirected" and site.pages[_number(site, url)].kind != "moved"


def _number(site: Site, url: str) -> int:
    page = site.page_of(url)
    if page is None:
        raise Broken(f"{url} has an outcome, and is no page ({urlsplit(url)})")
    return page.number


def _same(what: str, found: Any, wanted: Any) -> None:  # Any: two dicts of one kind
    if found != wanted:
        keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        wrong = "; ".join(f"{key}: {found.get(key)}, not {wanted.get(key)}" for key in keys[:5])
        raise Broken(f"{what} is wrong in {len(keys)} places: {wrong}")
