"""Keep ten thousand requests in flight, and say how near to a bare loop over aiohttp that comes.

    python benchmarks/many.py [--in-flight 10000] [--wait 1] [--rounds 1] [--hosts 8] [--check]

The server answers each request a second after it came, so that 10,000 in flight could be 10,000 pages a second. That is more than one
core gives anybody: what is compared then is the CPU time of a page, of which the bare loop spends none on parsing, the frontier
or the dataset. With ``--wait 5`` there is time for all of it, and the rates are those of the requests in flight. The rate is that from the
second ten thousand pages on, when all connections are open.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from latency_server import address_of
from scale import Stretch, bare_command, crawl_command, run, served, stretches, write_urls

RATE, MEGABYTES = 0.9, 500
TURNS = 6
"""Pages for each request in flight, the first ones of which are not counted."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="many", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=10_000, metavar="N")
    parser.add_argument("--wait", type=float, default=1.0, help="seconds until an answer comes (default: %(default)s)")
    parser.add_argument("--hosts", type=int, default=8, help="addresses of the server (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each, by turns (default: %(default)s)")
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    logs: dict[str, list[list[Stretch]]] = {"bare": [], "crawler": []}
    with served(options.hosts) as port:
        for _ in range(options.rounds):
            for name, runs in logs.items():
                with tempfile.TemporaryDirectory(prefix="many-") as folder:
                    runs.append(fetch(name, Path(folder), port, options))
    return report(logs, options)


def fetch(name: str, folder: Path, port: int, options: argparse.Namespace) -> list[Stretch]:
    milliseconds, most = round(options.wait * 1000), options.in_flight
    urls = write_urls(
        folder,
        [
            f"http://{address_of(number % options.hosts)}:{port}/{milliseconds}/{number}"
            for number in range(TURNS * most)
        ],
    )
    log = folder / "log.jsonl"
    if name == "bare":
        command = bare_command(urls, log, most)
    else:
        settings = {"concurrency": most, "concurrency_per_host": most, "delay": 0, "store": options.store}
        command = crawl_command(folder, urls, log, {}, settings)
    run(command, folder, 60 + 20 * options.wait + TURNS * most / 100)
    return stretches(log)


def report(logs: dict[str, list[list[Stretch]]], options: argparse.Namespace) -> int:
    rates = {name: median(rate_of(log, options.in_flight) for log in runs) for name, runs in logs.items()}
    peak = max(stretch.resident for log in logs["crawler"] for stretch in log) / 1e6
    print(
        f"{options.in_flight:,} in flight, {options.hosts} hosts, an answer after {options.wait:g} s, {options.rounds} rounds"
    )
    print(f"{'':<8} {'pages/s':>9} {'of ideal':>9} {'CPU µs/page':>12} {'peak MB':>8} {'no core, s':>11}")
    for name, runs in logs.items():
        cpu = median(cpu_of(log, options.in_flight) for log in runs)
        resident = max(stretch.resident for log in runs for stretch in log) / 1e6
        kept = median(log[-1].kept for log in runs)
        share = rates[name] * options.wait / options.in_flight
        print(f"{name:<8} {rates[name]:>9,.0f} {share:>9.2f} {cpu:>12.0f} {resident:>8.0f} {kept:>11.1f}")
    ratio = rates["crawler"] / rates["bare"]
    targets: tuple[tuple[str, float, Callable[[float], bool]], ...] = (
        (f"pages a second of the bare loop's >= {RATE}", ratio, lambda value: value >= RATE),
        (f"peak memory < {MEGABYTES} MB", peak, lambda value: value < MEGABYTES),
    )
    missed = 0
    for sentence, value, holds in targets:
        missed += not holds(value)
        print(f"{sentence}: {value:.2f}, {'met' if holds(value) else 'missed'}")
    return 1 if missed and options.check else 0


def rate_of(log: list[Stretch], first: int) -> float:
    begin = next(stretch for stretch in log if stretch.pages >= first)
    return (log[-1].pages - begin.pages) / (log[-1].seconds - begin.seconds)


def cpu_of(log: list[Stretch], first: int) -> float:
    begin = next(stretch for stretch in log if stretch.pages >= first)
    return (log[-1].cpu - begin.cpu) / (log[-1].pages - begin.pages) * 1e6


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its processes end with it, as on Ctrl-C
    sys.exit(main())
