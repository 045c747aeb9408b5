"""Whether a site has an end: kinds of pages that go on and on, and bring nothing new.

Rule 1: a page is judged by its own kind: its host and the shape of its URL. A kind is *stale* when it is many already
and nearly none of its last pages said anything that others of them had not said.
Rule 2: only what feeds itself is endless. From a page of a stale kind no link to such a kind is followed, once its
budget is spent; what a sitemap, a list with news in it or the user names is fetched whatever it is.
Rule 3: items are what the crawl is for: a page that gives some counts a 25th.
Rule 4: a stale kind that has news again is free again. What was not followed is not marked as seen.
Rule 5: memory is bounded, and whatever is forgotten is forgotten in favour of the site: its count begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from crawler.traps.names import Names
from crawler.traps.novelty import Memory, heading_mark, is_news, text_of, title_mark
from crawler.traps.options import Caution
from crawler.traps.shape import folder, shape
from crawler.traps.spelling import is_endless
from crawler.urls.url import address

MANY = 128
"""Pages of one kind that nobody looks at: most kinds of most sites never have more."""
_SAMPLE = 16
"""One content in so many is looked at. Always the same ones: what comes again under another URL is noticed."""
_SPARSE = 64
"""... as long as all that were looked at had news. After so many pages one is looked at whatever its title is, and much
sooner where one has the title of the other.
"""
_PATIENCE = 64
"""Pages after which one is looked at whatever its content is; a quarter of that where one is like the other."""
_ALL_NEW: Final = 0xFFFFFFFF
"""The last 32 pages that were looked at, a bit each: 1 for news."""
_STALE, _FRESH = 3, 8
"""Pages with news among the last 32: so few make a kind stale, so many free it."""
ITEM_WORTH = 25
"""Pages without items that a page with items counts as little as one of. 25,000 pages take two hours."""

_KINDS = 512
"""Kinds of one host; past that kinds are as wide as the first folder. A blog's articles are a kind each."""
_FOLDERS = 256
"""Wide kinds of one host; past that one kind has all the rest."""
_QUERIES = 20
"""Sets of query names at one path; past that they are one kind: a shop's filters."""
_PLACES = 20_000
"""Hosts whose pages are counted."""
_COUNTS = 200_000
"""Kinds that are counted, over all hosts: 20 MB."""
_WATCHED = 400
"""Kinds whose text is remembered, in 64 kB each: 26 MB."""
_VERDICTS = 10_000
"""Hosts of which it is remembered where they are counted; past that the memory starts afresh."""

T = TypeVar("T")


class _Place(msgspec.Struct):
    """A host, or all hosts of a site that has very many."""

    pages: int = 0
    counts: dict[str, int] = {}
    """The pages of each kind, once the host has many."""
    queries: dict[str, set[str]] = {}
    folders: int = 0
    """How many of the kinds are wide."""
    shut: int = 0
    """How many are shut."""

    def count(self, path: str, names: str) -> str:
        """One more page, of that path and query, as :func:`~crawler.traps.shape.shape` gives them. Its kind."""
        sets = self.queries.get(path) if names else None
        if sets is not None and len(sets) <= _QUERIES:
            sets.add(names)
        elif names and sets is None and len(self.queries) < _KINDS:
            self.queries[path] = {names}
        kind = self.kind_of(path, names)
        if kind not in self.counts:
            self.counts[kind] = 0
            self.folders += kind.endswith("/**")
        self.counts[kind] += 1
        return kind

    def kind_of(self, path: str, names: str) -> str:
        """The kind of a page, as far as those so far tell."""
        if names:
            path = f"{path}?*" if len(self.queries.get(path, ())) > _QUERIES else f"{path}?{names}"
        if path in self.counts or len(self.counts) - self.folders < _KINDS:
            return path
        return self.wide_kind_of(path)

    def wide_kind_of(self, path: str) -> str:
        """The kind of a page whose own one is too small to be told apart."""
        wide = folder(path)
        return wide if wide in self.counts or self.folders < _FOLDERS else "/**"


class Kind(msgspec.Struct):
    """Pages whose URLs look the same, of a host that has many of them."""

    name: str
    """For people: ``example.com/calendar/{n}/{n}``."""
    place: _Place
    memory: Memory
    history: int = _ALL_NEW
    unseen: int = 0
    """Pages since one was looked at."""
    misses: int = 0
    """Pages that were looked at in a row although their content is not among the chosen: perhaps none is."""
    title: int = 0
    """Of the first page, as a mark."""
    mark: int = 0
    """The content of the page before, by its title; where that is the first page's, by its heading, too."""
    spent: int = 0
    """Pages while stale; one without items counts :data:`ITEM_WORTH`."""
    is_stale: bool = False
    is_shut: bool = False


class Traps:
    """The traps of one crawl, in this run of it. Nothing is awaited."""

    def __init__(self, caution: Caution, site_of: Callable[[str], str] = lambda hostname: hostname) -> None:
        """*site_of* gives the site that a host name belongs to. It is asked for sites with many hosts alone."""
        self._caution = caution
        self._names = Names(site_of)
        self._verdicts: dict[str, str] = {}
        self._places: dict[str, _Place] = {}
        self._kinds: dict[str, Kind] = {}
        self._counts = 0
        self._shut = 0

    def __bool__(self) -> bool:
        """Whether any kind is left alone."""
        return self._shut > 0

    def welcome(self, hostname: str) -> None:
        """The user names *hostname*: it is none too many."""
        self._names.welcome(hostname)

    def objection(self, href: str, hostname: str, *, is_fed: bool = False, is_listed: bool = False) -> str:
        """Why the link to *href* is not followed: ``trap_path``, ``trap_hosts`` or ``trap``; empty if it may be.

        :param href: as :func:`~crawler.urls.url.address` serializes it, which gives its *hostname*, too
        :param is_fed: what :meth:`feeds` says of the page that it was found on
        :param is_listed: whether that is a finite list, such as a sitemap
        """
        place = self._verdicts.get(hostname)
        if place is None:
            place = self._verdict(hostname)
        if not place:
            return "trap_hosts"
        if is_listed:
            return ""
        most = self._caution.of(hostname).max_path_segments
        if most is not None and is_endless(href, most):
            return "trap_path"
        return "trap" if is_fed and self._is_shut(place, href) else ""

    def feeds(self, href: str) -> bool:
        """Whether the page *href* is of a kind that is stale and whose budget is spent; or of a small one, in a folder
        whose other small ones are, as kinds of one page each.
        """
        if not self._shut:
            return False
        target = address(href)
        return target is not None and self._is_shut(self._place_of(target.hostname), target.href, is_parent=True)

    def is_spent(self, href: str, hostname: str, referrer: str) -> bool:
        """Whether *href*, which has waited since it was found on *referrer*, is left out now."""
        return bool(referrer) and self._is_shut(self._place_of(hostname), href) and self.feeds(referrer)

    def saw(self, href: str, hostname: str, body: bytes, *, has_items: bool) -> Kind | None:
        """A page was fetched. Its kind, if that is shut from now on."""
        options = self._caution.of(hostname)
        if options.trap_pages is None:
            return None
        name = self._place_of(hostname)
        place = self._places.get(name) or self._place(name)
        place.pages += 1
        if place.pages <= MANY:
            return None
        path = self._count(place, *shape(href))
        if not path:
            return None
        kind = self._kinds.get(name + path)
        if kind is None:
            kind = self._watch(place, name + path, body)
            if name == hostname:
                kind.name = href.split("/", 3)[2] + path
        if self._is_sample(kind, body):
            self._look(kind, href, body)
        if not kind.is_stale or kind.is_shut:
            return None
        kind.spent += 1 if has_items else ITEM_WORTH
        if kind.spent < options.trap_pages * ITEM_WORTH:
            return None
        self._shut_off(kind)
        return kind

    def _shut_off(self, kind: Kind) -> None:
        kind.is_shut = True
        kind.place.shut += 1
        self._shut += 1

    def _is_sample(self, kind: Kind, body: bytes) -> bool:
        mark = title_mark(body)
        if mark == kind.title:  # perhaps that of all its pages
            mark ^= heading_mark(body)
        kind.unseen += 1
        is_lively = kind.history == _ALL_NEW
        if mark == kind.mark:
            return kind.unseen >= (_SAMPLE if is_lively else _SAMPLE // 2)
        kind.mark = mark
        if not mark % (_SPARSE if is_lively else _SAMPLE):
            kind.misses = 0
            return True
        if kind.unseen < (_SPARSE if is_lively or kind.misses < 2 else _SAMPLE):
            return False
        kind.misses += 1
        return True

    def _look(self, kind: Kind, href: str, body: bytes) -> None:
        kind.unseen = 0
        text = text_of(body, href)
        if text is None:
            return
        kind.history = (kind.history << 1 | is_news(text, href, kind.memory)) & _ALL_NEW
        news = kind.history.bit_count()
        if news <= _STALE:
            kind.is_stale = True
        elif news >= _FRESH and kind.is_stale:
            self._free(kind)

    def _free(self, kind: Kind) -> None:
        if kind.is_shut:
            kind.place.shut -= 1
            self._shut -= 1
        kind.is_stale = kind.is_shut = False
        kind.spent = 0

    def _verdict(self, hostname: str) -> str:
        """Where pages of *hostname* are counted: there, or with all the other hosts of its site; "" if it is one host
        too many.
        """
        is_among, site = self._names.is_among(hostname, self._caution.of(hostname).max_hosts_per_site)
        if len(self._verdicts) >= _VERDICTS:
            self._verdicts.clear()
        verdict = self._verdicts[hostname] = "" if not is_among else f"*.{site}" if site else hostname
        return verdict

    def _place_of(self, hostname: str) -> str:
        return self._verdicts.get(hostname) or hostname

    def _is_shut(self, name: str, href: str, *, is_parent: bool = False) -> bool:
        place = self._places.get(name)
        if place is None or not place.shut:
            return False
        path, names = shape(href)
        kind = self._kinds.get(name + place.kind_of(path, names))
        if kind is None and is_parent:
            kind = self._kinds.get(name + place.wide_kind_of(path))
        return kind is not None and kind.is_shut

    def _count(self, place: _Place, path: str, names: str) -> str:
        """One more page: of which kind it is, as its host tells them apart; "" as long as those are few."""
        before = len(place.counts)
        path = place.count(path, names)
        self._counts += len(place.counts) - before
        return path if place.counts[path] > MANY else ""

    def _watch(self, place: _Place, key: str, body: bytes) -> Kind:
        kind = self._kinds[key] = Kind(key, place, Memory(), title=title_mark(body))
        if len(self._kinds) > _WATCHED:
            self._drop(_second_chance(self._kinds, lambda kind: kind.history == _ALL_NEW))
        return kind

    def _place(self, name: str) -> _Place:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = _Place()
            while len(self._places) > _PLACES or self._counts > _COUNTS:
                self._forget()
        return place

    def _forget(self) -> None:
        name = _second_chance(self._places, lambda place: not place.shut)
        place = self._places.pop(name)
        self._counts -= len(place.counts)
        for path in place.counts:
            if name + path in self._kinds:
                self._drop(name + path)

    def _drop(self, key: str) -> None:
        self._free(self._kinds.pop(key))


def _second_chance(candidates: dict[str, T], may_go: Callable[[T], bool]) -> str:
    """Which of *candidates* is forgotten: the oldest one that *may_go*, if there is one among the first few. Those that
    may not are the newest then.
    """
    for _ in range(8):
        name = next(iter(candidates))
        if may_go(candidates[name]):
            return name
        candidates[name] = candidates.pop(name)
    return next(iter(candidates))
