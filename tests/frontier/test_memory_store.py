"""What is particular to the store that keeps nothing: URL-seen stays small in it, too."""

from unittest.mock import patch

from crawler.frontier import seen as seen_module
from crawler.frontier.memory import MemoryStore
from crawler.frontier.store import Batch
from crawler.outcome import Outcome, Verdict
from crawler.request import Entry, Request


def entry(mark: int, *, unique: bool = True) -> Entry:
    return Entry(Request(f"http://site.test/{mark}", unique=unique), "site.test", "http://site.test", mark)


async def test_what_is_committed_leaves_the_set_for_the_table_and_is_known_there() -> None:
    with patch.object(seen_module, "_RECENT", 100):
        store = MemoryStore()
        await store.open()
        for start in range(0, 3_000, 50):
            seeds = store.add([entry(mark) for mark in range(start, start + 25)])
            found = store.add([entry(mark) for mark in range(start + 25, start + 50)])
            page = Outcome(seeds[0], Verdict.DONE, discovered=found)
            await store.commit(Batch(seeds=seeds, outcomes=[page]))

        assert len(store._seen._recent) == 100
        assert store.known(range(-10, 3_010)) == [False] * 10 + [True] * 3_000 + [False] * 10
        assert store.add([entry(mark) for mark in range(2_990, 3_005)]) == [entry(mark) for mark in range(3_000, 3_005)]


async def test_what_is_not_unique_is_taken_each_time_wherever_it_is_known() -> None:
    with patch.object(seen_module, "_RECENT", 0):
        store = MemoryStore()
        await store.open()
        for _ in range(3):
            again = store.add([entry(7, unique=False)])
            await store.commit(Batch(seeds=again))

            assert (len(again), store.known([7]), len(store._seen)) == (1, [True], 1)
