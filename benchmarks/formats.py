"""Write a dataset of many small items in each format; print how fast, and in how much memory.

    python benchmarks/formats.py [--items 1000000] [--format .csv ...] [--check] [--folder DIR]

An item is typed and has six fields. The first line is what the engine does with each item: check it, encode it, write
it as a JSON line. The others make a file of those lines, each in a process of its own; the time is that of every pass
over them, and the memory the most that the process had, libraries included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from crawler import Item
from crawler.export.formats import FORMATS, Making
from crawler.items.check import to_record
from crawler.outcome import Record

TARGETS = {".jsonl": 150_000, ".csv": 100_000, ".parquet": 100_000}
"""Items a second on one core, at least."""
MOST_MEMORY = 250
"""MB, at most, whatever the number of items."""
GROUP = 1_000


class Book(Item):
    url: str
    title: str
    price: float
    in_stock: int
    rating: int | None = None
    is_new: bool = False


def main() -> int:
    parser = argparse.ArgumentParser(prog="formats", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--format", action="append", choices=sorted(FORMATS), help="only this one; repeatable")
    parser.add_argument("--folder", type=Path, help="where the files are written (default: a folder that is removed)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measured(options.part, options.folder, options.items)))
        return 0
    with tempfile.TemporaryDirectory(prefix="formats-") as folder:
        return compare(options.folder or Path(folder), options)


def compare(folder: Path, options: argparse.Namespace) -> int:
    print(f"{options.items:,} items of {len(Book.__struct_fields__)} fields\n")
    print(f"{'format':<12}{'items/s':>10}{'CPU s':>8}{'MB':>8}{'peak MB':>9}  target")
    has_missed = False
    for ending in [".jsonl", *(form for form in options.format or FORMATS if form != ".jsonl")]:
        command = [sys.executable, __file__, "--part", ending, "--folder", folder, "--items", str(options.items)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        speed, target = options.items / figures["cpu"], TARGETS.get(ending, 0)
        is_met = speed >= target and figures["peak"] <= MOST_MEMORY
        has_missed = has_missed or not is_met
        said = f"{'met' if is_met else 'MISSED'}" + (f": {target:,}/s" if target else "")
        print(
            f"{ending:<12}{speed:>10,.0f}{figures['cpu']:>8.1f}{figures['size']:>8.1f}{figures['peak']:>9.0f}  {said}"
        )
    return 1 if options.check and has_missed else 0


def measured(ending: str, folder: Path, items: int) -> dict[str, float]:
    """CPU seconds of writing, MB of the file, and the most memory in MB."""
    form = FORMATS[ending]()
    spool, target = folder / "spool.jsonl", folder / f"items{ending}"
    if ending == ".jsonl":
        target = spool
        spent = encode(spool, items)
    elif form.is_made:
        schema = msgspec.json.schema(Book)
        began = time.process_time()
        form.write(lambda: lines_of(spool), target, Making("Book", schema))
        spent = time.process_time() - began
    else:
        began = time.process_time()
        with target.open("wb") as file:
            for group in groups(lines_of(spool)):
                file.write(form.encode([Record(line) for line in group]))
        spent = time.process_time() - began
    size = target.stat().st_size / 1e6
    if target != spool:
        target.unlink()
    return {"cpu": spent, "size": size, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def encode(spool: Path, items: int) -> float:
    form = FORMATS[".jsonl"]()
    chance = random.Random(1)
    spent = 0.0
    with spool.open("wb") as file:
        for start in range(0, items, GROUP):
            books = [book(number, chance) for number in range(start, min(start + GROUP, items))]
            began = time.process_time()
            records = [to_record(item, item.url) for item in books]
            file.write(form.encode(records))
            spent += time.process_time() - began
    return spent


def book(number: int, chance: random.Random) -> Book:
    return Book(
        url=f"https://shop.example/catalogue/book-{number}.html",
        title=f"A title of some words, No. {number}" + (" — “été”" if number % 10 == 0 else ""),
        price=chance.randrange(100, 10_000) / 100,
        in_stock=chance.randrange(50),
        rating=chance.choice([None, 1, 2, 3, 4, 5]),
        is_new=chance.random() < 0.1,
    )


def lines_of(spool: Path) -> Iterator[bytes]:
    with spool.open("rb") as file:
        for line in file:
            yield line[:-1]


def groups(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    for line in lines:
        group.append(line)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group


if __name__ == "__main__":
    sys.exit(main())
