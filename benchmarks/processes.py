"""Crawl three sites with callbacks in the crawl's own process and in parse processes, and print what it gives.

    python benchmarks/processes.py [books large tiny] [--rounds 5] [--check]

Both crawls of a round run one after the other on the same site; the ratio is of their pages a second. Seconds mean
little on a machine that has other things to do: so the CPU time of each side is printed too, and the ratio that it
would allow if the cores had nothing else to do (server included; its share is an option).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from closed_site import DEFAULT_ARCHIVE, ROBOTS, START_PATH, MissingArchive, Site, build, served
from contenders import CONCURRENCY, SPIDERS
from measure import ContenderFailed, run

SITES = DEFAULT_ARCHIVE.with_name("sites.tar.gz")
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A site, and what is asked of the processes there."""

    spider: str
    archive: Path | None
    """None: pages of 1 KB, made here."""
    pages: int
    processes: str
    """The setting ``parse_processes``."""
    least: float
    """The ratio that is the target."""


KINDS = {
    "books": Kind("Books", DEFAULT_ARCHIVE, 10_000, "unset", 1.4),
    "large": Kind("Large", SITES, 1_000, "unset", 1.7),
    "tiny": Kind("Tiny", None, 10_000, "auto", 0.95),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One crawl. Times are in seconds."""

    pages: int
    wall: float
    own: float
    """CPU time of the crawl's own process."""
    processes: float
    """CPU time of its parse processes."""

    def per_page(self, seconds: float) -> float:
        """In microseconds."""
        return seconds / self.pages * 1e6

    def bound(self, server: float, processes: int) -> float:
        """Seconds that it takes at least on free cores, with *server* seconds of the server's."""
        return max(self.own, self.processes / processes, (self.own + self.processes + server) / CORES)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 measured, 1 a crawl failed or (``--check``) a target is missed, 2 nothing started."""
    parser = argparse.ArgumentParser(prog="processes", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="pairs of crawls (default: %(default)s)")
    parser.add_argument("--pages", type=int, metavar="N", help="of each site, instead of its own number")
    parser.add_argument("--concurrency", type=int, default=4 * CONCURRENCY, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--processes", metavar="N", help="the setting parse_processes, instead of the one of the site")
    parser.add_argument("--server", type=float, default=20, metavar="US", help="CPU µs a page (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args(arguments)
    print(f"{CORES} cores, concurrency {options.concurrency}, {options.rounds} rounds (medians)\n")
    print(f"{'site':8}{'ratio':>7}{'target':>8}{'free cores':>12}   CPU µs/page: here, and apart (own + processes)")
    missed = False
    for name in options.kinds:
        try:
            missed |= measure(name, KINDS[name], options) < KINDS[name].least
        except (MissingArchive, ContenderFailed) as error:
            print(f"processes: {error}", file=sys.stderr)
            return 2 if isinstance(error, MissingArchive) else 1
    return 1 if options.check and missed else 0


def measure(name: str, kind: Kind, options: argparse.Namespace) -> float:
    """Print the line of one site. Its ratio of pages a second: the median of the rounds."""
    pages = options.pages or kind.pages
    setting = options.processes or kind.processes
    with tempfile.TemporaryDirectory(prefix="processes-") as folder:
        root = Path(folder, "site")
        site = build(kind.archive, root, pages) if kind.archive else build_tiny(root, pages)
        os.sync()
        pairs: list[tuple[Run, Run]] = []
        with served(site, Path(folder)) as server:
            for number in range(options.rounds):
                here = crawl(kind.spider, server.url, pages, options.concurrency, "unset")
                apart = crawl(f"{kind.spider}Apart", server.url, pages, options.concurrency, setting)
                pairs.append((here, apart))
                print(f"{name}, round {number + 1}: {here.wall:.1f} s, {apart.wall:.1f} s", file=sys.stderr)
    ratio = statistics.median(here.wall / apart.wall for here, apart in pairs)
    served_for = options.server * pages / 1e6
    count = int(setting) if setting.isdigit() else CORES
    free = statistics.median(here.bound(served_for, 1) / apart.bound(served_for, count) for here, apart in pairs)
    costs = [
        statistics.median(each)
        for each in zip(
            *((h.per_page(h.own), a.per_page(a.own), a.per_page(a.processes)) for h, a in pairs), strict=True
        )
    ]
    print(f"{name:8}{ratio:7.2f}{kind.least:8.2f}{free:12.2f}   {costs[0]:.0f}, and {costs[1]:.0f} + {costs[2]:.0f}")
    return ratio


def crawl(spider: str, url: str, pages: int, concurrency: int, processes: str) -> Run:
    """One crawl in an empty folder.

    :raises ContenderFailed: it failed, or did not find every page
    """
    with tempfile.TemporaryDirectory(prefix="crawl-") as folder:
        note, output = Path(folder, "cpu"), Path(folder, "pages.jsonl")
        command = [sys.executable, "-m", "crawler", f"{SPIDERS / 'processes_bench.py'}:{spider}", "-o", str(output)]
        command += ["-a", f"url={url}{START_PATH}", "-a", f"note={note}", "--quiet"]
        settings = {"delay": "0", "concurrency": concurrency, "concurrency_per_host": concurrency}
        for setting, value in {**settings, "parse_processes": processes, "slow_callback": "10"}.items():
            command += ["--set", f"{setting}={value}"]
        cost = run(command, Path(folder), pages)
        found = len(output.read_bytes().splitlines())
        if found != pages:
            raise ContenderFailed(f"{spider} wrote {found} records; the site has {pages} pages")
        own = float(note.read_text())
        return Run(pages, cost.wall, own, max(0.0, cost.user + cost.system - own))


def build_tiny(root: Path, pages: int) -> Site:
    """Pages of 1 KB: a heading, some text, and links to their neighbours in a binary tree."""
    root.mkdir(parents=True)
    paths = (START_PATH, *(f"{number}.html" for number in range(1, pages)))
    size = 0
    for number, path in enumerate(paths):
        near = ((number * 2 + 1) % pages, (number * 2 + 2) % pages, (number * 7919) % pages)
        links = "".join(f'<a href="/{paths[other]}">page {other}</a> ' for other in near)
        body = f"<!doctype html><title>Page {number}</title><h1>Page {number}</h1><p>{links}</p><p>"
        body += "Some words of no importance. " * 28
        (root / path).write_text(body)
        size += len(body)
    (root / "robots.txt").write_text(ROBOTS)
    return Site(root, paths, 3 * pages, size)


if __name__ == "__main__":
    sys.exit(main())
