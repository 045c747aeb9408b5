"""Group commit: outcomes become durable together.

The order is what makes a dataset exact. (1) Records are appended to the sinks and flushed. (2) In one transaction of
the store the outcomes and each sink's position are written. A crash between the two leaves a tail behind the
committed position, which a resume cuts off, and leases without outcome, which are fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.engine.stats import Stats
from crawler.frontier.frontier import Frontier
from crawler.frontier.store import Batch, Restored
from crawler.items.check import reject_line
from crawler.items.fill import add_filled, filled_in
from crawler.outcome import Failure, Filled, Outcome, Record, Tally, Verdict
from crawler.request import Entry
from crawler.response import Cookie, RobotsFile

_GROUP = 32 * 1024 * 1024
"""Bytes of records that make a group, if its outcomes are few: a record may be as long as a page."""

News = tuple[list[RobotsFile], list[Cookie]]


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
        frontier: Frontier,
        sinks: Sequence[Sink],
        rejects: Sink | None,
        stats: Stats,
        options: CommitOptions = CommitOptions(),
        news: Callable[[], News] = lambda: ([], []),
    ) -> None:
        """*news* gives what was learned beside the pages since it was last called."""
        self._frontier = frontier
        self._news = news
        self._sinks = sinks
        self._rejects = rejects
        self._stats = stats
        self._tally = Tally()
        self._options = options
        self._outcomes: list[Outcome] = []
        self._rejected: list[Record] = []
        self._bytes = 0  # of their records, those of the rejects included
        self._seeds: list[Entry] = []
        self._failures: list[Failure] = []
        self._drawn = 0
        self._seeds_ended = False
        self._something = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False

    async def put(self, outcome: Outcome) -> None:
        """Take in *outcome*. Waits while two groups wait already: a slow disk slows the crawl, it fills no memory."""
        self._outcomes.append(outcome)
        for record in outcome.records:
            self._bytes += len(record.data)
        for reject in outcome.rejects:
            line = reject_line(reject)
            self._rejected.append(Record(line))
            self._bytes += len(line)
        self._something.set()
        if len(self._outcomes) >= self._options.commit_size or self._bytes >= _GROUP:
            self._enough.set()
            if len(self._outcomes) >= 2 * self._options.commit_size or self._bytes >= 2 * _GROUP:
                self._room.clear()
                await self._room.wait()

    def restore(self, restored: Restored) -> None:
        """Count on from where an earlier run of the job ended. Called once, before anything else."""
        self._tally = restored.tally or Tally()
        self._drawn = restored.seeds_drawn
        self._seeds_ended = restored.seeds_ended

    def put_seeds(self, seeds: list[Entry], drawn: int) -> None:
        """Take in requests that no page discovered; *drawn* is how many ``start()`` has given by now, in all."""
        self._seeds += seeds
        self._drawn = max(self._drawn, drawn)
        self._something.set()

    def put_failure(self, failure: Failure) -> None:
        """Take in a seed that cannot be asked at all."""
        self._failures.append(failure)
        self._something.set()

    def seeds_ended(self) -> None:
        """``start()`` gave all that it has."""
        self._seeds_ended = True

    def close(self) -> None:
        """Commit what waits, and end :meth:`run`."""
        self._closing = True
        self._something.set()
        self._enough.set()

    async def run(self) -> None:
        """Commit groups until closed.

        :raises SinkError: an output cannot be written. What was committed before stays; what waits is lost with the
            crawl, and would be fetched again
        :raises StoreError: the same of the store
        """
        while not self._closing or self._has_something:
            await self._something.wait()
            await self._wait_for_more()
            if self._has_something:
                await self.commit()
            else:
                self._something.clear()

    @property
    def _has_something(self) -> bool:
        return bool(self._outcomes or self._seeds or self._failures)

    async def _wait_for_more(self) -> None:
        if not self._enough.is_set():
            try:
                async with asyncio.timeout(self._options.commit_interval):
                    await self._enough.wait()
            except TimeoutError:
                pass

    async def commit(self, positions: Mapping[str, int] | None = None, ended: str | None = None) -> None:
        """Commit what waits.

        :param positions: those of outputs that have just been opened
        :param ended: why the crawl ended, with the last group
        """
        outcomes, self._outcomes = self._outcomes, []
        rejects, self._rejected = self._rejected, []
        self._bytes = 0
        seeds, self._seeds = self._seeds, []
        failures, self._failures = self._failures, []
        self._something.clear()
        self._enough.clear()
        group = self._frontier.seal()
        records = [record for outcome in outcomes for record in outcome.records]
        reached = dict(positions or {})
        if records:
            for sink in self._sinks:
                reached[sink.name] = await sink.append(records)
        if rejects and self._rejects is not None:
            reached[self._rejects.name] = await self._rejects.append(rejects)
        filled = filled_in(records)
        self._count(outcomes, len(records), len(rejects), filled)
        robots, cookies = self._news()
        batch = Batch(
            outcomes, seeds, failures, reached, self._drawn, self._seeds_ended, [], robots, cookies, self._tally, ended
        )
        await self._frontier.commit(group, batch)
        self._stats.items += len(records)
        add_filled(self._stats.filled, filled)
        self._room.set()

    def _count(self, outcomes: Sequence[Outcome], items: int, rejects: int, filled: Mapping[str, Filled]) -> None:
        """What is counted of outcomes is exact; the rest is as of now, pages under way included."""
        tally, stats = self._tally, self._stats
        tally.pages += sum(outcome.verdict is Verdict.DONE for outcome in outcomes)
        tally.items += items
        tally.rejects += rejects
        add_filled(tally.filled, filled)
        stats.fill(tally)
