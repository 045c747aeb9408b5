"""A crawl that downloads is killed at each step of a file's way: after ``--resume`` each file is whole and there once,
with one record, and no part of it is left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from crashing import SETTINGS, Site, command, project, run, served

SPIDER = """
from crawler import Spider

class Files(Spider):
    name = "site"

    def __init__(self, url):
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        for link in page.css("li a"):
            yield page.download(link, fields={"of": page.url})
        yield from page.follow_all("p a")
"""
PROGRAM = """
import os, sys
from points import after, before, die
import points
import crawler.fetch.download as download
from crawler.cli.main import run
from crawler.engine.commit import Committer
from crawler.fetch.download import Downloads
from crawler.fetch.part import Part

point, number, *arguments = sys.argv[1:]
points._left = int(number)
POINTS = {
    "a part is begun": lambda: after(Part, "begin"),
    "a part grows": lambda: after(Part, "write"),
    "a file is whole, and has no name": lambda: before(Downloads, "place"),
    "a file has two names": lambda: after(download, "_named"),
    "a file has its name": lambda: after(Downloads, "place"),
    "the part is gone": lambda: after(Part, "discard"),
    "before a commit": lambda: before(Committer, "commit"),
    "after a commit": lambda: after(Committer, "commit"),
}
POINTS[point]()
sys.exit(run(arguments))
"""
KILLS = {
    "a part is begun": 3,
    "a part grows": 4,
    "a file is whole, and has no name": 4,
    "a file has two names": 4,
    "a file has its name": 5,
    "the part is gone": 3,
    "before a commit": 4,
    "after a commit": 4,
}


class Shelf(Site):
    """Pages with three files each, of 0 to 600 kB; every fifth has the content of another one."""

    def answer(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if name.startswith("file"):
            return 200, {"ETag": f'"{name}"'}, self.body(int(name.removeprefix("file")))
        if not name.isdigit():
            return 404, {}, b""
        number = int(name)
        links = "".join(f'<li><a href="/file{number * 3 + step}">file</a></li>' for step in range(3))
        following = f'<p><a href="/{number + 1}">on</a></p>' if number + 1 < self.pages else ""
        return 200, {}, (links + following).encode()

    def body(self, number: int) -> bytes:
        seed = number - 1 if number % 5 == 4 else number
        return hashlib.sha256(str(seed).encode()).digest() * (seed % 7) * 3_000


def assert_exact(folder: Path, site: Shelf) -> None:
    records = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    assert sorted(record["url"] for record in records) == sorted(f"{site.url}file{n}" for n in range(site.pages * 3))
    wanted = {hashlib.sha256(site.body(number)).hexdigest(): site.body(number) for number in range(site.pages * 3)}
    for record in records:
        number = int(record["url"].rpartition("file")[2])
        assert (folder / record["path"]).read_bytes() == site.body(number)
        assert record["sha256"] == hashlib.sha256(site.body(number)).hexdigest()
    files = [path for path in (folder / "downloads").rglob("*") if path.is_file()]
    assert sorted(path.stem for path in files) == sorted(wanted)
    assert not (folder / "downloads" / ".partial").exists()


@pytest.mark.parametrize("point", KILLS)
def test_a_crawl_that_is_killed_there_has_each_file_once(point: str, tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "site.py").write_text(SPIDER)
    program = folder / "killed.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROGRAM}")
    settings = (*SETTINGS, "commit_size=2")
    with served(5, Shelf) as site:
        assert isinstance(site, Shelf)
        for more in ((), ("--resume",)):
            arguments = command(site, *more, settings=settings)[3:]
            ended = run(folder, [sys.executable, str(program), point, str(KILLS[point]), *arguments])
            assert ended.returncode in ((-signal.SIGKILL,) if not more else (0, -signal.SIGKILL)), ended.stderr
        ended = run(folder, command(site, "--resume", settings=settings))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, site)
    assert os.listdir(folder / "downloads")
