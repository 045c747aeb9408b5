"""Group commit: what is written when, and what is kept when it cannot be written."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from crawling import SITE, Kept, Scripted, crawled

from crawler.engine import commit
from crawler.engine.commit import CommitOptions, Committer
from crawler.engine.stats import Stats
from crawler.errors import OutputClosed, SinkError
from crawler.frontier.frontier import Frontier
from crawler.frontier.memory import MemoryStore
from crawler.frontier.store import Batch, Restored
from crawler.outcome import Ending, Filled, Outcome, Record, Reject, Tally, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request
from crawler.spider import Spider
from crawler.urls.scope import Scope


class Diary:
    """What happened, in order: sinks and the store write into it."""

    def __init__(self) -> None:
        self.lines: list[str] = []


class NotedSink(Kept):
    def __init__(self, diary: Diary, name: str) -> None:
        super().__init__(name)
        self._diary = diary

    async def append(self, records: Sequence[Record]) -> int:
        await asyncio.sleep(0)
        position = await super().append(records)
        self._diary.lines.append(f"{self.name} has {position}")
        return position


class NotedStore(MemoryStore):
    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self._diary = diary
        self.batches: list[Batch] = []

    async def commit(self, batch: Batch) -> None:
        self._diary.lines.append(f"committed {len(batch.outcomes)} outcomes, {len(batch.seeds)} seeds")
        self.batches.append(batch)
        await super().commit(batch)


class Gated(Kept):
    """A sink that writes only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> int:
        await self.gate.wait()
        return await super().append(records)


class Full(Kept):
    """A disk that is full after *room* records."""

    def __init__(self, room: int, error: SinkError | None = None) -> None:
        super().__init__()
        self._room = room
        self._error = error or SinkError("out.jsonl", "no space left on device")

    async def append(self, records: Sequence[Record]) -> int:
        if len(self.records) + len(records) > self._room:
            raise self._error
        return await super().append(records)


def entry(number: int) -> Entry:
    return Entry(Request(f"{SITE}/{number}"), "site.test", SITE, number)


def outcome(number: int, rejects: Sequence[Reject] = ()) -> Outcome:
    return Outcome(entry(number), Verdict.DONE, [Record(b'{"n":%d}' % number)], list(rejects))


def a_committer(
    sinks: Sequence[Any], store: MemoryStore | None = None, rejects: Any = None, **options: Any
) -> Committer:
    return Committer(a_frontier(store), sinks, rejects, Stats(), CommitOptions(**options))


def a_frontier(store: MemoryStore | None = None) -> Frontier:
    return Frontier(store or MemoryStore(), Scope(["*"]), Manners(Politeness()))


async def test_records_are_in_every_sink_before_their_outcomes_are_committed() -> None:
    diary = Diary()
    store = NotedStore(diary)
    sinks = [NotedSink(diary, "one"), NotedSink(diary, "two")]
    reject = Reject(f"{SITE}/1", "Book", "price", "wrong", {})
    committer = a_committer(sinks, store, NotedSink(diary, "rejects"))
    await committer.put(outcome(1, [reject]))
    await committer.put(outcome(2))
    committer.close()

    await committer.run()

    assert diary.lines == ["one has 2", "two has 2", "rejects has 1", "committed 2 outcomes, 0 seeds"]
    assert store.batches[0].positions == {"one": 2, "two": 2, "rejects": 1}
    assert store.positions == {"one": 2, "two": 2, "rejects": 1}


@pytest.mark.parametrize("is_reject", [False, True])
async def test_long_records_wait_for_room_however_few_they_are_and_so_do_rejects(
    is_reject: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_GROUP", 1_000)
    record = Record(b'{"text":"%s"}' % (b"x" * 2_000))
    reject = Reject(f"{SITE}/1", "Book", "price", "wrong", {"text": "x" * 2_000})
    long = Outcome(entry(1), Verdict.DONE, *(([], [reject]) if is_reject else ([record], [])))
    committer = a_committer([NotedSink(Diary(), "one")], None, NotedSink(Diary(), "rejects"))

    putting = asyncio.create_task(committer.put(long))
    await asyncio.sleep(0)
    is_waiting = not putting.done()
    committer.close()
    await committer.run()
    await putting

    assert is_waiting


async def test_outcomes_are_committed_in_the_order_in_which_they_came() -> None:
    diary = Diary()
    store = NotedStore(diary)
    sink = NotedSink(diary, "one")
    committer = a_committer([sink], store, commit_size=3)
    running = asyncio.create_task(committer.run())
    for number in range(10):
        await committer.put(outcome(number))
    committer.close()
    await running

    assert sink.records == [{"n": number} for number in range(10)]
    committed = [one.entry.fingerprint for batch in store.batches for one in batch.outcomes]
    assert committed == list(range(10))


async def test_what_comes_within_the_interval_is_one_group() -> None:
    store = NotedStore(Diary())
    committer = a_committer([], store, commit_interval=0.03)
    running = asyncio.create_task(committer.run())
    for number in range(3):
        await committer.put(outcome(number))
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.06)
    committed = [len(batch.outcomes) for batch in store.batches]
    committer.close()
    await running

    assert committed == [3]


async def test_a_full_group_does_not_wait_for_the_interval() -> None:
    store = NotedStore(Diary())
    committer = a_committer([], store, commit_interval=60.0, commit_size=2)
    running = asyncio.create_task(committer.run())
    for number in range(2):
        await committer.put(outcome(number))
    await asyncio.sleep(0.01)
    committed = [len(batch.outcomes) for batch in store.batches]
    committer.close()
    await asyncio.wait_for(running, 1.0)

    assert committed == [2]


async def test_closing_commits_what_waits_at_once() -> None:
    store = NotedStore(Diary())
    committer = a_committer([], store, commit_interval=60.0)
    running = asyncio.create_task(committer.run())
    await asyncio.sleep(0)
    await committer.put(outcome(1))
    committer.put_seeds([entry(7)], 1)

    committer.close()
    await asyncio.wait_for(running, 1.0)

    assert [(len(batch.outcomes), batch.seeds) for batch in store.batches] == [(1, [entry(7)])]


async def test_closing_with_nothing_to_commit_commits_nothing() -> None:
    store = NotedStore(Diary())
    committer = a_committer([], store)
    running = asyncio.create_task(committer.run())
    await asyncio.sleep(0)

    committer.close()
    await asyncio.wait_for(running, 1.0)

    assert store.batches == []


async def test_what_comes_while_a_group_is_written_is_in_the_next_one() -> None:
    sink = Gated()
    store = NotedStore(Diary())
    committer = a_committer([sink], store, commit_size=1)
    running = asyncio.create_task(committer.run())
    await committer.put(outcome(1))
    await asyncio.sleep(0.01)
    await committer.put(outcome(2))
    committer.close()
    assert store.batches == []

    sink.gate.set()
    await asyncio.wait_for(running, 1.0)

    assert [len(batch.outcomes) for batch in store.batches] == [1, 1]


async def test_a_slow_sink_holds_up_those_who_would_fill_the_memory() -> None:
    sink = Gated()
    committer = a_committer([sink], commit_size=5)
    running = asyncio.create_task(committer.run())
    taken = 0

    async def worker() -> None:
        nonlocal taken
        for number in range(100):
            await committer.put(outcome(number))
            taken += 1

    workers = asyncio.gather(*[worker() for _ in range(3)])
    await asyncio.sleep(0.02)
    taken_while_slow = taken

    sink.gate.set()
    await asyncio.wait_for(workers, 5.0)
    committer.close()
    await running

    assert taken_while_slow <= 2 * 5 + 5 + 3  # two groups that wait, one that is written, and one from each worker
    assert len(sink.records) == 300


async def test_items_count_only_once_they_are_committed() -> None:
    sink = Gated()
    stats = Stats()
    committer = Committer(a_frontier(), [sink], None, stats)
    running = asyncio.create_task(committer.run())
    await committer.put(outcome(1))
    committer.close()
    await asyncio.sleep(0.01)
    before = stats.items

    sink.gate.set()
    await running

    assert (before, stats.items) == (0, 1)


async def test_what_is_filled_counts_once_it_is_committed_and_goes_on_from_the_tally() -> None:
    store = NotedStore(Diary())
    stats = Stats()
    committer = Committer(a_frontier(store), [Full(2)], None, stats, CommitOptions(commit_size=1))
    before = Tally(items=1, filled={"dict": Filled(1, {"n": 0})})
    committer.restore(Restored(tally=before))
    stats.restore(before, [])
    running = asyncio.create_task(committer.run())
    for number in (1, 2, 3):  # the third finds a full disk
        await committer.put(outcome(number))
        await asyncio.sleep(0)

    with pytest.raises(SinkError):
        await running

    counted = {"dict": Filled(3, {"n": 2})}
    assert (stats.filled, store.batches[-1].tally.filled) == (counted, counted)
    assert stats.filled["dict"] is not store.batches[-1].tally.filled["dict"]


async def test_rejects_go_to_their_own_sink_as_lines() -> None:
    rejects = Kept("rejects")
    reject = Reject(f"{SITE}/1", "Book", "price", "expected float, got str", {"price": "free"})
    committer = a_committer([], rejects=rejects)
    await committer.put(outcome(1, [reject]))
    committer.close()

    await committer.run()

    assert rejects.records == [
        {
            "url": f"{SITE}/1",
            "item_type": "Book",
            "field": "price",
            "reason": "expected float, got str",
            "values": {"price": "free"},
        }
    ]


async def test_rejects_without_a_place_for_them_are_let_go() -> None:
    store = NotedStore(Diary())
    committer = a_committer([], store)
    await committer.put(outcome(1, [Reject(SITE, "Book", "", "wrong", {})]))
    committer.close()

    await committer.run()

    assert store.batches[0].positions == {}


async def test_an_output_that_fails_ends_the_committing_with_nothing_half_done() -> None:
    store = NotedStore(Diary())
    committer = a_committer([Full(2)], store, commit_size=1)
    running = asyncio.create_task(committer.run())
    for number in range(2):
        await committer.put(outcome(number))
        await asyncio.sleep(0.001)
    await committer.put(outcome(3))

    with pytest.raises(SinkError, match="no space left"):
        await running

    assert [one.entry.fingerprint for batch in store.batches for one in batch.outcomes] == [0, 1]


class Numbers(Spider):
    """Forty pages, each with one item."""

    start_urls = [f"{SITE}/{number}" for number in range(40)]

    def parse(self, page: Any) -> Any:
        yield {"url": page.url}


PAGES = dict.fromkeys(Numbers.start_urls, "page")


async def test_a_full_disk_stops_the_crawl_and_keeps_what_was_committed() -> None:
    sink = Full(10)

    run = await crawled(Numbers, Scripted(PAGES), sinks=[sink], concurrency=2, commit_size=1, commit_interval=0.001)

    assert run.reason == "output_failed"
    assert isinstance(run.report.error, SinkError)
    assert str(run.report.error) == "cannot write out.jsonl: no space left on device"
    assert run.report.stats.items == len(sink.records) <= 10
    assert sink.is_open is False


class MadeAtTheEnd(Kept):
    """Made of its records at the end; or not, if there is an error."""

    def __init__(self, name: str, error: SinkError | None = None) -> None:
        super().__init__(name)
        self.is_made = False
        self._error = error

    async def finish(self, ending: Ending) -> None:
        if self._error is not None:
            raise self._error
        self.is_made = True


async def test_an_output_that_cannot_be_made_keeps_no_other_from_being_made() -> None:
    torn, whole = MadeAtTheEnd("torn", SinkError("torn.csv", "no space left on device")), MadeAtTheEnd("whole")

    run = await crawled(Numbers, Scripted(PAGES), sinks=[torn, whole])

    assert (run.reason, whole.is_made, len(whole.records)) == ("output_failed", True, 40)


async def test_a_disk_that_is_full_with_the_last_record_is_no_complete_crawl() -> None:
    run = await crawled(Numbers, Scripted(PAGES), sinks=[Full(39)], commit_interval=60.0)

    assert (run.reason, run.report.stats.items) == ("output_failed", 0)


async def test_a_reader_that_goes_away_closes_the_output() -> None:
    sink = Full(5, OutputClosed("standard output", "its reader went away"))

    run = await crawled(Numbers, Scripted(PAGES), sinks=[sink], concurrency=1, commit_size=1)

    assert run.reason == "output_closed"


async def test_every_output_has_every_record() -> None:
    sinks = [Kept("one"), Kept("two")]

    await crawled(Numbers, Scripted(PAGES), sinks=sinks)

    urls = sorted(Numbers.start_urls)
    assert [sorted(record["url"] for record in sink.records) for sink in sinks] == [urls, urls]
