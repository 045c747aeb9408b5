"""Group commit: outcomes become durable together.

The order is what makes a dataset exact. (1) Records are appended to the sinks and flushed. (2) In one transaction of
the store the outcomes and each sink's position are written. A crash between the two leaves a tail behind the
committed position, which a resume cuts off, and leases without outcome, which are fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.engine.stats import Stats
from crawler.frontier.store import Batch, Store
from crawler.items.check import reject_line
from crawler.outcome import Outcome, Record
from crawler.request import Entry


class Sink(Protocol):
    """Where records go. One owner: only the committer calls it."""

    name: str

    async def append(self, records: Sequence[Record]) -> int:
        """Write *records* and flush them; the position after them, in bytes.

        :raises SinkError: it cannot be written; nothing of *records* is left in it
        """


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """The size of a group."""

    commit_interval: Annotated[float, Meta(gt=0, description="seconds that an outcome waits for others, at most")] = 0.2
    commit_size: Annotated[int, Meta(ge=1, description="outcomes that are committed together, at most")] = 500


class Committer:
    """One task that owns the sinks and the store's transactions."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        rejects: Sink | None,
        stats: Stats,
        options: CommitOptions = CommitOptions(),
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._rejects = rejects
        self._stats = stats
        self._options = options
        self._outcomes: list[Outcome] = []
        self._seeds: list[Entry] = []
        self._something = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False

    async def put(self, outcome: Outcome) -> None:
        """Take in *outcome*. Waits while two groups wait already: a slow disk slows the crawl, it fills no memory."""
        self._outcomes.append(outcome)
        self._something.set()
        if len(self._outcomes) >= self._options.commit_size:
            self._enough.set()
            if len(self._outcomes) >= 2 * self._options.commit_size:
                self._room.clear()
                await self._room.wait()

    def put_seeds(self, seeds: list[Entry]) -> None:
        """Take in requests that no page discovered."""
        self._seeds += seeds
        self._something.set()

    def close(self) -> None:
        """Commit what waits, and end :meth:`run`."""
        self._closing = True
        self._something.set()
        self._enough.set()

    async def run(self) -> None:
        """Commit groups until closed.

        :raises SinkError: an output cannot be written. What was committed before stays; what waits is lost with the
            crawl, and would be fetched again
        """
        while not (self._closing and not self._outcomes and not self._seeds):
            await self._something.wait()
            await self._wait_for_more()
            await self._commit()

    async def _wait_for_more(self) -> None:
        if not self._enough.is_set():
            try:
                async with asyncio.timeout(self._options.commit_interval):
                    await self._enough.wait()
            except TimeoutError:
                pass

    async def _commit(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        seeds, self._seeds = self._seeds, []
        self._something.clear()
        self._enough.clear()
        if not (outcomes or seeds):
            return
        records = [record for outcome in outcomes for record in outcome.records]
        positions = {}
        for sink in self._sinks:
            positions[sink.name] = await sink.append(records)
        rejects = [Record(reject_line(reject)) for outcome in outcomes for reject in outcome.rejects]
        if rejects and self._rejects is not None:
            positions[self._rejects.name] = await self._rejects.append(rejects)
        await self._store.commit(Batch(outcomes, seeds, positions))
        self._stats.items += len(records)
        self._room.set()
