"""Crawl a million small pages in one job, and say whether the last ones cost what the first ones did.

    python benchmarks/long.py [--pages 1000000] [--nice 5] [--check]

Eight hosts, each with a tree of pages that link to their children and to pages that are known: half of all pages wait at once
when the crawl is half-way. Everything is as it is by default: the frontier is on disk and synced. Pages a second are those of
the time in which other programs left it a core (``kept`` in the log): a run takes ten minutes, and a busy machine has hours.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from latency_server import address_of
from scale import BenchmarkFailed, Stretch, crawl_command, run, served, stretches, write_urls

HOSTS = 8
SPEED, BYTES = 0.9, 100
"""Of the first tenth's pages a second, those of the last one at least; and what each page may cost of memory."""
_SLOWEST = 200
"""Pages a second, below which something is wrong."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="long", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--nice", type=int, default=5, help="of the crawl and its server (default: %(default)s)")
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--keep", type=Path, help="a folder for the log of the run")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    each = options.pages // HOSTS
    with tempfile.TemporaryDirectory(prefix="long-") as name, served(HOSTS, each, options.nice) as port:
        folder = Path(name)
        urls = write_urls(folder, [f"http://{address_of(number)}:{port}/0/0" for number in range(HOSTS)])
        log = folder / "log.jsonl"
        arguments: dict[str, object] = {"follow": "yes", "every": max(1, each * HOSTS // 100)}
        command = crawl_command(folder, urls, log, arguments, {"store": options.store})
        run(command, folder, 60 + options.pages / _SLOWEST, options.nice)
        if options.keep:
            shutil.copy(log, options.keep)
        state = sum(file.stat().st_size for file in folder.glob(".crawl/**/*") if file.is_file())
        records = (folder / "pages.jsonl").stat()
        marks = stretches(log)
        if marks[-1].pages != each * HOSTS:
            raise BenchmarkFailed(f"{marks[-1].pages:,} pages came, and not {each * HOSTS:,}")
        return report(marks, state, records.st_size, options)


def report(log: list[Stretch], state: int, dataset: int, options: argparse.Namespace) -> int:
    pages = log[-1].pages
    marks = [min(log, key=lambda stretch: abs(stretch.pages - pages * tenth // 10)) for tenth in range(11)]
    print(
        f"{pages:,} pages of {HOSTS} hosts in {log[-1].seconds:,.0f} s, for {log[-1].kept:,.0f} of which it had no core"
    )
    print(f"{'tenth':>5} {'pages/s':>9} {'CPU µs/page':>12} {'resident MB':>12}")
    rates = []
    for number, (begin, end) in enumerate(pairwise(marks), 1):
        count = end.pages - begin.pages
        rates.append(count / (end.seconds - begin.seconds - (end.kept - begin.kept)))
        cpu = (end.cpu - begin.cpu) / count * 1e6
        print(f"{number:>5} {rates[-1]:>9,.0f} {cpu:>12.0f} {end.resident / 1e6:>12.1f}")
    growth = (max(stretch.resident for stretch in log) - marks[1].resident) / (pages - marks[1].pages)
    whole = (max(stretch.resident for stretch in log) - log[0].resident) / pages
    print(f"memory: {whole:.0f} bytes a page, {growth:.0f} of them past the first tenth")
    print(f"disk: {state / pages:.0f} bytes a URL for the job, {dataset / pages:.0f} for its record in the dataset")
    is_steady, is_small = rates[-1] >= SPEED * rates[0], growth < BYTES
    print(f"the last tenth as fast as {SPEED:.0%} of the first: {rates[-1] / rates[0]:.2f}, {_word(is_steady)}")
    print(f"less than {BYTES} bytes of memory for a page past the first tenth: {growth:.0f}, {_word(is_small)}")
    return 1 if options.check and not (is_steady and is_small) else 0


def _word(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its processes end with it, as on Ctrl-C
    sys.exit(main())
