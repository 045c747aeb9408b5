"""What a frontier's store must do. One contract test runs over every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from crawler.outcome import Failure, Outcome, Tally
from crawler.request import Entry
from crawler.response import Cookie, RobotsFile


class Learned(msgspec.Struct, frozen=True, gc=False):
    """How a host wants to be treated, beyond what the settings say."""

    host: str
    rest: float
    """Seconds that it is to be left alone when the crawl goes on. A duration, not a moment: no clock can shift it."""
    refusals: int
    """How often in a row it said "too much"."""
    latency: float = 0.0
    """Seconds that its answers take, as :class:`~crawler.politeness.throttle.Throttle` has them."""
    penalty: float = 0.0
    """... and the pause that its refusals have led to."""


class Restored(msgspec.Struct):
    """What an earlier run of the job left behind."""

    waiting: int = 0
    """Requests not finished, those that were leased among them. They are read with :meth:`Store.read`."""
    number: int = 0
    """The highest :attr:`Entry.number` there is."""
    positions: dict[str, int] = {}
    """The committed position of each output, in bytes: everything after it is cut off."""
    hosts: dict[str, Learned] = {}
    sites: dict[str, int] = {}
    """The pages that were fetched of each site, as far as they were counted."""
    seed_hosts: list[str] = []
    """The host names of the seeds."""
    seeds_drawn: int = 0
    """Seeds that ``start()`` gave and that are committed."""
    seeds_ended: bool = False
    cookies: list[Cookie] = []
    tally: Tally | None = None
    """None for a job that never ran."""
    failures: list[tuple[str, int, list[Failure]]] = []
    """Each reason, how many URLs were given up for it, and a few of them."""


class Batch(msgspec.Struct):
    """One group commit: everything in it becomes durable together, or nothing."""

    outcomes: list[Outcome] = []
    """In the order in which their leases ended."""
    seeds: list[Entry] = []
    """Requests that no page discovered. They come before the outcomes."""
    failures: list[Failure] = []
    """Seeds that cannot be asked at all."""
    positions: dict[str, int] = {}
    """How many bytes of each output hold records of outcomes up to these."""
    seeds_drawn: int = 0
    seeds_ended: bool = False
    hosts: list[Learned] = []
    """Those of which something new was learned."""
    robots: list[RobotsFile] = []
    cookies: list[Cookie] = []
    tally: Tally | None = None
    """None for a batch that counts nothing: then what was counted before stands, the seeds too."""
    ended: str | None = None
    """Why the crawl ended, with its last group."""
    sites: list[tuple[str, int]] = []
    """Further pages of each site, where there is a limit to them."""


class Want(msgspec.Struct, frozen=True, gc=False):
    """A question for what waits: so many requests of *host*, from the first one past *after*."""

    host: str
    after: tuple[int, int]
    """A place, as :attr:`Entry.key` has it."""
    limit: int


class Store(Protocol):
    """URL-seen, the requests that wait, and what is committed.

    :meth:`add` works in memory and answers at once, so that a link costs no await; what it took in is durable with
    the outcome that discovered it. Outcomes are committed in the order in which leases ended, and a request's
    discovery therefore always before its own outcome.
    """

    seed: int
    """The job's own random number, under which fingerprints are made. Known once it is open."""
    keeps: bool
    """Whether requests can be read back. If not, the frontier holds them all in memory."""

    async def open(self) -> Restored:
        """Make ready; called once, before anything else.

        :raises StoreError: it cannot be read or written
        """

    def known(self, fingerprints: Sequence[int]) -> list[bool]:
        """Which of *fingerprints* have been seen: a hint that spares work, and marks nothing."""

    def add(self, entries: Sequence[Entry]) -> list[Entry]:
        """Mark each entry's fingerprint as seen, and give back those that were not. Atomic: one question, no race.

        An entry whose request is not ``unique`` is always given back.
        """

    async def commit(self, batch: Batch) -> None:
        """Make *batch* durable in one transaction.

        :raises StoreError: it cannot be written. Nothing of the batch is in the store then
        """

    async def hosts(self, after: str, limit: int) -> list[str]:
        """The hosts that have committed requests waiting, from the first name past *after* on."""

    async def read(self, wants: Sequence[Want]) -> list[list[Entry]]:
        """For each of *wants*, the committed requests that wait, by their keys."""

    async def robots(self, origin: str) -> RobotsFile | None:
        """The robots.txt of *origin*, if an earlier run fetched it."""

    async def close(self) -> None:
        """Let go of everything; nothing may be asked afterwards."""
