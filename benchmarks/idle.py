"""What a crawl costs while it waits: one page, ten seconds of delay, the next page; print the CPU time of the wait.

    python benchmarks/idle.py [--delay 10] [--check]

Once with its standard error in a file, once on a terminal, where one line lives. A crawl that waits should use less than 1 % of
a core. Wake-ups are the voluntary context switches of all its threads.
"""

from __future__ import annotations

import argparse
import os
import pty
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from scale import BenchmarkFailed, crawl_command, running, served, stop, stretches, write_urls

MOST = 0.01
_SETTLED = 1.0
"""Seconds after the first page in which its outcome is committed; and before the next one is due."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="idle", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--delay", type=float, default=10.0, help="seconds that the crawl waits")
    parser.add_argument("--check", action="store_true", help="exit 1 when the target is missed")
    options = parser.parse_args()
    missed = 0
    with served() as port:
        for where in ("file", "terminal"):
            share, wakes = waiting(port, options.delay, on_terminal=where == "terminal")
            missed += share > MOST
            print(f"standard error is a {where}: {100 * share:.2f} % of a core, {wakes:.1f} wake-ups a second")
    print(f"at most {MOST:.0%} of a core: {'missed' if missed else 'met'}")
    return 1 if missed and options.check else 0


def waiting(port: int, delay: float, *, on_terminal: bool) -> tuple[float, float]:
    """The share of a core, and the wake-ups a second, of a crawl between two pages."""
    with tempfile.TemporaryDirectory(prefix="idle-") as name:
        folder = Path(name)
        urls = write_urls(folder, [f"http://127.0.0.1:{port}/1/{number}" for number in range(3)])
        log = folder / "log.jsonl"
        command = crawl_command(folder, urls, log, {"every": 1}, {"delay": delay, "grace": 0})
        command.remove("--quiet")
        with ExitStack() as closing:
            terminal = closing.enter_context(_terminal()) if on_terminal else None
            process = closing.enter_context(running(command, folder, terminal=terminal))
            _wait_for_page(log, 20 + delay)  # robots.txt goes before it, and the pause after that
            time.sleep(_SETTLED)
            begun, cpu, wakes = time.perf_counter(), *_spent(process.pid)
            time.sleep(delay - 2 * _SETTLED)
            elapsed, cpu_now, wakes_now = time.perf_counter() - begun, *_spent(process.pid)
            if len(stretches(log)) != 2:
                raise BenchmarkFailed("another page came meanwhile")
            stop(process)
        return (cpu_now - cpu) / elapsed, (wakes_now - wakes) / elapsed


@contextmanager
def _terminal() -> Iterator[int]:
    """One whose reader throws away what comes."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


def _drain(descriptor: int) -> None:
    with suppress(OSError):  # nobody has its other end open any more
        while os.read(descriptor, 65_536):
            pass


def _wait_for_page(log: Path, limit: float) -> None:
    deadline = time.monotonic() + limit
    while not any(stretch.pages == 1 for stretch in stretches(log)):
        if time.monotonic() > deadline:
            raise BenchmarkFailed("the crawl did not start")
        time.sleep(0.05)


def _spent(pid: int) -> tuple[float, int]:
    """CPU time and voluntary context switches of all threads of a process that lives."""
    run = switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        run += int((task / "schedstat").read_text().split()[0])
        lines = (task / "status").read_text().splitlines()
        switches += int(next(line for line in lines if line.startswith("voluntary")).split()[1])
    return run / 1e9, switches


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its processes end with it, as on Ctrl-C
    sys.exit(main())
