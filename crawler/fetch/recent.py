"""What is known of each origin's robots.txt, bounded in bytes: what was not asked for lately is forgotten first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from crawler.errors import FetchError
from crawler.politeness.robots import Rules

ROOM = 64 * 1024 * 1024
"""Bytes for all that is remembered: the rules of 20,000 hosts with twenty rules each, or 150,000 hosts without any."""
_ENTRY = 400
"""Bytes of an origin, beside its name and its rules."""
_TROUBLE = 1_000
"""Bytes of a failure."""


@dataclass(slots=True)
class Trouble:
    """A robots.txt that does not come at once."""

    url: str = ""
    """Where it moved to, if it is to be asked for there."""
    hops: int = 0
    """Redirects that led there."""
    inside: bool = True
    """Whether all of them were on private hosts, by requests that might reach those."""
    since: float = math.inf
    """Unix time of the first failure since it could be had."""
    failures: int = 0
    """In a row."""
    error: FetchError | None = None
    """Why it was given up."""
    until: float = -math.inf
    """When it may be asked for again, by the crawl's clock."""


@dataclass(slots=True)
class Known:
    """What is known of one origin."""

    rules: Rules | None = None
    """The last ones that could be had."""
    until: float = -math.inf
    """How long they are believed, by the crawl's clock."""
    trouble: Trouble | None = None


@dataclass(slots=True)
class _Generation:
    known: dict[str, Known] = field(default_factory=dict)
    rules: set[Rules] = field(default_factory=set)
    """Many origins may share one object: it is counted once."""
    size: int = 0

    def put(self, origin: str, known: Known) -> None:
        if origin not in self.known:
            self.size += _ENTRY + len(origin)
        self.known[origin] = known
        self.size += _TROUBLE if known.trouble is not None else 0
        if known.rules is not None and known.rules not in self.rules:
            self.rules.add(known.rules)
            self.size += known.rules.size


class Recent:
    """Two generations: what is asked for moves to the younger one; when that is full, the older one is dropped whole.

    So nothing is written when a known origin is asked for, and nothing has to be kept in order.
    """

    def __init__(self, room: int = ROOM) -> None:
        """*room* is in bytes."""
        self._room = room // 2
        self._young = _Generation()
        self._old = _Generation()
        self.has_forgotten = False
        """Whether anything was dropped, ever."""

    def __len__(self) -> int:
        return len(self._young.known.keys() | self._old.known.keys())

    def get(self, origin: str) -> Known | None:
        known = self._young.known.get(origin)
        if known is None and self._old.known:
            known = self._old.known.get(origin)
            if known is not None:
                self.put(origin, known)
        return known

    def put(self, origin: str, known: Known) -> None:
        """Remember *known*; also to be called when it has changed, as it may take more room now."""
        self._young.put(origin, known)
        if self._young.size > self._room:
            self.has_forgotten |= bool(self._old.known)
            self._young, self._old = _Generation(), self._young
