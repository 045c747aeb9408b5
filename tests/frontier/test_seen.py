"""URL-seen: a Python set of the same numbers is what it is compared with."""

import random
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crawler.frontier import seen as seen_module
from crawler.frontier.seen import SeenSet

EXTREMES = [0, 1, 2, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
CROWDED = [2**62 + 8 * number for number in range(40)]
"""They fall into one part, and begin at one slot of it for as long as it is small."""


@contextmanager
def small(recent: int = 8, sweep: int = 6, parts_at_once: int = 1) -> Iterator[None]:
    """Four parts, of which few are saved at once, and hardly anything in the set of recent ones."""
    with patch.multiple(
        seen_module, PARTS=4, _SHIFT=62, _RECENT=recent, _SWEEP=sweep, _PARTS_AT_ONCE=parts_at_once, _SLOTS=8
    ):
        yield


class Disk:
    """What a store keeps of URL-seen: each commit writes the group's marks and a share of a sweep, or nothing."""

    def __init__(self) -> None:
        self.groups: dict[int, bytes] = {}
        self.parts: dict[int, tuple[int, int, bytes]] = {}
        self.number = 0

    def commit(self, seen: SeenSet, marks: list[int]) -> None:
        self.number += 1
        sweep = seen.sweep()
        if marks:
            self.groups[self.number] = array("Q", marks).tobytes()
        if sweep is not None:
            self.parts.update((part[0], part) for part in sweep.parts)
            if sweep.covers is not None:
                self.groups = {group: data for group, data in self.groups.items() if group > sweep.covers}
        seen.saved(self.number, array("Q", marks))

    def read(self) -> SeenSet:
        seen = SeenSet()
        seen.restore(self.parts.values(), sorted(self.groups.items()))
        return seen

    def swept(self) -> set[int]:
        """What is in the saved parts."""
        return {mark for *_, data in self.parts.values() for mark in array("Q", data) if mark}


def content(seen: SeenSet) -> set[int]:
    """Every number in it, in the set or in the table."""
    return seen._recent | in_table(seen)


def in_table(seen: SeenSet) -> set[int]:
    marks = {mark for part in seen._table for mark in part if mark}
    return {0 if mark == seen_module._ZERO else mark for mark in marks}


def committed(seen: SeenSet, disk: Disk, *marks: int) -> None:
    """Each mark in a group of its own."""
    for mark in marks:
        assert seen.add(mark)
        disk.commit(seen, [mark])


def test_an_empty_set_knows_nothing() -> None:
    seen = SeenSet()

    assert (seen.known(EXTREMES), seen.known([]), len(seen)) == ([False] * 7, [], 0)


@pytest.mark.parametrize("mark", EXTREMES)
def test_a_number_is_new_once(mark: int) -> None:
    seen = SeenSet()

    assert (seen.add(mark), seen.add(mark), seen.known([mark]), len(seen)) == (True, False, [True], 1)


@pytest.mark.parametrize("mark", EXTREMES)
def test_a_number_is_known_in_the_table_too(mark: int) -> None:
    seen, disk = SeenSet(), Disk()
    with small(recent=0):
        seen = SeenSet()
        committed(seen, disk, mark)

        assert (mark in seen._recent, seen.known([mark]), seen.add(mark), len(seen)) == (False, [True], False, 1)
        others = [other for other in EXTREMES if other != mark]
        assert seen.known(others) == [False] * len(others)


def test_what_is_not_committed_is_never_in_the_table() -> None:
    with small(recent=2):
        seen, disk = SeenSet(), Disk()
        for mark in range(100, 200):
            seen.add(mark)
        disk.commit(seen, list(range(100, 150)))

        assert in_table(seen) == set(range(100, 150))
        assert content(seen) == set(range(100, 200))


def test_the_oldest_groups_go_into_the_table_first() -> None:
    with small(recent=3):
        seen, disk = SeenSet(), Disk()
        committed(seen, disk, 10, 11, 12, 13, 14)

        assert (in_table(seen), seen._recent) == ({10, 11}, {12, 13, 14})


def test_nothing_is_swept_before_enough_is_new() -> None:
    with small(recent=0, sweep=6):
        seen, disk = SeenSet(), Disk()
        committed(seen, disk, *range(1, 6))
        assert seen.sweep() is None

        committed(seen, disk, 6)
        assert seen.sweep() is not None


def test_a_sweep_saves_each_part_once_and_ends_with_the_group_that_it_covers() -> None:
    with small(recent=0, sweep=6):
        seen = SeenSet()
        for mark in range(6):
            seen.add(mark << 60)
        seen.saved(1, array("Q", [mark << 60 for mark in range(5)]))
        seen.saved(7, array("Q", [5 << 60]))

        shares = [seen.sweep() for _ in range(4)]

        assert seen.sweep() is None
        assert [[part[0] for part in share.parts] for share in shares if share] == [[0], [1], [2], [3]]
        assert [share.covers for share in shares if share] == [None, None, None, 7]


def test_what_comes_while_a_sweep_runs_is_not_covered_by_it() -> None:
    with small(recent=0, sweep=6):
        seen, disk = SeenSet(), Disk()
        committed(seen, disk, *range(1, 7))
        committed(seen, disk, *[2**62 + number for number in range(3)])  # commits 7, 8, 9 save parts 0, 1, 2
        disk.commit(seen, [])

        assert sorted(disk.groups) == [7, 8, 9]
        assert content(disk.read()) == {*range(1, 7), *[2**62 + number for number in range(3)]}


def test_a_sweep_of_a_large_table_waits_for_an_eighth_more() -> None:
    with small(recent=0, sweep=2, parts_at_once=4):
        seen, disk = SeenSet(), Disk()
        swept_at = []
        for mark in range(1, 101):
            before = seen._sweep_at
            committed(seen, disk, mark)
            if seen._sweep_at != before:
                swept_at.append(mark)

        gaps = [later - earlier for earlier, later in pairwise(swept_at)]
        assert gaps[0] == 2
        assert gaps == sorted(gaps)
        assert 90 // 8 <= gaps[-1] <= 100 // 8 + 1


def test_a_job_that_is_opened_again_sweeps_no_later_than_it_would_have() -> None:
    """However often it is stopped, what is read one by one when it is opened has a bound."""
    with small(recent=0, sweep=6):
        seen, disk = SeenSet(), Disk()
        most = 0
        for mark in range(1, 401):
            committed(seen, disk, mark)
            if mark % 5 == 0:
                seen = disk.read()
            most = max(most, len(disk.groups))

        assert most < 400 // 8 + 6 + 2 * 5


def test_a_part_grows_before_it_is_full_and_loses_nothing() -> None:
    with small(recent=0):
        seen, disk = SeenSet(), Disk()
        for number, mark in enumerate(CROWDED, 1):
            committed(seen, disk, mark)
            part = seen._table[1]
            assert seen._counts[1] == number == len([mark for mark in part if mark])
            assert number < len(part)

        assert seen.known(CROWDED) == [True] * len(CROWDED)
        assert seen.known([mark + 1 for mark in CROWDED]) == [False] * len(CROWDED)
        assert [len(part) for part in seen._table] == [8, 64, 8, 8]


def test_a_mark_that_is_committed_twice_is_there_once() -> None:
    """A request that is not unique is discovered again and again."""
    with small(recent=0):
        seen, disk = SeenSet(), Disk()
        seen.add(7)
        disk.commit(seen, [7, 7])
        disk.commit(seen, [7])

        assert (len(seen), len(disk.read()), content(disk.read())) == (1, 1, {7})


def test_a_mark_takes_less_than_thirty_bytes_in_the_table() -> None:
    dice = random.Random(2)
    marks = [dice.getrandbits(64) for _ in range(300_000)]
    with patch.object(seen_module, "_RECENT", 0):
        seen = SeenSet()
        for start in range(0, len(marks), 1000):
            some = marks[start : start + 1000]
            assert all(seen.add(mark) for mark in some)
            seen.saved(start // 1000 + 1, array("Q", some))

    assert (len(seen), len(seen._recent)) == (300_000, 0)
    assert sum(sys.getsizeof(part) for part in seen._table) / len(marks) < 30
    assert all(seen.known(marks[::7]))
    assert not any(seen.known([dice.getrandbits(64) for _ in range(10_000)]))


class _AnyHistory(RuleBasedStateMachine):
    """Marks are added, committed in any order and grouping, and the process may die at any moment."""

    marks = st.one_of(
        st.sampled_from(EXTREMES), st.sampled_from(CROWDED), st.integers(0, 60), st.integers(0, 2**64 - 1)
    ).filter(lambda mark: mark != seen_module._ZERO)  # it is 0 in the table; Hypothesis finds it in the module's source

    @initialize(
        recent=st.sampled_from([0, 1, 5, 20]), sweep=st.sampled_from([1, 4, 9]), at_once=st.sampled_from([1, 2, 4])
    )
    def begin(self, recent: int, sweep: int, at_once: int) -> None:
        self.patch = small(recent, sweep, at_once)
        self.patch.__enter__()
        self.seen = SeenSet()
        self.disk = Disk()
        self.durable: set[int] = set()
        self.fresh: dict[int, None] = {}

    @rule(marks=st.lists(marks, max_size=12))
    def add(self, marks: list[int]) -> None:
        for mark in marks:
            is_new = mark not in self.durable and mark not in self.fresh
            assert self.seen.add(mark) is is_new
            self.fresh.update({mark: None} if is_new else {})

    @precondition(lambda self: self.fresh)
    @rule(data=st.data())
    def commit_some(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(sorted(self.fresh)), max_size=8, unique=True))
        again = data.draw(st.lists(st.sampled_from(sorted(self.durable)), max_size=2)) if self.durable else []
        self.disk.commit(self.seen, some + again)
        self._is_durable(some)

    @rule()
    def commit_all(self) -> None:
        some = list(self.fresh)
        self.disk.commit(self.seen, some)
        self._is_durable(some)

    def _is_durable(self, marks: list[int]) -> None:
        self.durable.update(marks)
        for mark in marks:
            del self.fresh[mark]

    @rule()
    def die_and_go_on(self) -> None:
        self.seen = self.disk.read()
        self.fresh = {}

    @rule(marks=st.lists(marks, max_size=30))
    def ask(self, marks: list[int]) -> None:
        assert self.seen.known(marks) == [mark in self.durable or mark in self.fresh for mark in marks]

    @invariant()
    def it_holds_what_was_added_and_nothing_else(self) -> None:
        if hasattr(self, "seen"):
            assert content(self.seen) == self.durable | self.fresh.keys()

    @invariant()
    def the_table_holds_only_what_is_durable(self) -> None:
        if hasattr(self, "seen"):
            assert in_table(self.seen) <= self.durable
            assert [len([mark for mark in part if mark]) for part in self.seen._table] == self.seen._counts

    @invariant()
    def what_would_be_read_back_is_what_is_durable(self) -> None:
        if hasattr(self, "seen"):
            assert content(self.disk.read()) == self.durable
            assert self.disk.swept() - {seen_module._ZERO} <= self.durable

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.__exit__(None, None, None)


_AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
TestAnyHistoryIsReadBack = _AnyHistory.TestCase
