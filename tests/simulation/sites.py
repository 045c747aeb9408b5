"""A web made up from a seed: its hosts, pages, links and faults; and what a crawl of it must come to.

What is expected is computed from the graph of the pages alone. Nothing of the crawler is used for it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from urllib.parse import unquote, urlsplit

NEVER_SENT = ("dns", "connect")
BROKEN = ("timeout", "disconnected")
REFUSED = ("http_503", "http_429")
FAULTS = (*NEVER_SENT, *BROKEN, *REFUSED, "http_500")
"""What may go wrong with one request, by the word that the ledger has for it."""
COOKIE = "cookie"
"""No fault, but a redirect to the same page, once, as of one that sets a cookie first."""
NOWHERE = "http://outside.test/"
PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Fault:
    """One answer that is none."""

    reason: str
    seconds: float
    retry_after: float | None = None
    as_date: bool = False
    """Whether Retry-After is a date."""


@dataclass
class Origin:
    """One scheme of one host."""

    scheme: str
    host: str
    """With its port, if that is not the usual one."""
    robots: str = "none"
    """``none``: a 404; ``rules``; ``moved``: a redirect, then rules; ``broken``: never to be had."""
    crawl_delay: float | None = None
    forbids: bool = False
    """Whether /private/ may not be asked for."""
    obeys: bool = True
    """Whether its robots.txt is asked for at all."""
    faults: list[Fault] = field(default_factory=list)
    """The first answers to its robots.txt."""
    always: Fault | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def body(self) -> bytes:
        lines = ["User-agent: *"]
        lines += ["Disallow: /private/"] if self.forbids else []
        lines += [f"Crawl-delay: {self.crawl_delay}"] if self.crawl_delay is not None else []
        return "\n".join(lines).encode()


@dataclass(frozen=True)
class Link:
    to: int | None
    """The number of a page; None for one that is not there or not in the crawl."""
    url: str
    priority: int = 0
    unique: bool = True
    callback: str = "parse"


@dataclass
class Resource:
    """One page."""

    number: int
    origin: Origin
    path: str
    kind: str = "page"
    """``page``, ``missing`` (a 404), ``moved`` or ``raises`` (its callback does)."""
    items: int = 0
    rejects: int = 0
    links: list[Link] = field(default_factory=list)
    target: Link | None = None
    faults: list[Fault] = field(default_factory=list)
    """Its first answers."""
    always: Fault | None = None
    """Its only answer."""
    is_doubtful: bool = False
    """Whether it has more faults than there are retries, but not endlessly many."""
    unique: bool = True
    """If not, every link to it is to be followed."""

    @property
    def body(self) -> bytes:
        links = [[link.url, link.priority, link.unique, link.callback] for link in self.links]
        page = {"page": self.number, "items": self.items, "rejects": self.rejects, "links": links}
        return json.dumps({**page, "raises": self.kind == "raises"}).encode()


@dataclass
class Expected:
    """What becomes of each page that can be reached: ``done``, ``redirected``, ``skipped``, ``done or failed``, or the
    reason for which it is given up. *times* says how often it is fetched to its end."""

    verdicts: dict[int, str] = field(default_factory=dict)
    times: Counter[int] = field(default_factory=Counter)


@dataclass
class Site:
    """All of it, and how it is to be treated."""

    seed: int
    delay: float = 0.0
    per_host: int = 8
    max_delay: float = 300.0
    delay_per_ip: float | None = None
    throttle: bool = True
    addresses: dict[str, str] = field(default_factory=dict)
    """By host name."""
    retries: int = 2
    origins: list[Origin] = field(default_factory=list)
    pages: list[Resource] = field(default_factory=list)
    seeds: list[Link] = field(default_factory=list)
    overrides: dict[str, dict[str, float | int | bool]] = field(default_factory=dict)
    """By host name: what holds for one host alone."""
    has_own_start: bool = False
    hears_failures: bool = False

    def page_of(self, url: str) -> Resource | None:
        """Which page *url* names, however it is spelled."""
        parts = urlsplit(url)
        return self.by_place.get((parts.scheme, parts.netloc, unquote(parts.path)))

    def origin_of(self, url: str) -> Origin:
        parts = urlsplit(url)
        return next(origin for origin in self.origins if (origin.scheme, origin.host) == (parts.scheme, parts.netloc))

    def delay_of(self, host: str) -> float:
        return self.overrides.get(host.partition(":")[0], {}).get("delay", self.delay)

    def gap_of(self, host: str) -> float:
        """Seconds for which its address is left alone after a request to *host*."""
        return self.delay_of(host) / 5 if self.delay_per_ip is None else self.delay_per_ip

    def per_host_of(self, host: str) -> int:
        return int(self.overrides.get(host.partition(":")[0], {}).get("concurrency_per_host", self.per_host))

    def expected(self) -> Expected:
        found = Expected()
        todo = [link.to for link in self.seeds]
        found.times.update(link.to for link in self.seeds if link.to is not None and not self.pages[link.to].unique)
        while todo:
            number = todo.pop()
            if number is None or number in found.verdicts:
                continue
            page = self.pages[number]
            found.verdicts[number] = verdict = _verdict(page)
            followed = page.links if verdict == "done" else []
            if verdict == "redirected" and page.target is not None:
                followed = [page.target]
            for link in followed:
                if link.to is not None and not self.pages[link.to].unique:
                    found.times[link.to] += 1
                todo.append(link.to)
        found.times.update(number for number in found.verdicts if self.pages[number].unique)
        return found

    def __post_init__(self) -> None:
        self.by_place: dict[tuple[str, str, str], Resource] = {}


def _verdict(page: Resource) -> str:
    origin = page.origin
    if origin.obeys and origin.robots == "broken":
        reason = origin.always.reason if origin.always else ""
        return reason if reason in (*NEVER_SENT, *BROKEN) else "robots_unavailable"
    if origin.obeys and origin.forbids and page.path.startswith("/private/"):
        return "skipped"
    if page.always is not None:
        return page.always.reason
    if page.is_doubtful:
        return "done or failed"
    return {"page": "done", "missing": "http_404", "moved": "redirected", "raises": "callback_error"}[page.kind]


# --- made up ---


def made_up(seed: int) -> Site:
    rng = Random(seed)
    site = Site(
        seed,
        delay=rng.choice([0.0, 0.0, 0.05, 0.25, 1.0]),
        per_host=rng.choice([1, 2, 8]),
        max_delay=rng.choice([20.0, 300.0]),
        delay_per_ip=rng.choice([None, None, 0.0, 0.1, 0.5]),
        throttle=rng.random() < 0.7,
        retries=rng.choice([0, 1, 2, 2, 3]),
        has_own_start=rng.random() < 0.4,
        hears_failures=rng.random() < 0.3,
    )
    _make_hosts(site, rng)
    _make_pages(site, rng)
    _link(site, rng)
    _make_seeds(site, rng)
    return site


def _make_hosts(site: Site, rng: Random) -> None:
    has_faults = rng.random() < 0.7
    for number in range(rng.choice([1, 1, 2, 3, 4, 5, 6])):
        name = f"h{number}.test"
        site.addresses[name] = f"192.0.2.{rng.choice([1, 1, 2, number + 3])}"
        host = name + rng.choice(["", "", ":8080"])
        if rng.random() < 0.2:
            site.overrides[name] = {"delay": rng.choice([0.0, 0.5, 2.0]), "concurrency_per_host": rng.choice([1, 3])}
        obeys = rng.random() < 0.7
        if not obeys:
            site.overrides.setdefault(name, {})["obey_robots"] = False
        for scheme in ["http", "https"] if rng.random() < 0.25 else [rng.choice(["http", "https"])]:
            origin = Origin(scheme, host, obeys=obeys)
            origin.robots = rng.choices(["none", "rules", "moved", "broken"], [3, 6, 1, 0.5 if has_faults else 0])[0]
            if origin.robots in ("rules", "moved"):
                origin.forbids = rng.random() < 0.5
                origin.crawl_delay = rng.choice([None, None, 0.1, 1.0, 5.0])
            if origin.robots == "broken":
                origin.always = _fault(rng)
            elif has_faults and rng.random() < 0.3:
                origin.faults = [_fault(rng) for _ in range(rng.randint(0, site.retries))]
            site.origins.append(origin)


def _make_pages(site: Site, rng: Random) -> None:
    many = rng.choice([4, 10, 20, 40, 60, 120])
    shares = [rng.choice([1, 1, 8]) for _ in site.origins]
    faulty = rng.choice([0.0, 0.0, 0.1, 0.3])
    odd = rng.choice([0.0, 0.1, 0.3])
    for number in range(rng.randint(many // 2, many)):
        origin = rng.choices(site.origins, shares)[0]
        folder = "/private" if rng.random() < 0.1 else ""
        page = Resource(number, origin, f"{folder}/p{number}", items=rng.choice([0, 1, 1, 2, 3]))
        if number and rng.random() < odd:
            page.kind = rng.choice(["missing", "moved", "raises"])
        if rng.random() < 0.05:
            page.rejects = 1
        if number and page.kind == "page" and rng.random() < 0.05:
            page.unique = False
        if rng.random() < faulty:
            _make_faulty(page, site.retries, rng)
        if page.unique and page.kind != "moved" and rng.random() < 0.03:
            page.faults.insert(rng.randint(0, len(page.faults)), Fault(COOKIE, 0.0))
        site.pages.append(page)
        site.by_place[origin.scheme, origin.host, page.path] = page


def _make_faulty(page: Resource, retries: int, rng: Random) -> None:
    chance = rng.random()
    if chance < 0.7 or not page.number:
        page.faults = [_fault(rng) for _ in range(rng.randint(0, retries))]
    elif chance < 0.85 or page.kind != "page":
        page.always = _fault(rng)
    else:
        page.is_doubtful = True
        page.faults = [_fault(rng) for _ in range(retries + rng.randint(1, 3))]


def _fault(rng: Random) -> Fault:
    reason = rng.choice(FAULTS)
    wish = rng.choice([None, 1.0, 7.0, 60.0, 1000.0]) if reason in REFUSED else None
    return Fault(reason, rng.choice([0.0, 0.1, 2.0, 20.0]), wish, as_date=rng.random() < 0.3)


def _link(site: Site, rng: Random) -> None:
    """Each page is linked from one before it, so that most can be reached; other links go anywhere."""
    priorities = {
        "flat": lambda _: 0,
        "some": lambda _: rng.choice([0] * 8 + [5, -5]),
        "any": lambda _: rng.randint(-3, 3),
        "rising": lambda number: number,
        "falling": lambda number: -number,
    }[rng.choice(["flat", "some", "any", "rising", "rising", "falling"])]
    has_waiting_callbacks = rng.random() < 0.5
    is_wide = rng.random() < 0.4

    def link(page: Resource) -> Link:
        callback = "parse_slowly" if has_waiting_callbacks and rng.random() < 0.3 else "parse"
        return Link(page.number, _spelled(page, rng), priorities(page.number), page.unique, callback)

    hubs = [page for page in site.pages if page.kind == "page" and page.unique and not page.is_doubtful]
    for page in site.pages[1:]:
        before = [hub for hub in hubs if hub.number < page.number]
        parent = before[0] if is_wide and rng.random() < 0.8 else rng.choice(before)
        parent.links.append(link(page))
    for page in hubs:
        page.links += [link(rng.choice(site.pages)) for _ in range(rng.choice([0, 1, 3]))]
        if rng.random() < 0.1:
            page.links.append(Link(None, rng.choice([NOWHERE, "http://[", "mailto:me@h0.test"])))
        rng.shuffle(page.links)
    for page in site.pages:
        if page.kind == "moved":
            targets = [other for other in site.pages[page.number + 1 :] if other.unique] or [site.pages[0]]
            page.target = link(rng.choice(targets))


def _make_seeds(site: Site, rng: Random) -> None:
    first = site.pages[0]
    site.seeds.append(Link(0, f"{first.origin.url}{first.path}"))
    for _ in range(rng.choice([0, 0, 1, 3, 10])):
        page = rng.choice(site.pages)
        if page.unique:
            site.seeds.append(Link(page.number, _spelled(page, rng), rng.choice([0, 0, 9])))
    rng.shuffle(site.seeds)


def _spelled(page: Resource, rng: Random) -> str:
    """One of the many ways to write a page's URL down."""
    origin, path = page.origin, page.path
    chance = rng.random()
    if chance < 0.6:
        return origin.url + path
    others = [
        f"{origin.scheme.upper()}://{origin.host.upper()}{path}",
        f"{origin.url}{path}#there",
        f"{origin.url}{path}?",
        f"{origin.url}/x/..{path}",
        f"{origin.url}/./{path.lstrip('/')}",
        f"{origin.url}{path[:-1]}%{ord(path[-1]):02x}",
    ]
    if ":" not in origin.host:
        others.append(f"{origin.scheme}://{origin.host}:{PORTS[origin.scheme]}{path}")
    return rng.choice(others)
