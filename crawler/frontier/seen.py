"""URL-seen: which fingerprints the crawl knows, in 8 to 24 bytes each.

Rule 1: what is not committed yet is in the set ``_recent`` alone; the table holds durable fingerprints only, so that
a part of it may be saved at any time.
Rule 2: fingerprints are made under the job's own random number: a site cannot choose pages that fall into one part.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence

PARTS = 4096
"""Parts of the table. Each grows alone: one that doubles holds the event loop for a millisecond, not for seconds."""
_SHIFT = 64 - 12
_SLOTS = 8
_ZERO = 0x9E3779B97F4A7C15
"""Stands for the fingerprint 0 in the table, where 0 is a free slot."""
_RECENT = 100_000
"""Fingerprints that stay in the set, at 82 bytes each. Small, it is the quicker one: of a million they take as long there as
in the table, since each is a place of its own in memory, and 34 MB more."""
_SWEEP = 1_000_000
"""New fingerprints after which the table is saved once more: so many are read one by one when a job is opened."""
_SWEEP_SHARE = 8
"""... or an eighth of what there is, where that is more: what is written stays in proportion."""
_PARTS_AT_ONCE = 64
"""Parts that are saved with one commit: some two megabytes at ten million URLs."""


class Sweep:
    """A share of the table, to be saved with the next commit."""

    __slots__ = ("covers", "parts")

    def __init__(self, parts: list[tuple[int, int, bytes]], covers: int | None) -> None:
        self.parts = parts
        """Number, how many fingerprints it holds, and its bytes."""
        self.covers = covers
        """With the last share of a sweep: the table holds every group up to this one; else None."""


class SeenSet:
    """Fingerprints of 64 bits, in open addressing with linear probing (Knuth, vol. 3, 6.4, algorithm L)."""

    __slots__ = ("_counts", "_folded", "_folded_count", "_groups", "_recent", "_size", "_sweep_at", "_swept", "_table")

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._groups: deque[tuple[int, array[int]]] = deque()
        self._table = [array("Q", bytes(8 * _SLOTS)) for _ in range(PARTS)]
        self._counts = [0] * PARTS
        self._size = 0
        self._folded = 0  # the last group whose fingerprints are all in the table
        self._folded_count = 0  # since the last sweep began
        self._swept = PARTS  # parts of the running sweep that are saved
        self._sweep_at = 0  # what was folded when it began

    def __len__(self) -> int:
        return self._size + len(self._recent)

    def known(self, marks: Sequence[int]) -> list[bool]:
        """Which of *marks* are in it."""
        recent = self._recent
        if not self._size:
            return [mark in recent for mark in marks]
        has = self._has
        return [mark in recent or has(mark) for mark in marks]

    def add(self, mark: int) -> bool:
        """Take in *mark*, which is not durable yet. Whether it is new."""
        if mark in self._recent or (self._size and self._has(mark)):
            return False
        self._recent.add(mark)
        return True

    def saved(self, group: int, marks: array[int]) -> None:
        """*marks*, added before, are durable now, with the commit of that number."""
        self._groups.append((group, marks))
        recent = self._recent
        while len(recent) > _RECENT and self._groups:
            group, oldest = self._groups.popleft()
            recent.difference_update(oldest)
            self._fold(oldest)
            self._folded = group

    def sweep(self) -> Sweep | None:
        """What of the table is to be saved with the next commit; None if nothing is."""
        if self._swept == PARTS:
            if self._folded_count < max(_SWEEP, self._size // _SWEEP_SHARE):
                return None
            self._swept, self._sweep_at, self._folded_count = 0, self._folded, 0
        numbers = range(self._swept, self._swept + _PARTS_AT_ONCE)
        self._swept = numbers.stop
        parts = [(number, self._counts[number], self._table[number].tobytes()) for number in numbers]
        return Sweep(parts, self._sweep_at if self._swept == PARTS else None)

    def restore(self, parts: Iterable[tuple[int, int, bytes]], groups: Sequence[tuple[int, bytes]]) -> None:
        """Fill an empty one: saved parts first, then the groups that were committed since."""
        for number, count, data in parts:
            self._table[number] = array("Q", data)
            self._counts[number] = count
            self._size += count
        room, folded = _RECENT, 0
        recent: list[tuple[int, array[int]]] = []
        for group, data in reversed(groups):
            marks = array("Q", data)
            room -= len(marks)
            if room >= 0:
                recent.append((group, marks))
                self._recent.update(marks)
            else:
                self._fold(marks)
                self._folded = max(self._folded, group)
                folded += len(marks)  # in the saved parts or not: its group is there until the next sweep
        self._folded_count = folded
        self._groups.extend(reversed(recent))

    def _has(self, mark: int) -> bool:
        mark = mark or _ZERO
        part = self._table[mark >> _SHIFT]
        last = len(part) - 1
        slot = mark & last
        while found := part[slot]:
            if found == mark:
                return True
            slot = (slot + 1) & last
        return False

    def _fold(self, marks: array[int]) -> None:
        table, counts = self._table, self._counts
        added = 0
        for mark in marks:
            mark = mark or _ZERO
            number = mark >> _SHIFT
            part = table[number]
            last = len(part) - 1
            slot = mark & last
            while found := part[slot]:
                if found == mark:
                    break
                slot = (slot + 1) & last
            else:
                part[slot] = mark
                added += 1
                counts[number] += 1
                if 3 * counts[number] > 2 * last:
                    table[number] = _doubled(part)
        self._size += added
        self._folded_count += added


def _doubled(part: array[int]) -> array[int]:
    bigger = array("Q", bytes(16 * len(part)))
    last = len(bigger) - 1
    for mark in part:
        if mark:
            slot = mark & last
            while bigger[slot]:
                slot = (slot + 1) & last
            bigger[slot] = mark
    return bigger
