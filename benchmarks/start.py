"""How long it takes until something happens: the help, an import, a spider's first request.

    python benchmarks/start.py [--rounds 15] [--check]

Each is a fresh process, all in turn; the fastest of each counts, since everything else that a machine does only adds. The
seconds are this machine's. The last column is not: it is in units of what ``import aiohttp`` takes beyond ``python -c pass``,
which no crawler over aiohttp can do without.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from measure import compile_package, environment

SPIDER = """
from crawler import Item, Spider, css

class Page(Item):
    title: str = css("h1::text")

class Small(Spider):
    name = "small"

    def __init__(self, url):
        self.start_urls = [url]

    def parse(self, page):
        yield page.extract(Page)
"""
ANSWER = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
BODY = b"<h1>small</h1>"
PASS, AIOHTTP, IMPORT, HELP, FIRST = (
    "python -c pass",
    "import aiohttp",
    "import crawler",
    "crawl --help",
    "first request",
)
NAMES = "from crawler import ..."
WHOLE = "a crawl of one page"


@dataclass(frozen=True, slots=True)
class Target:
    """What a quiet machine should manage."""

    seconds: float
    units: float
    """Of ``import aiohttp``: for machines that are not quiet."""


TARGETS = {
    IMPORT: Target(0.120, 0.1),
    NAMES: Target(0.120, 0.4),
    HELP: Target(0.150, 0.4),
    FIRST: Target(0.400, 1.4),
}


class Door:
    """A server of one page, which notes when it was first asked for anything."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.first: float | None = None
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                request = connection.recv(65536)
                if self.first is None:
                    self.first = time.perf_counter()
                status, body = (b"404 Not Found", b"") if request.startswith(b"GET /robots.txt") else (b"200 OK", BODY)
                connection.sendall(ANSWER % (status, len(body), body))


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 measured; 1 with ``--check``, if a target is missed in seconds and in units."""
    parser = argparse.ArgumentParser(prog="start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="runs of each (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args(arguments)
    compile_package()
    door = Door()
    measures: dict[str, Callable[[], float]] = {
        PASS: lambda: whole("-c", "pass"),
        AIOHTTP: lambda: whole("-c", "import aiohttp"),
        IMPORT: lambda: whole("-c", "import crawler"),
        NAMES: lambda: whole("-c", "from crawler import Item, Spider, css"),
        HELP: lambda: whole("-m", "crawler", "--help"),
        FIRST: lambda: crawled(door, until_asked=True),
        WHOLE: lambda: crawled(door),
    }
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(options.rounds):
        for name, measure in measures.items():
            seconds[name].append(measure())
    missed = report(seconds)
    return 1 if options.check and missed else 0


def report(seconds: dict[str, list[float]]) -> bool:
    """Print the table; whether a target is missed."""
    best = {name: min(runs) for name, runs in seconds.items()}
    unit = best[AIOHTTP] - best[PASS]
    print(f"{'':<24} {'ms':>6} {'median':>7} {'target':>7} {'import aiohttp':>15} {'target':>7}")
    missed = False
    for name, runs in seconds.items():
        units = (best[name] - best[PASS]) / unit
        target = TARGETS.get(name)
        bounds = (f"{target.seconds * 1000:.0f}", f"{target.units:.1f}") if target else ("", "")
        print(
            f"{name:<24} {best[name] * 1000:>6.0f} {statistics.median(runs) * 1000:>7.0f} {bounds[0]:>7} "
            f"{units:>15.2f} {bounds[1]:>7}"
        )
        missed |= target is not None and best[name] > target.seconds and units > target.units
    return missed


def whole(*words: str) -> float:
    """Seconds that a process of Python takes."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def crawled(door: Door, *, until_asked: bool = False) -> float:
    """Seconds that a crawl of one page takes, or until its server is first asked for something."""
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        spider = Path(folder, "small.py")
        spider.write_text(SPIDER)
        door.first, begun = None, time.perf_counter()
        words = [str(spider), "-o", "small.jsonl", "-a", f"url={door.url}", "--quiet"]
        subprocess.run([sys.executable, "-m", "crawler", *words], cwd=folder, env=environment(), check=True)
        ended = time.perf_counter()
        assert door.first is not None, "the crawl asked for nothing"
        return (door.first if until_asked else ended) - begun


if __name__ == "__main__":
    sys.exit(main())
