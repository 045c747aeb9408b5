"""Count what a page costs, and fail if it costs a tenth more than it did: ``make guard``.

    python benchmarks/guard.py

This project and the bare loop crawl the same made sites under valgrind, which counts the instructions of the process,
whatever else the machine does. What counts is the ratio: another version of Python or of a library moves both. The server is a
process of its own, and the pages are made here. The stored figure is in guard.toml, beside this file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from closed_site import START_PATH, build, served
from measure import REPOSITORY, compile_package
from shop_pages import archive

HERE = Path(__file__).resolve().parent
STORED = HERE / "guard.toml"
ROOM = 1.10
"""Above the stored figure, before it fails: five runs of one state on a busy machine lay within 0.3 %."""
SIZES = (50, 250)
"""Pages of the two sites. A page is 2 to 3 million instructions, some 15 ms under valgrind."""
LIMIT = 600.0
"""Seconds that all may take."""

_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


class GuardFailed(Exception):
    """It could not be counted."""


def main() -> int:
    """Exit code: 0 no more than was stored, or not counted here; 1 more, or a crawl failed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print("guard: skipped, since valgrind is not installed (on Debian: apt-get install valgrind)")
        return 0
    compile_package()
    try:
        ours, bare = (pages_of(counts) for counts in counted(valgrind, ("crawler", "bare")))
    except GuardFailed as error:
        print(f"guard: {error}", file=sys.stderr)
        return 1
    return judge(ours, bare, tomllib.loads(STORED.read_text())["pages"])


def judge(ours: float, bare: float, stored: float) -> int:
    """Say what was counted; the exit code."""
    ratio = ours / bare
    print(f"instructions a page: {ours / 1000:,.0f} k, the bare loop {bare / 1000:,.0f} k")
    print(
        f"pages = {ratio:.3f}    (stored in {STORED.relative_to(REPOSITORY)}: {stored}, fails above {stored * ROOM:.3f})"
    )
    if ratio > stored * ROOM:
        print(
            f"guard: a page costs {ratio / stored - 1:.0%} more than it did. Look for what was added to each page\n"
            "  (docs/performance.md has the parts and their cost, python benchmarks/throughput.py the seconds).\n"
            f"  If it is worth it, write the new figure into {STORED.relative_to(REPOSITORY)}, and the reason into the change.",
            file=sys.stderr,
        )
        return 1
    if ratio * ROOM < stored:
        print(
            f"a tenth less than it did: store the new figure in {STORED.relative_to(REPOSITORY)}, so that it stays so"
        )
    return 0


def pages_of(counts: Mapping[int, int]) -> float:
    """Instructions a page, from those of a crawl of each size."""
    small, large = SIZES
    return (counts[large] - counts[small]) / (large - small)


def counted(valgrind: str, names: tuple[str, ...]) -> list[dict[int, int]]:
    """For each contender the instructions of a crawl of each size.

    :raises GuardFailed: a crawl failed, or did not find every page
    """
    with tempfile.TemporaryDirectory(prefix="guard-") as scratch:
        folder, root = Path(scratch), Path(scratch, "site")
        archive(folder / "pages.tar", max(SIZES))
        sites = {size: build(folder / "pages.tar", root / str(size), size) for size in SIZES}
        whole = type(sites[SIZES[0]])(root, (), 0, 0)
        with served(whole, folder, nginx="") as server:  # the same answers everywhere, with nginx or without it
            crawls = {f"{name}={server.url}{size}/{START_PATH}": (name, size) for name in names for size in SIZES}
            made = run(valgrind, list(crawls), folder)
        counts: dict[str, dict[int, int]] = {name: {} for name in names}
        for word, process in made.items():
            name, size = crawls[word]
            check(folder / process / "books.jsonl", name, size)
            counts[name][size] = count_in(folder / f"{process}.count")
        return list(counts.values())


def run(valgrind: str, words: list[str], folder: Path) -> dict[str, str]:
    """Make the crawls under valgrind in *folder*; which process made which.

    :raises GuardFailed: one of them failed
    """
    tool = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--log-file=%p.count"]
    command = [valgrind, *tool, sys.executable, str(HERE / "guarded.py"), *words]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "CRAWL_"))}
    environment = plain | {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{HERE}{os.pathsep}{REPOSITORY}"}
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise GuardFailed(f"not done in {LIMIT:.0f} s") from None
    if ended.returncode:
        raise GuardFailed(f"a crawl failed:\n{ended.stdout}{ended.stderr}")
    return dict(line.split() for line in ended.stdout.splitlines())


def check(output: Path, name: str, size: int) -> None:
    """
    :raises GuardFailed: it is not the dataset of a whole crawl
    """
    lines = output.read_bytes().count(b"\n")
    if lines != size:
        raise GuardFailed(f"{name} wrote {lines} records of {size} pages")


def count_in(log: Path) -> int:
    found = _COUNTED.search(log.read_text())
    if found is None:
        raise GuardFailed(f"valgrind counted nothing; it said: {log.read_text()}")
    return int(found[1].replace(",", ""))


if __name__ == "__main__":
    sys.exit(main())
