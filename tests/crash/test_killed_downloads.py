"""A crawl that downloads is killed at each step of a file's way: after ``--resume`` each file is whole and there once,
with one record, and no part of it is left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

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
    "a part is noted": lambda: after(Part, "_take_note"),
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
    "a file is whole, and has no name": 3,
    "a file has two names": 3,
    "a file has its name": 4,
    "the part is gone": 3,
    "before a commit": 3,
    "after a commit": 3,
}
"""Points, and the how manieth time that is meant."""
CHAINS = [[*KILLS]] + ([[*reversed(KILLS)]] + [[point] * 3 for point in KILLS] if os.environ.get("ALL_KILLS") else [])
"""Where the runs of one crawl are killed, one after the other. ALL_KILLS=1 has the other ways, too."""
LONG = bytes(range(256)) * 48 * 1024
"""12 MiB: its part is noted once on the way."""


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


def killed_project(folder: Path) -> Path:
    """The program that crawls, and kills itself."""
    project(folder)
    (folder / "site.py").write_text(SPIDER)
    program = folder / "killed.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROGRAM}")
    return program


@pytest.mark.parametrize("points", CHAINS, ids=lambda points: f"{points[0]} ...")
def test_a_crawl_that_is_killed_there_has_each_file_once(points: list[str], tmp_path: Path) -> None:
    program = killed_project(tmp_path)
    settings = (*SETTINGS, "commit_size=2")
    with served(8, Shelf) as site:
        assert isinstance(site, Shelf)
        for run_number, point in enumerate(points):
            more = ("--resume",) if run_number else ()
            arguments = command(site, *more, settings=settings)[3:]
            ended = run(tmp_path, [sys.executable, str(program), point, str(KILLS[point]), *arguments])
            assert ended.returncode == -signal.SIGKILL, (point, ended.stderr)
        ended = run(tmp_path, command(site, "--resume", settings=settings))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(tmp_path, site)


def test_a_long_file_is_gone_on_with_where_its_last_note_says(tmp_path: Path) -> None:
    ranges: list[str] = []

    class Ranged(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_file = self.path != "/"
            body = LONG if is_file else b'<li><a href="/long">long</a></li>'
            asked = self.headers.get("Range", "")
            ranges.extend([asked] * is_file)
            begin = int(asked.removeprefix("bytes=").rstrip("-") or 0)
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", '"one"')
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body[begin:])

        def log_message(self, *args: object) -> None:
            pass

    program = killed_project(tmp_path)
    site = Shelf(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Ranged) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}/"
        settings = (*SETTINGS, "obey_robots=false")
        try:
            arguments = command(site, settings=settings)[3:]
            ended = run(tmp_path, [sys.executable, str(program), "a part is noted", "1", *arguments])
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            ended = run(tmp_path, command(site, "--resume", settings=settings))
        finally:
            server.shutdown()

    assert (ended.returncode, ended.stderr) == (0, "")
    [record] = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert (tmp_path / record["path"]).read_bytes() == LONG
    first, rest = ranges
    assert (first, 0 < int(rest.removeprefix("bytes=").rstrip("-")) < len(LONG)) == ("", True)
