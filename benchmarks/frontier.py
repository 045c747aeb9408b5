"""Fill a frontier, open it again, and empty it; print how fast, and in how much memory.

    python benchmarks/frontier.py [--urls 10000000] [--hosts 5000] [--folder DIR]

The frontier and its SQLite store are the crawler's own, with the default durability: each group of 500 pages is one
transaction, synced to the disk. A page offers 50 links, 45 of them to URLs that are known already, drawn evenly from
all of them. Filling and emptying are two processes. Nothing is fetched or parsed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from crawler.frontier.frontier import Frontier
from crawler.frontier.job import Job, Spec
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch
from crawler.outcome import Outcome, Tally, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request
from crawler.urls.scope import Scope

LINKS, NEW = 50, 5
GROUP = 500
TARGETS = (
    ("peak memory, filling <= 500 MB", "filling_mb", 500, False),
    ("peak memory, emptying <= 500 MB", "emptying_mb", 500, False),
    ("links offered a second >= 100,000", "offered_per_second", 100_000, True),
    ("lease + finish a second >= 10,000", "finished_per_second", 10_000, True),
    ("open to first lease <= 5 s", "first_lease_seconds", 5, False),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="frontier", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--urls", type=int, default=1_000_000, help="URLs that are new (default: %(default)s)")
    parser.add_argument(
        "--hosts", type=int, default=5_000, help="hosts that they are spread over (default: %(default)s)"
    )
    parser.add_argument("--finish", type=int, help="how many of them to lease and finish (default: all)")
    parser.add_argument("--folder", type=Path, help="where the job is kept (default: a folder that is removed)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--part", choices=["fill", "empty"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part = fill if options.part == "fill" else empty
        print(json.dumps(asyncio.run(part(options))))
        return 0
    with tempfile.TemporaryDirectory(prefix="frontier-") as folder:
        figures: dict[str, float] = {}
        for name in ("fill", "empty"):
            words = [sys.executable, __file__, "--part", name, "--folder", str(options.folder or folder)]
            words += ["--urls", str(options.urls), "--hosts", str(options.hosts)]
            words += ["--finish", str(options.finish)] if options.finish else []
            figures |= json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return report(figures, options)


def report(figures: dict[str, float], options: argparse.Namespace) -> int:
    print(f"{options.urls:,} URLs of {options.hosts:,} hosts, {LINKS} links a page of which {NEW} are new")
    for name, value in figures.items():
        print(f"  {name:<22} {value:>12,.1f}")
    missed = 0
    for sentence, name, bound, is_floor in TARGETS:
        is_met = figures[name] >= bound if is_floor else figures[name] <= bound
        missed += not is_met
        print(f"{sentence}: {figures[name]:,.1f}, {'met' if is_met else 'missed'}")
    return 1 if missed and options.check else 0


def url(number: int, hosts: int) -> str:
    return f"http://host-{number // 20 % hosts}.example/catalogue/an-article-of-some-length-{number}/index.html"


def frontier_of(options: argparse.Namespace) -> tuple[SqliteStore, Frontier]:
    store = SqliteStore(Job(options.folder).database, syncs=True)
    return store, Frontier(store, Scope(["*"]), Manners(Politeness(delay=0.0)))


async def fill(options: argparse.Namespace) -> dict[str, Any]:
    Job(options.folder).folder.mkdir(exist_ok=True)
    Job(options.folder).create(Spec("bench", "bench"), syncs=True)
    store, frontier = frontier_of(options)
    await store.open()
    chance = random.Random(1)
    parent = Entry(Request("http://seed.example/"), "seed.example", "http://seed.example", 1)
    stocking = asyncio.create_task(frontier.stock())
    known, offered, making = 0, 0, 0.0
    begun = time.perf_counter()
    while known < options.urls:
        found: list[Entry] = []
        for _ in range(GROUP):
            before = time.perf_counter()
            numbers = [chance.randrange(known or 1) for _ in range(LINKS - NEW)] + list(range(known, known + NEW))
            urls = [url(number, options.hosts) for number in numbers]
            making += time.perf_counter() - before  # the page's own work, not the frontier's
            admission = frontier.admit([Request(one) for one in urls], parent)
            found += admission.entries
            frontier.queue(admission.entries)
            known, offered = known + NEW, offered + LINKS
        await frontier.commit(frontier.seal(), Batch(seeds=found, tally=Tally(), seeds_ended=True))
    seconds = time.perf_counter() - begun - making
    assert frontier.waiting == known, (frontier.waiting, known)
    stocking.cancel()
    await store.close()
    return {
        "offered_per_second": offered / seconds,
        "new_per_second": known / seconds,
        "filling_mb": peak_mb(),
        "state_mb": sum(file.stat().st_size for file in options.folder.iterdir()) / 1e6,
    }


async def empty(options: argparse.Namespace) -> dict[str, Any]:
    begun = time.perf_counter()
    store, frontier = frontier_of(options)
    restored = await store.open()
    frontier.restore(restored)
    frontier.seeds_ended()
    stocking = asyncio.create_task(frontier.stock())
    first = await frontier.lease()
    opened = time.perf_counter() - begun
    assert first is not None
    frontier.put_back(first, sent=False)
    total = min(options.finish or restored.waiting, restored.waiting)
    done = 0
    begun = time.perf_counter()
    while done < total:
        outcomes: list[Outcome] = []
        while len(outcomes) < GROUP and done < total:
            entry = await frontier.lease()
            assert entry is not None
            outcomes.append(Outcome(entry, Verdict.DONE))
            frontier.finish(outcomes[-1])
            done += 1
        await frontier.commit(frontier.seal(), Batch(outcomes=outcomes, tally=Tally(), seeds_ended=True))
    seconds = time.perf_counter() - begun
    assert frontier.waiting == restored.waiting - done
    assert frontier.is_complete == (done == restored.waiting)
    stocking.cancel()
    await store.close()
    return {"first_lease_seconds": opened, "finished_per_second": done / seconds, "emptying_mb": peak_mb()}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
