"""The whole crawl but for its sockets, over a thousand made-up sites with faults, crashes and limits: whatever happens,
the outputs are exact, every page has one outcome, no host is asked too early, and the crawl ends.

``SEEDS=5000`` tries more of them, ``SEED=123`` one.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from simulate import MOMENTS, simulate

from crawler.frontier.courtesy import Courtesy
from crawler.frontier.frontier import Frontier
from crawler.frontier.schedule import HostSchedule
from crawler.frontier.seen import SeenSet, Sweep
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch, Want
from crawler.frontier.window import Window
from crawler.politeness.throttle import Throttle

ONE = os.environ.get("SEED")
SEEDS = int(os.environ.get("SEEDS", "1000"))
CHUNK = max(1, SEEDS // 20)
CHUNKS = [(int(ONE), int(ONE) + 1)] if ONE else [(at, min(at + CHUNK, SEEDS)) for at in range(0, SEEDS, CHUNK)]
MEMORY = Path("/dev/shm")
"""Where files are quicker than on a disk, if there is such a place."""
SHOWN = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    with _folder() as name:
        yield Path(name)


def _folder() -> Any:
    return tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)


@cache
def crawled(begin: int, end: int) -> tuple[Counter[str], list[str]]:
    """What happened in those seeds, and what went wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    with _folder() as name:
        for seed in range(begin, end):
            try:
                world = simulate(seed, Path(name))
            except Exception as error:  # each seed is a test of its own
                wrong.append(_told(seed, error))
                if len(wrong) == SHOWN:
                    break
            else:
                counts += world.counts + world.server.counts
    return counts, wrong


def _told(seed: int, error: Exception) -> str:
    events = "\n".join(getattr(error, "__notes__", []))
    return (
        f"{events}\nseed {seed}: {type(error).__name__}: {error}\n"
        f"  SEED={seed} {Path(sys.executable).name} -m pytest {os.path.relpath(__file__)}"
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("begin", "end"), CHUNKS)
def test_a_crawl_is_exact_and_polite_and_ends_whatever_happens(begin: int, end: int) -> None:
    _, wrong = crawled(begin, end)

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.skipif(ONE is not None or SEEDS < 500, reason="a few seeds do not see everything")
@pytest.mark.timeout(900)
def test_all_that_may_happen_did_happen() -> None:
    counts = sum((crawled(*chunk)[0] for chunk in CHUNKS), Counter[str]())

    print(*(f"{what}: {times:,}" for what, times in sorted(counts.items())), sep="\n")
    ends = ("complete", "interrupted", "max_pages", "max_items", "output_failed", "store_failed", "spider_failed")
    wanted = [
        *(f"crash: {moment}" for moment in MOMENTS),
        *(f"ended: {end}" for end in ends),
        "torn tails",  # which a resume must cut off
        "spilled",  # a request went to the store alone
        "trimmed",  # requests went back to the store for others that come first
        "fell asleep",
        "woken",
        "read back",
        "read in part",  # up to one that is not committed yet
        "sweeps",  # of the table of fingerprints, to their end
        "fingerprints in the table",  # when a job was opened
        "retries",
        "refusals",
        "spaced by address",
        "outlasted",  # failures that were an outage's
        "failures put back",
    ]
    assert [what for what in wanted if counts[what] < 10] == []
    assert counts["tasks that could not be ended"] == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [int(ONE)] if ONE else [1, 5, 11, 23, 42])
def test_the_same_seed_is_the_same_crawl_to_the_last_event(seed: int, folder: Path) -> None:
    first, second = (simulate(seed, folder).events for _ in range(2))

    assert first == second


# --- could it fail? ---

Spoil = Callable[[pytest.MonkeyPatch], None]


def positions_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    commit = SqliteStore.commit

    async def spoilt(self: SqliteStore, batch: Batch) -> None:
        batch.positions = {name: position for name, position in batch.positions.items() if not position}
        await commit(self, batch)

    patch.setattr(SqliteStore, "commit", spoilt)


def outcomes_and_positions_are_two_transactions(patch: pytest.MonkeyPatch) -> None:
    write = SqliteStore._write

    def spoilt(self: SqliteStore, batch: Batch, rows: Any, *more: Any) -> None:
        again, rows.gone, rows.finished = rows.gone, [], []
        write(self, batch, rows, *more)
        assert self._connection is not None
        self._connection.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in again])

    patch.setattr(SqliteStore, "_write", spoilt)


def a_resume_forgets_what_hosts_are_owed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Courtesy, "recall", lambda *_: None)


def no_pause_begins_when_a_request_leaves(patch: pytest.MonkeyPatch) -> None:
    started = HostSchedule.started

    def spoilt(self: HostSchedule[Any], host: str, item: Any, now: float) -> None:
        started(self, host, item, now - 0.05)

    patch.setattr(HostSchedule, "started", spoilt)


def a_refusal_is_not_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Courtesy, "rest", lambda *_: None)


def a_host_that_refused_is_asked_as_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Throttle, "strained", lambda *_: None)


def hosts_at_one_address_are_not_spaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HostSchedule, "_leave", lambda self, address, item, ready_at: leave(self, address, item, 0.0))


leave = HostSchedule._leave


def what_is_not_committed_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    wants = Window.wants

    def spoilt(self: Window, *given: Any) -> list[Want]:
        wanted = wants(self, *given)
        for want in wanted:
            self._tails[want.host].unsaved.clear()
        return wanted

    patch.setattr(Window, "wants", spoilt)


def what_is_leased_is_read_once_more(patch: pytest.MonkeyPatch) -> None:
    class Nothing(set[int]):
        def __contains__(self, number: object) -> bool:
            return False

    take = Frontier._take

    def spoilt(self: Frontier) -> Any:
        self._out = Nothing(self._out)
        return take(self)

    patch.setattr(Frontier, "_take", spoilt)


def a_sweep_covers_what_was_folded_since_it_began(patch: pytest.MonkeyPatch) -> None:
    sweep = SeenSet.sweep

    def spoilt(self: SeenSet) -> Sweep | None:
        share = sweep(self)
        if share is not None:
            share.covers = self._folded
        return share

    patch.setattr(SeenSet, "sweep", spoilt)


def saved_fingerprints_are_not_read(patch: pytest.MonkeyPatch) -> None:
    restore = SeenSet.restore
    patch.setattr(SeenSet, "restore", lambda self, parts, groups: restore(self, [], groups))


def sleeping_hosts_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "scans", lambda *_: None)


def priorities_are_not_looked_at_when_memory_is_full(patch: pytest.MonkeyPatch) -> None:
    takes = Window.takes

    def spoilt(self: Window, host: str, key: tuple[int, int], *more: Any) -> bool:
        return takes(self, host, (0, key[1]), *more)

    patch.setattr(Window, "takes", spoilt)


SPOILT: Iterable[Spoil] = (
    positions_are_not_kept,
    outcomes_and_positions_are_two_transactions,
    a_resume_forgets_what_hosts_are_owed,
    no_pause_begins_when_a_request_leaves,
    a_refusal_is_not_heard,
    a_host_that_refused_is_asked_as_before,
    hosts_at_one_address_are_not_spaced,
    what_is_not_committed_is_passed_over,
    what_is_leased_is_read_once_more,
    a_sweep_covers_what_was_folded_since_it_began,
    saved_fingerprints_are_not_read,
    sleeping_hosts_are_not_looked_for,
    priorities_are_not_looked_at_when_memory_is_full,
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_crawler_that_is_spoilt_is_found_out(spoil: Spoil, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch)

    with pytest.raises(Exception):  # whatever it comes to
        for seed in range(300):
            simulate(seed, folder)
