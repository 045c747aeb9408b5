"""Crawl a thousand hosts of very different latency, and say how near to what politeness allows each of them came.

    python benchmarks/broad.py [--hosts 1000] [--seconds 25] [--delay 1] [--check]

Each host is an address of its own (127.0.0.0/8) with an endless site, and is asked for one page at a time. Half of them
answer within 0.2 s, the slowest ones take 5 s (lognormal). The *allowance* of a host is a page for each of its
latencies, or for each ``--delay`` where that is longer: the pause runs from one request to the next. What is compared with it
are the pages of a host from its first one to the end of the crawl.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import NormalDist, quantiles

from latency_server import address_of
from scale import BenchmarkFailed, Stretch, crawl_command, running, served, stop, stretches, write_urls

MEDIAN, SLOWEST = 0.2, 5.0
SHARE, WORST = 0.95, 0.9
_START = 10.0
"""Seconds that the start of the crawl may take."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="broad", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds between two requests to one host")
    parser.add_argument("--concurrency", type=int, help="requests at once (default: one for each host)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    latencies = [latency_of(number, options.hosts) for number in range(options.hosts)]
    random.Random(1).shuffle(latencies)
    came, whole = crawl(latencies, options)
    return report(came, whole, latencies, options)


def latency_of(number: int, hosts: int) -> int:
    """In milliseconds: the quantiles of one lognormal distribution, evenly spread."""
    highest = NormalDist().inv_cdf(1 - 0.5 / hosts)
    sigma = math.log(SLOWEST / MEDIAN) / highest
    return round(1000 * MEDIAN * math.exp(sigma * NormalDist().inv_cdf((number + 0.5) / hosts)))


def crawl(latencies: list[int], options: argparse.Namespace) -> tuple[dict[str, list[float]], Stretch]:
    """When the pages of each host came; and what the whole crawl was."""
    with tempfile.TemporaryDirectory(prefix="broad-") as name, served(options.hosts) as port:
        folder = Path(name)
        seeds = [f"http://{address_of(number)}:{port}/{latency}/0" for number, latency in enumerate(latencies)]
        settings = {
            "concurrency": options.concurrency or options.hosts,
            "concurrency_per_host": 1,
            "delay": options.delay,
        }
        log = folder / "log.jsonl"
        command = crawl_command(
            folder, write_urls(folder, seeds), log, {"follow": "yes", "times": "yes"}, {**settings, "grace": 0}
        )
        with running(command, folder) as process:
            _wait_for_first_page(log)
            time.sleep(options.seconds)
            stop(process)
        lines = log.read_text().splitlines()
        return json.loads(lines[-1]), stretches(log)[-1]


def _wait_for_first_page(log: Path) -> None:
    deadline = time.monotonic() + _START
    while not stretches(log):
        if time.monotonic() > deadline:
            raise BenchmarkFailed("the crawl did not start")
        time.sleep(0.1)


def report(came: dict[str, list[float]], whole: Stretch, latencies: list[int], options: argparse.Namespace) -> int:
    end = max(times[-1] for times in came.values())
    shares: list[tuple[float, int]] = []
    pages = allowed = 0.0
    for number, latency in enumerate(latencies):
        interval = max(latency / 1000, options.delay)
        times = next((times for host, times in came.items() if host.partition(":")[0] == address_of(number)), [])
        if not times:
            shares.append((0.0, latency))
            continue
        elapsed = max(times[-1], end - interval) - times[0]
        if elapsed >= interval:
            shares.append(((len(times) - 1) * interval / elapsed, latency))
            pages += len(times) - 1
            allowed += elapsed / interval
    shares.sort()
    fast = [share for share, latency in shares if latency <= 1000 * MEDIAN]
    slow = [share for share, latency in shares if latency > 1000]
    total = sum(map(len, came.values()))
    print(f"{options.hosts:,} hosts, latency {min(latencies)} to {max(latencies):,} ms, delay {options.delay:g} s")
    print(f"{total:,} pages, {total / end:,.0f} a second, {100 * whole.cpu / whole.seconds:.0f} % of a core")
    print(f"other programs had the cores for {100 * whole.kept / whole.seconds:.0f} % of the time")
    print(f"all hosts      {pages / allowed:.3f} of what is allowed")
    for words, some in (("each host", [share for share, _ in shares]), ("the fast half", fast), ("past 1 s", slow)):
        cuts = quantiles(some, n=100)
        print(f"{words:<14} worst {some[0]:.3f}, 1 % {cuts[0]:.3f}, 10 % {cuts[9]:.3f}, median {cuts[49]:.3f}")
    print("the worst ones: " + ", ".join(f"{share:.3f} ({latency} ms)" for share, latency in shares[:8]))
    targets = (
        (f"all hosts together >= {SHARE}", pages / allowed, SHARE),
        (f"the worst of the fast half >= {WORST}", fast[0], WORST),
    )
    missed = 0
    for sentence, value, bound in targets:
        missed += value < bound
        print(f"{sentence}: {value:.3f}, {'met' if value >= bound else 'missed'}")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its processes end with it, as on Ctrl-C
    sys.exit(main())
