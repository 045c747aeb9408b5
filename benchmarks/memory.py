"""Crawl a small and a ten times larger site, and print how much memory each further page costs.

    python benchmarks/memory.py

What may grow with the pages crawled is URL-seen, which has to know them, and the backlog of URLs not fetched
yet; what was fetched, parsed and written must not stay. The bare loop, which keeps one set of URL strings and
one queue, shows how much that is in plain Python.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from closed_site import DEFAULT_ARCHIVE, START_PATH, MissingArchive, build, served
from contenders import CONCURRENCY
from measure import ContenderFailed, crawl, why_absent

CONTENDERS = ("bare", "crawler")


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 measured, 1 a contender failed, 2 nothing was started."""
    options = parse(arguments)
    try:
        print("\n".join(report(options)))
    except MissingArchive as error:
        print(f"memory: {error}", file=sys.stderr)
        return 2
    except ContenderFailed as error:
        print(f"memory: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, nargs=2, default=[2_000, 20_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, metavar="N")
    parser.add_argument("--pages-archive", type=Path, default=DEFAULT_ARCHIVE, metavar="FILE")
    parser.add_argument("--without", action="append", default=[], choices=CONTENDERS)
    options = parser.parse_args(arguments)
    if not 1 <= options.pages[0] < options.pages[1]:
        parser.error("--pages wants two numbers, the smaller one first")
    return options


def report(options: argparse.Namespace) -> Iterator[str]:
    small, large = options.pages
    asked = [name for name in CONTENDERS if name not in options.without]
    absent = {name: reason for name in asked if (reason := why_absent(name, sys.executable))}
    names = [name for name in asked if name not in absent]
    before, after = (peaks(names, pages, options) for pages in (small, large))
    yield f"{'peak RSS':<10} {f'{small:,} pages':>14} {f'{large:,} pages':>14} {'bytes per further page':>24}"
    for name in names:
        growth = (after[name] - before[name]) / (large - small)
        yield f"{name:<10} {before[name] / 1e6:>11.1f} MB {after[name] / 1e6:>11.1f} MB {growth:>24,.0f}"
    for name, reason in absent.items():
        yield f"{name:<10} not run: {reason}"


def peaks(names: list[str], pages: int, options: argparse.Namespace) -> dict[str, int]:
    """Contender -> bytes at its peak, in a crawl of *pages* pages."""
    with tempfile.TemporaryDirectory(prefix="closed-site-") as folder:
        site = build(options.pages_archive, Path(folder, "site"), pages)
        os.sync()
        with served(site, Path(folder)) as server:
            urls = [server.url + path for path in site.paths]
            start = server.url + START_PATH
            runs = {name: crawl(name, sys.executable, start, urls, options.concurrency) for name in names}
            return {name: run.cost.peak_rss for name, run in runs.items()}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with it, as on Ctrl-C
    sys.exit(main())
