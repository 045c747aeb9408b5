"""What ``guard.py`` counts: contenders crawl sites of several sizes, each crawl in a child of one process.

    valgrind ... python guarded.py NAME=URL ...

All that is needed is imported once, then each crawl is a fork, which counts on from there: what lies before and after
the pages is in all counts of a contender, and the difference of two of them is the pages' alone. Each crawl writes
``books.jsonl`` in a folder that is called like its process.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import uvloop
from contenders import CONCURRENCY, SPIDERS
from contenders.bare import crawl, keep_freed_memory

import crawler.cli.console
import crawler.cli.run  # noqa: F401 (that and the one above are what a crawl imports)
from crawler.cli.main import run

GROUP = 100
"""Outcomes in a group commit. Under valgrind pages are some fifty times slower, and what comes with the clock more often a
page: so groups are full before they are old (5 times a second in a real crawl: some 500 pages), and nothing is slow."""
NEVER = 3600
"""Seconds; longer than the guard."""


def crawl_bare(url: str) -> int:
    keep_freed_memory()
    with Path("books.jsonl").open("wb", buffering=1 << 20) as file:
        uvloop.run(crawl(url, file, CONCURRENCY))
    return 0


def crawl_ours(url: str) -> int:
    settings = {
        "delay": 0,
        "concurrency": CONCURRENCY,
        "concurrency_per_host": CONCURRENCY,
        "commit_size": GROUP,
        "commit_interval": NEVER,
        "slow_callback": NEVER,
    }
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return run([str(SPIDERS / "books_bench.py"), "-o", "books.jsonl", "-a", f"url={url}", "--quiet", *given])


CRAWLS = {"bare": crawl_bare, "crawler": crawl_ours}


def main(words: list[str]) -> int:
    """0, or the exit code of a crawl that failed. Each line of the output says which process made which crawl."""
    gc.freeze()  # as the command line does it: what is imported is none of the crawl's garbage
    children = []
    for word in words:
        child = os.fork()
        if not child:
            crawl_and_leave(*word.split("=", 1))
        print(word, child, flush=True)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def crawl_and_leave(name: str, url: str) -> None:
    code = 1
    try:
        folder = Path(str(os.getpid()))
        folder.mkdir()
        os.chdir(folder)
        code = CRAWLS[name](url)
    finally:
        os._exit(code)  # the end of the process is the same for all, and counts for nobody


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
