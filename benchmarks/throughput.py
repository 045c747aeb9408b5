"""Crawl one closed site with this project, with a bare loop and with its peers, and print what each costs.

    python benchmarks/throughput.py [--scrapy --scrapy-python VENV/bin/python] [--scrapling ...] [--check]

Every figure is of a whole process: starting Python, importing and shutting down count, and nothing is
subtracted. The server is another process, whose cost is nobody's. README.md beside this file says what is
compared and how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from closed_site import DEFAULT_ARCHIVE, START_PATH, MissingArchive, Server, Site, build, served
from contenders import CONCURRENCY, CONTENDERS, PEERS
from measure import ContenderFailed, Cost, compile_package, crawl, why_absent

Costs = dict[str, list[Cost]]
"""Contender -> one cost per round."""

YARDSTICK = "bare"


@dataclass(frozen=True, slots=True)
class Medians:
    """One line of the table. Each figure is the median of its own column over the rounds."""

    pages_per_second: float
    cpu_per_page: float
    """Microseconds."""
    peak_rss: float
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of two contenders' figures that the project promises to keep."""

    sentence: str
    figure: str
    """A field of Medians."""
    over: str
    """The contender whose figure ours is divided by."""
    bound: float
    is_ceiling: bool

    def ratio(self, table: dict[str, Medians]) -> float | None:
        """None if one of the two was not measured."""
        if "crawler" not in table or self.over not in table:
            return None
        ours: float = getattr(table["crawler"], self.figure)
        theirs: float = getattr(table[self.over], self.figure)
        return ours / theirs

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.is_ceiling else ratio >= self.bound


TARGETS = (
    Target("crawler CPU/page vs bare <= 1.25", "cpu_per_page", "bare", 1.25, is_ceiling=True),
    Target("crawler CPU/page vs plain <= 1.25", "cpu_per_page", "plain", 1.25, is_ceiling=True),
    Target("crawler CPU/page vs its memory store <= 1.15", "cpu_per_page", "memory", 1.15, is_ceiling=True),
    Target("crawler pages/s vs scrapy >= 15", "pages_per_second", "scrapy", 15.0, is_ceiling=False),
    Target("crawler pages/s vs scrapling >= 4.5", "pages_per_second", "scrapling", 4.5, is_ceiling=False),
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 measured, 1 a contender failed or (``--check``) a target is missed, 2 nothing started."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="closed-site-") as folder:
        try:
            site = build(options.pages_archive, Path(folder, "site"), options.pages)
        except MissingArchive as error:
            print(f"throughput: {error}", file=sys.stderr)
            return 2
        compile_package()
        os.sync()  # a contender that syncs its output must not wait for the site's pages to reach the disk
        pythons, absent = contenders(options)
        try:
            with served(site, Path(folder)) as server:
                costs = measure(site, server, pythons, options)
        except ContenderFailed as error:
            print(f"throughput: {error}", file=sys.stderr)
            return 1
    table = {name: medians(rounds) for name, rounds in costs.items()}
    print("\n".join(report(site, server, table, absent, options)))
    if options.json:
        options.json.write_text(json.dumps(raw(site, server, costs, table, options), indent=2) + "\n")
    return 1 if options.check and is_missed(table, options) else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="throughput", description=(__doc__ or "").partition("\n")[0])
    number, add = partial(parser.add_argument, type=positive, metavar="N"), parser.add_argument
    number("--pages", default=10_000, help="pages of the site (default: %(default)s)")
    number("--rounds", default=5, help="runs of each contender (default: %(default)s)")
    number("--concurrency", default=CONCURRENCY, help="requests at once (default: %(default)s)")
    for name, about in (("scrapy", "Scrapy too: some 50 s a round"), ("scrapling", "Scrapling too: some 25 s a round")):
        add(f"--{name}", action="store_true", help=f"run {about}")
        add(f"--{name}-python", default=sys.executable, metavar="PYTHON", help="the Python that has it")
    add("--pages-archive", type=Path, default=DEFAULT_ARCHIVE, metavar="FILE", help="the real pages, tar.gz")
    add(
        "--without",
        action="append",
        default=[],
        choices=["plain", "crawler", "memory"],
        help="leave this contender out",
    )
    add("--json", type=Path, metavar="FILE", help="write every run's figures here")
    add("--check", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def contenders(options: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Who runs, with which Python; and who does not, with the reason."""
    pythons = dict.fromkeys(CONTENDERS, sys.executable)
    pythons |= {name: getattr(options, f"{name}_python") for name in PEERS}
    absent = {name: reason for name, python in pythons.items() if (reason := reason_to_skip(name, python, options))}
    return {name: python for name, python in pythons.items() if name not in absent}, absent


def reason_to_skip(name: str, python: str, options: argparse.Namespace) -> str | None:
    if name in PEERS and not getattr(options, name):
        return f"add --{name} --{name}-python VENV/bin/python to include it"
    if name in options.without:
        return "left out by --without"
    return why_absent(name, python)


def measure(site: Site, server: Server, pythons: dict[str, str], options: argparse.Namespace) -> Costs:
    """Each contender once per round, in turn, so that a slow minute of the machine falls on all of them.

    :raises ContenderFailed: one failed, or two disagree on a record
    """
    costs: Costs = {name: [] for name in pythons}
    agreed: list[str] | None = None
    for number in range(1, options.rounds + 1):
        for name, python in pythons.items():
            urls = (server.url + path for path in site.paths)
            run = crawl(name, python, server.url + START_PATH, urls, options.concurrency)
            agreed = run.records if agreed is None else agreed
            compare(name, run.records, agreed)
            costs[name].append(run.cost)
            print(f"round {number}: {name} {run.cost.wall:.1f} s", file=sys.stderr)
    return costs


def compare(name: str, records: list[str], agreed: list[str]) -> None:
    for ours, theirs in zip(records, agreed, strict=True):
        if ours != theirs:
            raise ContenderFailed(f"{name} extracted another record than the first contender:\n  {ours}\n  {theirs}")


def medians(rounds: list[Cost]) -> Medians:
    return Medians(
        pages_per_second=statistics.median(cost.pages_per_second for cost in rounds),
        cpu_per_page=statistics.median(cost.cpu_per_page for cost in rounds),
        peak_rss=statistics.median(cost.peak_rss for cost in rounds),
    )


def report(
    site: Site, server: Server, table: dict[str, Medians], absent: dict[str, str], options: argparse.Namespace
) -> Iterator[str]:
    count = len(site.paths)
    yield f"{count:,} pages of {site.size / count / 1000:.1f} KB with {site.links / count:.1f} links each"
    yield (
        f"Python {platform.python_version()}, served by {server.kind}, concurrency {options.concurrency}, "
        f"rounds {options.rounds} (medians)"
    )
    yield ""
    yield f"{'contender':<10} {'pages/s':>8} {'CPU µs/page':>12} {'CPU / bare':>11} {'peak RSS MB':>12}"
    for name, line in table.items():
        ratio = line.cpu_per_page / table[YARDSTICK].cpu_per_page
        speed = f"{line.pages_per_second:>8,.0f} {line.cpu_per_page:>12,.0f} {ratio:>11.2f}"
        yield f"{name:<10} {speed} {line.peak_rss / 1e6:>12.0f}"
    for name, reason in absent.items():
        yield f"{name:<10} not run: {reason}"
    yield ""
    yield from (verdict(target, table) for target in TARGETS)


def verdict(target: Target, table: dict[str, Medians]) -> str:
    ratio = target.ratio(table)
    if ratio is None:
        return f"{target.sentence}: not measured"
    return f"{target.sentence}: {ratio:.2f}, {'met' if target.is_met(ratio) else 'missed'}"


def is_missed(table: dict[str, Medians], options: argparse.Namespace) -> bool:
    """What was not measured counts as missed, except over a peer that nobody asked for."""
    asked = [target for target in TARGETS if target.over not in PEERS or getattr(options, target.over)]
    ratios = [(target, target.ratio(table)) for target in asked]
    return any(ratio is None or not target.is_met(ratio) for target, ratio in ratios)


def raw(
    site: Site, server: Server, costs: Costs, table: dict[str, Medians], options: argparse.Namespace
) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "server": server.kind,
        "pages": len(site.paths),
        "links": site.links,
        "bytes": site.size,
        "concurrency": options.concurrency,
        "runs": {name: [asdict(cost) for cost in rounds] for name, rounds in costs.items()},
        "medians": {name: asdict(line) for name, line in table.items()},
        "targets": {target.sentence: target.ratio(table) for target in TARGETS},
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with it, as on Ctrl-C
    sys.exit(main())
