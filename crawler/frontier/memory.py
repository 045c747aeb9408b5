"""The store that keeps nothing: a crawl that ends is over, one that dies starts anew."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Sequence

from crawler.frontier.seen import SeenSet
from crawler.frontier.store import Batch, Restored, Want
from crawler.request import Entry
from crawler.response import RobotsFile


class MemoryStore:
    """URL-seen, and where the outputs are."""

    keeps = False

    def __init__(self) -> None:
        self.seed = secrets.randbits(64)
        self.positions: dict[str, int] = {}
        self._seen = SeenSet()
        self._group = 0

    async def open(self) -> Restored:
        return Restored()

    def known(self, fingerprints: Sequence[int]) -> list[bool]:
        return self._seen.known(fingerprints)

    def add(self, entries: Sequence[Entry]) -> list[Entry]:
        add = self._seen.add
        return [entry for entry in entries if add(entry.fingerprint) or not entry.request.unique]

    async def commit(self, batch: Batch) -> None:
        self.positions.update(batch.positions)
        self._group += 1
        discovered = [entry for outcome in batch.outcomes for entry in outcome.discovered]
        self._seen.saved(self._group, array("Q", [entry.fingerprint for entry in batch.seeds + discovered]))

    async def hosts(self, after: str, limit: int) -> list[str]:
        return []

    async def read(self, wants: Sequence[Want]) -> list[list[Entry]]:
        return [[] for _ in wants]

    async def robots(self, origin: str) -> RobotsFile | None:
        return None

    async def close(self) -> None:
        self._seen = SeenSet()
