"""Which requests are in memory: each rule for itself, then whole crawls over a real database in any order of events."""

import asyncio
import atexit
import contextlib
import shutil
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crawler.frontier import seen as seen_module
from crawler.frontier import window as window_module
from crawler.frontier.frontier import Frontier
from crawler.frontier.job import Job, Spec
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch, Restored, Want
from crawler.frontier.window import Key, Window
from crawler.outcome import Outcome, Tally, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request
from crawler.urls.scope import Scope

START: Key = (-(2**63), 0)


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Three hosts, and four requests of each."""
    with patch.multiple(window_module, HOSTS=3, _TOTAL=100, _LEAST=2, _MOST=4):
        yield


def no_key(host: str) -> Key:
    raise AssertionError(f"nobody needs {host}'s last key")


def takes(window: Window, number: int, held: int | None = None, hosts: int = 1, last: int = 0, rank: int = 0) -> bool:
    return window.takes("a", (rank, number), held, hosts, lambda host: (0, last))


def full(last: int = 4) -> Window:
    """A window whose host a has four in memory, the last of which has that number, and one outside."""
    window = Window()
    assert takes(window, last + 1, held=4, last=last) is False
    return window


def commit(window: Window) -> bool:
    return window.committed(window.seal())


def wants(window: Window, held: int | None = 0, hosts: int = 1) -> list[Want]:
    return window.wants(lambda host: held, hosts)


def accept(window: Window, want: Want, keys: list[Key], *, is_end: bool) -> int:
    """How many of what was read, at those places, go into memory."""
    return window.accept(want, keys, [False] * len(keys), is_end=is_end)


# --- what is in memory ---


def test_what_is_new_goes_into_memory_while_its_host_has_few_there() -> None:
    window = Window()

    assert [window.takes("a", (0, held), held or None, 1, no_key) for held in range(4)] == [True] * 4
    assert (window.outside, window.has_tail("a")) == (0, False)


def test_what_comes_after_a_host_has_enough_in_memory_is_left_outside() -> None:
    window = Window()

    assert takes(window, 5, held=4, last=4) is False

    assert (window.outside, window.has_tail("a")) == (1, True)


def test_what_precedes_the_last_one_in_memory_goes_there_however_many_there_are() -> None:
    window = full()

    assert takes(window, 9, held=4, rank=-1) is True
    assert takes(window, 3, held=50) is True
    assert window.outside == 1


def test_once_a_host_has_a_tail_all_that_comes_after_it_goes_there() -> None:
    """However few are in memory by then: else it would overtake what is outside."""
    window = full()

    assert [takes(window, number, held=1) for number in (6, 7, 8)] == [False] * 3
    assert window.outside == 4


@pytest.mark.parametrize(("hosts", "limit"), [(1, 4), (25, 4), (33, 3), (50, 2), (1000, 2)])
def test_the_more_hosts_there_are_the_fewer_requests_of_each_are_in_memory(hosts: int, limit: int) -> None:
    with patch.object(window_module, "HOSTS", 10_000):
        window = Window()

        assert takes(window, 1, held=limit - 1, hosts=hosts) is True
        assert takes(window, 2, held=limit, hosts=hosts) is False


def test_what_has_too_many_in_memory_is_cut_down() -> None:
    window = full()

    assert (window.overfull("a", 8, 1), window.overfull("a", 9, 1)) == (None, 4)


def test_what_has_no_tail_is_not_cut_down() -> None:
    """Its requests are in memory because there was room for them."""
    assert Window().overfull("a", 100, 1) is None


def test_what_was_cut_off_is_outside_and_is_read_again() -> None:
    window = full(last=10)
    window.cut("a", (0, 3), (0, 4), 7)
    assert window.outside == 8
    assert takes(window, 3, held=4) is False  # the cursor is where the cut was
    assert takes(window, 2, held=4) is True

    commit(window)
    window.taken("a", 2, 1)
    assert wants(window, 2) == [Want("a", (0, 3), 2)]


# --- when a tail is read, and how far ---


def test_a_tail_is_read_when_half_of_what_was_in_memory_is_gone() -> None:
    window = full()
    commit(window)

    assert [window.taken("a", held, 1) for held in (3, 2, 1)] == [False, True, False]  # once, until it is answered
    assert wants(window, 2) == [Want("a", (0, 4), 2)]
    assert wants(window, 2) == []


def test_at_least_a_few_are_read() -> None:
    window = full()
    commit(window)
    window.taken("a", 2, 1)

    assert wants(window, 4) == [Want("a", (0, 4), 2)]  # it was filled up meanwhile


def test_a_host_without_a_tail_is_not_read() -> None:
    window = Window()
    takes(window, 1)

    assert (window.taken("a", 0, 1), wants(window)) == (False, [])


def test_what_was_read_is_in_memory_and_the_cursor_behind_it() -> None:
    window = full()
    for number in (6, 7, 8):
        takes(window, number, held=4)
    commit(window)
    window.taken("a", 2, 1)
    [want] = wants(window, 2)

    assert accept(window, want, [(0, 5), (0, 6)], is_end=False) == 2

    assert (window.outside, window.has_tail("a")) == (2, True)
    assert window.taken("a", 2, 1) is True
    assert wants(window, 2) == [Want("a", (0, 6), 2)]


def test_a_tail_that_was_read_to_its_end_is_none_any_more() -> None:
    window = full()
    commit(window)
    window.taken("a", 2, 1)
    [want] = wants(window, 2)

    assert accept(window, want, [(0, 5)], is_end=True) == 1

    assert (window.outside, window.has_tail("a")) == (0, False)
    assert takes(window, 6, held=3) is True


def test_a_tail_is_read_only_up_to_what_is_not_committed() -> None:
    window = full()
    takes(window, 7, held=4)
    commit(window)
    takes(window, 9, held=4, rank=0)
    takes(window, 8, held=4, rank=1)
    takes(window, 6, held=4)  # its number is less than that of one that is committed: its priority is, too
    window.taken("a", 2, 1)
    [want] = wants(window, 2)

    assert accept(window, want, [(0, 5), (0, 7)], is_end=True) == 1  # 6 is not in the store yet

    assert (window.outside, window.has_tail("a")) == (4, True)


def test_nothing_is_read_past_what_came_while_it_was_read() -> None:
    window = full()
    takes(window, 7, held=4)
    commit(window)
    window.taken("a", 2, 1)
    [want] = wants(window, 2)
    takes(window, 6, held=2)

    assert accept(window, want, [(0, 5), (0, 7)], is_end=True) == 1


def test_nothing_is_read_past_what_was_committed_while_it_was_read() -> None:
    """It may have been read before or after the commit."""
    window = full()
    takes(window, 7, held=4)
    commit(window)
    window.taken("a", 2, 1)
    [want] = wants(window, 2)
    takes(window, 6, held=2)
    commit(window)

    assert accept(window, want, [(0, 5), (0, 7)], is_end=True) == 1
    assert wants(window, 3) == [Want("a", (0, 5), 2)]  # once more, since what was in the way is there now


def test_a_read_that_gave_nothing_is_made_again_when_what_is_in_its_way_is_committed() -> None:
    window = full()
    window.taken("a", 2, 1)
    [want] = wants(window, 2)
    assert accept(window, want, [], is_end=True) == 0
    assert (window.has_tail("a"), wants(window, 2), window.taken("a", 1, 1)) == (True, [], False)

    assert commit(window) is True

    assert wants(window, 0) == [Want("a", (0, 4), 4)]


def test_a_read_that_was_overtaken_by_the_commit_in_its_way_is_made_at_once() -> None:
    window = full()
    window.taken("a", 2, 1)
    [want] = wants(window, 2)
    commit(window)

    assert accept(window, want, [], is_end=True) == 0

    assert wants(window, 0) == [Want("a", (0, 4), 4)]


def test_what_was_cut_off_while_its_host_was_read_is_not_passed_over() -> None:
    window = full(last=10)
    commit(window)
    window.taken("a", 2, 1)
    [want] = wants(window, 2)
    window.cut("a", (-1, 20), (0, 9), 2)

    assert accept(window, want, [(0, 11)], is_end=True) == 0
    assert window.outside == 3

    commit(window)
    assert wants(window, 0) == [Want("a", (-1, 20), 4)]


def test_a_host_that_has_nothing_in_memory_is_read_as_soon_as_its_tail_is_committed() -> None:
    """No lease will ask for it."""
    window = full()
    takes(window, 6, held=0)
    assert wants(window) == []

    assert commit(window) is True
    assert wants(window) == [Want("a", (0, 4), 4)]


def test_a_commit_says_whether_a_read_waited_for_it() -> None:
    window = full()

    assert (commit(window), commit(window)) == (False, False)
    assert (window.taken("a", 2, 1), commit(window)) == (True, True)


def test_what_came_after_the_seal_belongs_to_the_next_group() -> None:
    window = full()
    first = window.seal()
    takes(window, 6, held=4)
    second = window.seal()
    assert second == first + 1
    window.taken("a", 2, 1)
    window.committed(first)
    [want] = wants(window, 2)

    assert accept(window, want, [(0, 5)], is_end=True) == 1
    assert window.has_tail("a")

    window.committed(second)
    window.taken("a", 1, 1)
    [want] = wants(window, 1)
    assert accept(window, want, [(0, 6)], is_end=True) == 1
    assert not window.has_tail("a")


# --- hosts that sleep ---


def asleep(names: str = "d") -> Window:
    """A window in which those hosts fell asleep, and are committed."""
    window = Window()
    for number, name in enumerate(names):
        assert window.takes(name, (0, number), None, 3, no_key) is False
    commit(window)
    return window


def test_past_so_many_hosts_a_new_one_sleeps() -> None:
    window = Window()

    assert window.takes("c", (0, 1), None, 2, no_key) is True
    assert window.takes("d", (0, 2), None, 3, no_key) is False

    assert (window.outside, window.has_tail("d")) == (1, False)


def test_while_one_sleeps_each_new_host_does() -> None:
    """It might be one that sleeps already."""
    window = asleep()

    assert window.takes("e", (0, 5), None, 1, no_key) is False


def test_a_host_that_is_in_memory_takes_in_while_others_sleep() -> None:
    window = asleep()

    assert window.takes("a", (0, 5), 0, 3, no_key) is True


def test_all_that_comes_of_a_sleeping_host_sleeps() -> None:
    window = asleep()
    assert [window.takes("d", (-5, number), None, 1, no_key) for number in range(3)] == [False] * 3
    assert (window.outside, wants(window)) == (4, [])


def test_sleeping_hosts_are_looked_for_when_there_is_room() -> None:
    window = asleep("def")

    assert (window.scans(3), window.scans(1)) == (None, ("", 2))
    assert window.found(["d", "e"], lambda host: False) == ["d", "e"]
    assert wants(window) == [Want("d", START, 4), Want("e", START, 4)]
    assert window.scans(3) is None

    assert window.scans(2) == ("e", 1)  # it goes on where it was
    assert window.found(["f"], lambda host: False) == ["f"]


def test_a_host_that_is_awake_is_not_woken() -> None:
    window = asleep("bd")
    window.scans(1)

    assert window.found(["a", "b", "c"], lambda host: host in "ac") == ["b"]
    assert window.has_tail("b")
    assert not window.has_tail("a")


def test_there_is_no_scan_for_what_is_not_committed() -> None:
    window = Window()
    window.takes("d", (0, 1), None, 3, no_key)
    assert (window.may_scan(1), window.scans(1)) == (False, None)

    commit(window)

    assert (window.may_scan(1), window.may_scan(3)) == (True, False)


def test_when_nobody_sleeps_nobody_is_looked_for() -> None:
    assert (Window().may_scan(0), Window().scans(0)) == (False, None)


def test_a_round_that_finds_nobody_more_ends_the_search() -> None:
    window = asleep("d")
    window.scans(1)
    window.found(["d"], lambda host: False)
    assert window.scans(2) == ("d", 1)

    assert window.found([], lambda host: False) == []

    assert (window.may_scan(0), window.scans(0)) == (False, None)
    assert window.takes("e", (0, 9), None, 2, no_key) is True


def test_sleeping_hosts_are_looked_for_although_others_fall_asleep_with_every_group() -> None:
    """Each group of a broad crawl finds new hosts, also between its seal and its commit."""
    window = asleep("d")
    for number in range(10, 20):
        window.takes(f"n{number}", (0, number), None, 3, no_key)
        group = window.seal()
        window.takes(f"m{number}", (0, number), None, 3, no_key)
        window.committed(group)

    assert window.scans(1) == ("", 2)


def test_who_fell_asleep_during_a_round_is_looked_for_in_the_next() -> None:
    window = asleep("d")
    window.scans(1)
    window.takes("b", (0, 9), None, 3, no_key)
    window.found(["d"], lambda host: False)
    window.found([], lambda host: False)
    assert window.scans(1) is None  # it is not committed

    commit(window)

    assert window.scans(1) == ("", 2)
    assert window.found(["b", "d"], lambda host: host == "d") == ["b"]


def test_a_resumed_crawl_begins_with_every_host_asleep() -> None:
    window = Window(outside=7)

    assert (window.outside, window.may_scan(0)) == (7, True)
    assert window.takes("a", (0, 8), None, 0, no_key) is False
    commit(window)
    assert window.scans(0) == ("", 3)
    assert window.found(["a", "b"], lambda host: False) == ["a", "b"]
    first, second = wants(window, hosts=2)
    assert (first, second) == (Want("a", START, 4), Want("b", START, 4))

    assert accept(window, first, [(0, 1), (0, 2), (0, 3), (0, 4)], is_end=False) == 4
    assert accept(window, second, [(0, 3)], is_end=True) == 1
    assert (window.has_tail("a"), window.has_tail("b"), window.outside) == (True, False, 3)


def test_a_crawl_that_resumes_with_nothing_to_do_has_no_sleepers() -> None:
    window = Window(outside=0)

    assert (window.may_scan(0), takes(window, 1)) == (False, True)


# --- whole crawls ---


class _ByHand(Executor):
    """The store's thread, one step at a time: what was asked for is done in order, and answered in order, later."""

    def __init__(self) -> None:
        self.asked: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.done: deque[tuple[Future[Any], Any]] = deque()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.asked.append((future, work))
        return future

    def do_one(self) -> None:
        future, work = self.asked.popleft()
        self.done.append((future, work()))

    def answer_one(self) -> None:
        future, result = self.done.popleft()
        if future.set_running_or_notify_cancel():
            future.set_result(result)


class _Clock(asyncio.SelectorEventLoop):
    """A loop whose time stands still until it is told to go on."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class _Store(SqliteStore):
    """Tells when something has become durable."""

    written: Callable[[Batch], None]

    def _open(self) -> Restored:
        restored = super()._open()
        self._rows("PRAGMA synchronous = OFF")  # no power is cut here
        return restored

    def _write(self, batch: Batch, *rest: Any) -> None:
        super()._write(batch, *rest)
        self.written(batch)


_NAMES = [f"h{number}.test" for number in range(6)]
_SLOW = ["h4.test", "h5.test"]
"""These are owed a pause."""


class _Known:
    """What is true of one request."""

    def __init__(self, host: str, key: Key) -> None:
        self.host = host
        self.key = key
        self.state = "waiting"
        """... ``leased``, ``later`` or ``done``."""
        self.due = 0.0
        self.is_fresh = True
        """Whether it was never leased in this run."""
        self.leases = 0


class _AnyCrawl(RuleBasedStateMachine):
    """Links come in, are committed, leased, ended, put back and retried in any order. The store does what it is asked
    for later, and answers later still. Now and then the process dies, and another one goes on."""

    hosts = st.sampled_from(_NAMES)

    @initialize(
        hosts=st.integers(1, 4), total=st.sampled_from([4, 12, 100]), least=st.integers(1, 3), more=st.integers(0, 3)
    )
    def begin(self, hosts: int, total: int, least: int, more: int) -> None:
        self.bounds = (hosts, least + more)
        self.patches = [
            patch.multiple(window_module, HOSTS=hosts, _TOTAL=total, _LEAST=least, _MOST=least + more),
            patch.multiple(seen_module, PARTS=4, _SHIFT=62, _RECENT=4, _SWEEP=10, _PARTS_AT_ONCE=1),
        ]
        for each in self.patches:
            each.start()
        self.folder = Path(tempfile.mkdtemp())
        job = Job(self.folder)
        shutil.copy(_template(), job.database)
        self.path = job.database
        self.loop = _Clock()
        self.known: dict[int, _Known] = {}
        self.durable: dict[int, _Known] = {}
        self.finished: set[int] = set()
        self.urls = 0
        self.deaths = 0
        self.leased: dict[int, Entry] = {}
        self._open()

    # --- the machinery ---

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def _settled(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    def _open(self) -> None:
        self.thread = _ByHand()
        self.store = _Store(self.path, syncs=False, executor=self.thread)
        self.store.written = self._written
        self.outcomes: list[Outcome] = []
        self.seeds: list[Entry] = []
        self.ended: set[int] = set()
        self.committing: asyncio.Task[None] | None = None
        self.batches: dict[int, tuple[set[int], set[int]]] = {}

        async def start() -> None:
            opening = asyncio.create_task(self.store.open())
            await self._settled()
            self._work()
            restored = await opening
            self.is_resumed = restored.tally is not None
            manners = Manners(Politeness(delay=0.0), {name: {"delay": 2.0} for name in _SLOW})
            self.frontier = Frontier(self.store, Scope(["*"]), manners)
            self.frontier.restore(restored)
            self.begun = self.loop.time()
            self.stocking = asyncio.create_task(self.frontier.stock())
            await self._settled()
            assert restored.waiting == sum(each.state != "done" for each in self.durable.values())
            self._commit()
            await self._settled()

        self._run(start())

    def _work(self) -> None:
        """All that the store was asked for is done and answered."""
        while self.thread.asked:
            self.thread.do_one()
        while self.thread.done:
            self.thread.answer_one()

    def _written(self, batch: Batch) -> None:
        for entry in [*batch.seeds, *(entry for outcome in batch.outcomes for entry in outcome.discovered)]:
            self.durable[entry.number] = self.known[entry.number]
        self.finished |= {outcome.entry.number for outcome in batch.outcomes if outcome.verdict is not Verdict.RETRY}

    def _commit(self) -> None:
        group = self.frontier.seal()
        batch = Batch(self.outcomes, self.seeds, tally=Tally())
        self.outcomes, self.seeds = [], []
        self.committing = self.loop.create_task(self.frontier.commit(group, batch))

    def _is_committing(self) -> bool:
        return self.committing is not None and not self.committing.done()

    def _new(self, offered: list[tuple[str, int]], parent: Entry | None = None) -> list[Entry]:
        requests = []
        for host, priority in offered:
            self.urls += 1
            requests.append(Request(f"http://{host}/{self.urls}", priority=priority))
        entries = self.frontier.admit(requests, parent).entries
        assert len(entries) == len(requests)
        return entries

    def _queued(self, entries: list[Entry]) -> None:
        for entry in entries:
            assert entry.number not in self.known
            self.known[entry.number] = _Known(entry.host, entry.key)

    def _leased(self, entry: Entry) -> None:
        """A lease was given: is it the right one?"""
        mine = self.known[entry.number]
        now = self.loop.time()
        assert (mine.host, mine.key) == (entry.host, entry.key)
        assert mine.state == "waiting" or (mine.state == "later" and mine.due <= now), f"it is {mine.state}"
        if mine.is_fresh:
            before = [each for each in self.known.values() if each.host == entry.host and each.key < mine.key]
            assert [each.key for each in before if each.state == "waiting"] == []
            assert [each.key for each in before if each.state == "later" and each.due <= now] == []
        if entry.host in _SLOW and self.is_resumed:
            assert now >= self.begun + 2.0
        mine.state, mine.is_fresh = "leased", False
        mine.leases += 1
        self.leased[entry.number] = entry
        if self.frontier.set_pace(entry):
            self.frontier.started(entry)

    is_resumed = False

    # --- what may happen ---

    offers = st.lists(st.tuples(hosts, st.integers(-1, 1)), max_size=8)

    @rule(offered=offers)
    def draw_seeds(self, offered: list[tuple[str, int]]) -> None:
        entries = self._new(offered)
        self.seeds += entries
        self.frontier.queue(entries)
        self._queued(entries)
        self._run(self._settled())

    @rule(host=hosts, priority=st.integers(-1, 1), many=st.integers(5, 15))
    def draw_many_of_one_host(self, host: str, priority: int, many: int) -> None:
        self.draw_seeds([(host, priority)] * many)

    @rule(many=st.integers(1, 6))
    def lease(self, many: int) -> None:
        async def ask() -> Entry | None:
            worker = asyncio.create_task(self.frontier.lease())
            await asyncio.sleep(0)
            if not worker.done():
                worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                return await worker
            return None

        for _ in range(many):
            entry = self._run(ask())
            if entry is None:
                return
            self._leased(entry)

    def _any_leased(self, data: st.DataObject) -> Entry:
        return self.leased.pop(data.draw(st.sampled_from(sorted(self.leased))))

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), offered=offers)
    def finish(self, data: st.DataObject, offered: list[tuple[str, int]]) -> None:
        self._finish(self._any_leased(data), offered)

    @precondition(lambda self: self.leased)
    @rule()
    def finish_all(self) -> None:
        for entry in list(self.leased.values()):
            del self.leased[entry.number]
            self._finish(entry, [])

    def _finish(self, entry: Entry, offered: list[tuple[str, int]]) -> None:
        entries = self._new(offered, entry)
        outcome = Outcome(entry, Verdict.DONE, discovered=entries)
        self.known[entry.number].state = "done"
        self.frontier.finish(outcome)
        self.outcomes.append(outcome)
        self._queued(entries)
        self._run(self._settled())

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 1.0, 5.0]))
    def retry(self, data: st.DataObject, seconds: float) -> None:
        entry = self._any_leased(data)
        mine = self.known[entry.number]
        mine.state, mine.due = "later", self.loop.now + seconds
        outcome = Outcome(entry, Verdict.RETRY, due=mine.due)
        self.frontier.finish(outcome)
        self.outcomes.append(outcome)

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        entry = self._any_leased(data)
        self.known[entry.number].state = "waiting"
        self.frontier.put_back(entry)

    @precondition(lambda self: not self._is_committing())
    @rule()
    def commit(self) -> None:
        self._commit()
        self._run(self._settled())

    @precondition(lambda self: self.thread.asked)
    @rule()
    def the_store_does_something(self) -> None:
        self.thread.do_one()

    @precondition(lambda self: self.thread.done)
    @rule()
    def the_store_answers(self) -> None:
        self.thread.answer_one()
        self._run(self._answered())

    async def _answered(self) -> None:
        await asyncio.sleep(0)  # the answer comes through the loop's self-pipe
        await self._settled()

    @rule()
    def the_store_does_and_answers_all(self) -> None:
        self._run(self._settled())
        while self.thread.asked or self.thread.done:
            self._work()
            self._run(self._answered())

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.loop.now += seconds
        self._run(self._settled())

    @precondition(lambda self: self.deaths < 3)
    @rule(thread_ends_first=st.booleans())
    def die_and_go_on(self, thread_ends_first: bool) -> None:
        self.deaths += 1
        if thread_ends_first:
            while self.thread.asked:
                self.thread.do_one()
        self._close()
        self.known = dict(self.durable)
        for number, each in self.known.items():
            each.state = "done" if number in self.finished else "waiting"
            each.is_fresh = True
        self.leased = {}
        self._open()

    def _close(self) -> None:
        async def close() -> None:
            self.stocking.cancel()
            if self.committing is not None:
                self.committing.cancel()
            await asyncio.gather(self.stocking, self.committing, return_exceptions=True)

        self.thread.asked.clear()
        self._run(close())
        self.store._close()

    # --- what always holds ---

    def _states(self) -> Counter[str]:
        return Counter(each.state for each in self.known.values())

    @invariant()
    def everything_is_counted(self) -> None:
        if hasattr(self, "frontier"):
            states = self._states()
            assert (self.frontier.waiting, self.frontier.leased) == (
                states["waiting"] + states["later"],
                states["leased"],
            )

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "frontier"):
            hosts, most = self.bounds
            schedule = self.frontier._schedule
            assert schedule.hosts <= hosts
            for name in _NAMES:
                mine = [each for each in self.known.values() if each.host == name]
                again = sum(each.state == "waiting" and not each.is_fresh for each in mine)
                assert (schedule.held(name) or 0) <= 4 * most + again

    def teardown(self) -> None:
        if not hasattr(self, "frontier"):
            return
        try:
            if sys.exc_info()[0] is None:  # nothing is wrong so far
                self._drain()
                assert Job(self.folder).overview(is_mine=True).waiting == 0
        finally:
            self._close()
            self.loop.close()
            for each in self.patches:
                each.stop()
            shutil.rmtree(self.folder)

    def _drain(self) -> None:
        """Workers that wait, as in a crawl: whatever is left is leased, without being asked for again and again."""
        self.frontier.seeds_ended()
        worker: asyncio.Task[Entry | None] | None = None
        idle = 0
        self.finish_all()
        while True:
            if worker is None:
                worker = self.loop.create_task(self.frontier.lease())
            self.the_store_does_and_answers_all()
            if worker.done():
                entry, worker = worker.result(), None
                if entry is None:
                    break
                idle = 0
                self._leased(entry)
                del self.leased[entry.number]
                self._finish(entry, [])
                continue
            due = self.frontier._schedule.next_ready()
            if (self.outcomes or self.seeds) and not self._is_committing():
                self._commit()
            elif due is not None and due > self.loop.now:
                self.loop.now = due
            else:
                idle += 1
                assert idle < 10, f"nothing moves any more, and {self.frontier.waiting} requests wait"
        self._commit()
        self.the_store_does_and_answers_all()
        assert not self._is_committing()
        assert self.frontier.stopped == "complete"
        assert self._states().keys() <= {"done"}
        assert all(each.leases for each in self.known.values())


_TEMPLATE: list[Path] = []


def _template() -> Path:
    """An empty job's database, made once."""
    if not _TEMPLATE:
        job = Job(Path(tempfile.mkdtemp()))
        atexit.register(shutil.rmtree, job.folder)
        job.create(Spec("books", "books"), syncs=False)
        _TEMPLATE.append(job.database)
    return _TEMPLATE[0]


@contextlib.contextmanager
def a_crawl(hosts: int, most: int) -> Iterator[_AnyCrawl]:
    """One history, told by hand. At its end all that is left must be leased, and the job must be complete."""
    crawl = _AnyCrawl()
    crawl.begin(hosts, 100, most, 0)
    try:
        yield crawl
    finally:
        crawl.teardown()


def all_leased(crawl: _AnyCrawl) -> int:
    """How many requests are leased when all that can be is."""
    before = -1
    crawl.the_store_does_and_answers_all()
    while before != len(crawl.leased):
        before = len(crawl.leased)
        crawl.lease(100)
        crawl.the_store_does_and_answers_all()
    return before


def saved(crawl: _AnyCrawl) -> None:
    crawl.commit()
    crawl.the_store_does_and_answers_all()


def test_a_long_queue_of_one_host_goes_through_memory_bit_by_bit() -> None:
    with a_crawl(hosts=3, most=2) as crawl:
        crawl.draw_many_of_one_host("h0.test", 0, 50)
        saved(crawl)

        for ended in range(50):
            assert (crawl.frontier._schedule.held("h0.test") or 0) <= 3
            crawl.lease(1)
            assert list(crawl.leased) == [ended + 1]
            crawl.finish_all()
            crawl.the_store_does_and_answers_all()
        assert crawl.frontier.waiting == 0


def test_a_sleeping_host_is_woken_when_the_last_one_awake_has_rested() -> None:
    """No lease and no commit comes any more that would ask for it."""
    with a_crawl(hosts=1, most=2) as crawl:
        crawl.draw_seeds([("h4.test", 0), ("h5.test", 0)])  # each is owed two seconds
        saved(crawl)
        assert all_leased(crawl) == 1
        crawl.finish_all()
        saved(crawl)


def test_what_lies_behind_requests_that_are_under_way_is_read() -> None:
    """More of them lie behind one another than are read at once: a page of higher priority sent them back."""
    with a_crawl(hosts=3, most=2) as crawl:
        crawl.draw_seeds([("h0.test", 0)] * 4)
        saved(crawl)
        assert all_leased(crawl) == 4
        crawl.draw_seeds([("h0.test", 0)])
        crawl.draw_seeds([("h0.test", 1)] * 5)
        saved(crawl)

        assert all_leased(crawl) == 8  # as many as may run at once
        crawl.finish(_Draw(max), [])
        crawl.finish(_Draw(max), [])
        assert all_leased(crawl) == 8


def test_a_host_whose_last_outcomes_are_not_committed_yet_does_not_stay_awake_for_them() -> None:
    """The store has its requests still; it would take the place of one that sleeps."""
    with a_crawl(hosts=2, most=1) as crawl:
        crawl.draw_many_of_one_host("h0.test", 0, 5)
        crawl.draw_seeds([("h4.test", 0), ("h4.test", 0), ("h1.test", 0)])  # h4 is owed two seconds between them
        saved(crawl)
        assert all_leased(crawl) == 6
        crawl.finish_all()  # h0 has nothing more, and there is room for another host
        crawl.let_time_pass(2.0)
        assert all_leased(crawl) >= 1
        crawl.finish_all()
        saved(crawl)
        all_leased(crawl)
        crawl.finish_all()
        saved(crawl)
        crawl.let_time_pass(10.0)
        crawl.lease(1)

        assert (crawl.frontier.waiting, crawl.frontier.hosts) == (0, 0)


def test_a_host_of_which_nothing_is_left_is_forgotten() -> None:
    """Also if a read came to the very end of what there was, without seeing it."""
    with a_crawl(hosts=3, most=2) as crawl:
        crawl.draw_many_of_one_host("h0.test", 0, 10)
        saved(crawl)
        while crawl.frontier.waiting:
            assert all_leased(crawl) > 0
            crawl.finish_all()
        saved(crawl)

        assert crawl.frontier.hosts == 0


class _Draw:
    """Draws what a story says."""

    def __init__(self, choice: Callable[[list[int]], int]) -> None:
        self._choice = choice

    def draw(self, strategy: Any) -> int:
        return self._choice(list(strategy.elements))


_AnyCrawl.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyCrawlLeasesEachRequestOnce = _AnyCrawl.TestCase
