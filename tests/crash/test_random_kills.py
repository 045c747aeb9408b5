"""A crawl that is killed with SIGKILL at random moments, again and again, loses nothing, doubles nothing and fetches
little twice: what was on the wire, and what waited for its commit.

``KILLS=100`` kills so many times, not 20; ``SEED=...`` repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from crashing import SPIDER, Site, assert_exact, command, environment, lines, project, run, served

PAGES = 2_000
KILLS = int(os.environ.get("KILLS", "20"))
CONCURRENCY = 4
COMMIT_SIZE = 16
SETTINGS = (f"concurrency={CONCURRENCY}", "commit_interval=0.02", f"commit_size={COMMIT_SIZE}")
GROUP = 2 * COMMIT_SIZE + CONCURRENCY
"""Outcomes in one group at the most: a worker waits when twice the size is there, with what it brings."""
REFETCHES = CONCURRENCY + 2 * GROUP
"""For each kill: what is on the wire, in the group that is being committed, and in the one that is being filled."""
WITH_REJECTS = SPIDER.replace(
    "from crawler import Spider", "from crawler import Item, Spider\n\nclass Odd(Item):\n    n: int\n"
) + ("        yield Odd(n=page.url)\n")
"""Each page has one item more, which fails its type."""


@pytest.mark.timeout(60 + 5 * KILLS)
def test_nothing_is_lost_or_doubled_however_often_the_crawl_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print(f"\nSEED={seed}")
    folder = project(tmp_path)
    (folder / "site.py").write_text(WITH_REJECTS)
    with served(PAGES) as site:
        words = command(site, "-o", "second.jsonl", settings=(*SETTINGS, "delay=0.004"))  # or it would end too soon
        begin = time.monotonic()
        kills = early = 0
        while kills < KILLS:
            asked = site.hits.total()
            code = _killed(folder, [*words, "--resume"] if kills else words, site, chance, begin)
            if code != -signal.SIGKILL:
                assert code == 0
                break
            kills += 1
            early += site.hits.total() == asked
        ended = run(folder, [*words, "--resume"])
        assert (ended.returncode, ended.stderr) == (0, "")
        fetches = sum(asked for name, asked in site.hits.items() if name.isdigit())
        refetches = fetches - PAGES
        print(
            f"{kills} kills, {early} of them before the first page; {refetches} pages fetched twice, "
            f"{refetches / kills:.1f} for each kill (at most {REFETCHES}); {time.monotonic() - begin:.0f} s"
        )
        assert_exact(folder, site)
        assert lines(folder) == Counter((folder / "second.jsonl").read_text().splitlines())
        assert rejected(folder) == Counter(f"{site.url}{number or ''}" for number in range(PAGES))
    assert kills == KILLS, "it was complete before: kill it sooner"
    assert 0 <= refetches <= kills * REFETCHES


def _killed(folder: Path, words: list[str], site: Site, chance: random.Random, begin: float) -> int:
    """Kill one run: one in three at any moment from its start on, the others after some pages. Its exit code."""
    pages = chance.randint(1, 2 * PAGES // (3 * KILLS))
    seconds, is_early = chance.uniform(0, 0.6), chance.random() < 1 / 3
    goal, end = site.hits.total() + pages, time.monotonic() + seconds
    process = subprocess.Popen(words, cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            if (time.monotonic() >= end) if is_early else (site.hits.total() >= goal):
                break
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.005))
    finally:
        process.kill()
    return process.wait()


def rejected(folder: Path) -> Counter[str]:
    """The pages whose items were rejected. Each line must be whole."""
    data = (folder / "items.rejects.jsonl").read_bytes()
    assert data.endswith(b"\n")
    return Counter(json.loads(line)["url"] for line in data.splitlines())
