"""A crawl into every format at once is killed at each step of its end, and twice at the same: after ``--resume`` each
dataset has each item once, and nothing else lies about."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from crashing import SETTINGS, Site, command, project, run, served

from crawler.export.formats import FORMATS
from crawler.export.manifest import manifest_path, read, verify
from crawler.export.read import lines_of

SPIDER = """
from crawler import Item, Spider, css

class Line(Item):
    page: str
    item: str

class Page(Item, key="title"):
    title: str
    visit: int

class Site(Spider):
    name = "site"

    def __init__(self, url):
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        title = page.css("h1::text").get()
        yield Page(title=title.partition(" ")[2][-1], visit=0)
        yield Page(title=title, visit=1)
        for item in page.css("li::text").getall():
            yield Line(page=title, item=item)
        yield from page.follow_all("a")
"""
PROGRAM = """
import os, sys
from points import after, before
import points
import crawler.export.dataset as dataset
import crawler.export.made as made
from crawler.cli.main import run
from crawler.engine.commit import Committer
from crawler.export.dataset import Dataset
from crawler.export.made import MadeSink
from crawler.export.rotated import RotatedSink

point, number, *arguments = sys.argv[1:]
points._left = int(number)
POINTS = {
    "a group is appended": lambda: after(Dataset, "append"),
    "a group is committed": lambda: after(Committer, "commit"),
    "a file is full, the next one not begun": lambda: before(RotatedSink, "_begin"),
    "the next file is begun": lambda: after(RotatedSink, "_begin"),
    "before a dataset is made": lambda: before(MadeSink, "make"),
    "a file is made, and has no name": lambda: before(os, "replace", lambda a, b: ".new/" in str(a)),
    "a file has its name": lambda: after(os, "replace", lambda a, b: ".new/" in str(a)),
    "before a manifest": lambda: before(dataset, "describe"),
    "after a manifest": lambda: after(dataset, "write"),
    "all is made, the job does not know": lambda: before(Committer, "commit", lambda self, *a, ended=None: bool(ended)),
}
POINTS[point]()
sys.exit(run(arguments))
"""
SINGLE = [f"items{ending}" for ending in FORMATS]
SEVERAL = [
    "by/{item}/{visit}.jsonl",
    *(f"parts/items-{{part}}{ending}" for ending in (".jsonl", ".jsonl.gz", ".csv", ".parquet")),
]
GROWING = [f"parts/items-{{part}}{ending}" for ending in (".jsonl", ".jsonl.gz", ".jsonl.zst")]
LAYOUTS = {
    "single": (SINGLE, "rotate_items=unset"),
    "several": (SEVERAL, "rotate_items=15"),
    "growing": (GROWING, "rotate_items=15"),
}
"""The last one is of items without keys: its files grow one after the other."""
KILLS = [
    ("single", "a group is appended", 1),
    ("single", "a group is appended", 2 * len(SINGLE) + 3),
    ("single", "a group is committed", 4),
    ("single", "before a dataset is made", 1),
    ("single", "before a dataset is made", len(SINGLE) - 1),
    ("single", "a file is made, and has no name", 2),
    ("single", "a file has its name", 5),
    ("single", "before a manifest", 3),
    ("single", "after a manifest", len(SINGLE)),
    ("single", "all is made, the job does not know", 1),
    ("several", "a group is appended", 9),
    ("several", "a group is committed", 3),
    ("growing", "a group is appended", 8),
    ("growing", "a file is full, the next one not begun", 4),
    ("growing", "the next file is begun", 5),
    ("several", "a file is made, and has no name", 4),
    ("several", "a file has its name", 8),
    ("several", "after a manifest", 2),
    ("several", "all is made, the job does not know", 1),
]
PAGES = 20


def words_for(site: Site, layout: str, *more: str) -> list[str]:
    names, rotation = LAYOUTS[layout]
    words = command(site, *more, settings=(*SETTINGS, "commit_size=4", rotation))
    at = words.index("-o")
    return words[:at] + [word for name in names for word in ("-o", name)] + words[at + 2 :]


def plain(record: bytes) -> str:
    """What is in a record, as text: a CSV has no other."""
    return repr(sorted((name, str(value)) for name, value in json.loads(record).items() if value not in (None, "")))


def expected(layout: str) -> Counter[str]:
    pages = PAGES if layout == "growing" else 10
    records: list[dict[str, object]] = [{"title": str(number % 10), "visit": 0} for number in range(pages)]
    records += [{"title": f"page {number}", "visit": 1} for number in range(PAGES)]
    records += [{"page": f"page {number}", "item": f"{number}.{item}"} for number in range(PAGES) for item in range(2)]
    return Counter(plain(json.dumps(record).encode()) for record in records)


def assert_exact(folder: Path, layout: str) -> None:
    listed = []
    for name in LAYOUTS[layout][0]:
        manifest = manifest_path(folder / name)
        assert verify(manifest) == []
        files = [manifest.parent / file.path for file in read(manifest).files]
        assert Counter(plain(line) for path in files for line in lines_of(path)) == expected(layout), name
        listed += [manifest, *files]
    there = {path for path in folder.rglob("*") if path.is_file() and ".crawl" not in path.parts}
    assert there == {*listed, *(folder / name for name in ("config.toml", "site.py", "killed.py"))}


@pytest.mark.parametrize(("layout", "point", "number"), KILLS)
def test_a_crawl_into_every_format_that_is_killed_there_is_gone_on_with(
    layout: str, point: str, number: int, tmp_path: Path
) -> None:
    folder = project(tmp_path)
    (folder / "site.py").write_text(SPIDER.replace(', key="title"', "") if layout == "growing" else SPIDER)
    program = folder / "killed.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROGRAM}")
    with served(PAGES) as site:
        for more in ((), ("--resume",)):
            arguments = words_for(site, layout, *more)[3:]
            ended = run(folder, [sys.executable, str(program), point, str(number), *arguments])
            assert ended.returncode in ((-signal.SIGKILL,) if not more else (0, -signal.SIGKILL)), ended.stderr
        ended = run(folder, words_for(site, layout, "--resume"))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, layout)
