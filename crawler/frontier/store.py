"""What a frontier's store must do. One contract test runs over every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from crawler.outcome import Outcome
from crawler.request import Entry


class Restored(msgspec.Struct):
    """What an earlier run of the job left behind."""

    waiting: list[Entry] = []
    """Requests not finished, leased ones among them."""
    positions: dict[str, int] = {}
    """The committed position of each output, in bytes: everything after it is cut off."""


class Batch(msgspec.Struct):
    """One group commit: everything in it becomes durable together, or nothing."""

    outcomes: list[Outcome] = []
    """In the order in which their leases ended."""
    seeds: list[Entry] = []
    """Requests that no page discovered. They come before the outcomes."""
    positions: dict[str, int] = {}
    """How many bytes of each output hold records of outcomes up to these."""


class Store(Protocol):
    """URL-seen, the requests that wait, and what is committed.

    :meth:`add` works in memory and answers at once, so that a link costs no await; what it took in is durable with
    the outcome that discovered it. Outcomes are committed in the order in which leases ended, and a request's
    discovery therefore always before its own outcome.
    """

    seed: int
    """The job's own random number, under which fingerprints are made."""

    async def open(self) -> Restored:
        """Make ready; called once, before anything else."""

    def known(self, fingerprints: Sequence[int]) -> list[bool]:
        """Which of *fingerprints* have been seen: a hint that spares work, and marks nothing."""

    def add(self, entries: Sequence[Entry]) -> list[Entry]:
        """Mark each entry's fingerprint as seen, and give back those that were not. Atomic: one question, no race.

        An entry whose request is not ``unique`` is always given back.
        """

    async def commit(self, batch: Batch) -> None:
        """Make *batch* durable in one transaction."""

    async def close(self) -> None:
        """Let go of everything; nothing may be asked afterwards."""
