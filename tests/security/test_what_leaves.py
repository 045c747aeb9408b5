"""What leaves the program: files under names that servers choose, cells of a table, and names that the program makes."""

import csv
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from crawler import Download, Spider, UsageError, run
from crawler.cli.main import USAGE
from crawler.cli.main import run as command_line

QUOTED = [
    "../../outside/x",
    "..\\..\\outside\\x",
    "/tmp/x",
    "/etc/passwd",
    "C:\\Windows\\x.dll",
    "C:x",
    "\\\\server\\share\\x",
    ".",
    "..",
    "...",
    "../",
    ".bashrc",
    ".ssh/authorized_keys",
    "CON",
    "nul.txt",
    "COM1.pdf",
    "a:b",
    "-rf",
    "name. . .",
    "x" * 300,
    "x" * 300 + ".pdf",
    "planted",
    "a/../../planted",
    "~root/x",
    "%2e%2e%2foutside%2fx",
    "..%5cx",
    "",
]
"""As they stand in ``filename="..."``."""
ENCODED = [
    "../../outside/x",
    "..\\x",
    "a\x00.txt",
    "a.exe\x00.jpg",
    "a\r\nb",
    "a\x1b]0;title\x07",
    "a\x9b31m",
    "gpj.\u202eexe",
    "a\u2028b",
    "C\u200bON",
    "\uff0e\uff0e\uff0foutside\uff0fx",
    "é" * 300,
    "u\u0308ber",
]
"""As ``filename*=UTF-8''...`` has them."""


@contextmanager
def served(answers: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    """A site of path -> (Content-Disposition, body)."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            header, body = answers.get(self.path, ("", b""))
            self.send_response(200 if self.path in answers else 404)
            if header:
                self.send_header("Content-Disposition", header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_forty_hostile_names_are_forty_files_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "project" / "deep" / "saved"
    outside.mkdir()
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    (outside / "victim").write_bytes(b"mine")
    (folder / "planted").symlink_to(outside / "victim")
    (folder / "x").symlink_to(outside / "made")

    headers = [f'attachment; filename="{name}"' for name in QUOTED]
    headers += [f"attachment; filename*=UTF-8''{quote(name, safe='')}" for name in ENCODED]
    answers = {f"/{number}": (header, b"body %d" % number) for number, header in enumerate(headers)}
    assert len(answers) == 40

    with served(answers) as url:

        class Files(Spider):
            start_urls = tuple(url + path for path in answers)

            def parse(self, page: Any) -> Any:
                for number in range(100):
                    try:
                        with open(folder / (f"{number}-" * bool(number) + page.filename), "xb") as file:
                            file.write(page.body)
                        break
                    except FileExistsError:
                        continue  # another page's, or what somebody has put there
                return {"name": page.filename}

        result = run(Files)

    assert (result.reason, len(result), result.stats.failed) == ("complete", 40, 0)
    saved = [file for file in folder.iterdir() if not file.is_symlink()]
    assert sorted(file.read_bytes() for file in saved) == sorted(body for _, body in answers.values())
    assert {file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()} == {
        *(file.relative_to(tmp_path) for file in saved),
        Path("outside/victim"),
        Path("project/deep/saved/planted"),
    }
    assert (outside / "victim").read_bytes() == b"mine"


@pytest.mark.parametrize("to", ["{name}", "{title}", "{title}/{name}", "a/{title}-{name}", "..{title}{ext}", ""])
def test_forty_hostile_names_are_forty_downloads_in_the_folder(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "project" / "deep" / "saved"
    outside.mkdir()
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    (outside / "victim").write_bytes(b"mine")
    (folder / "planted").symlink_to(outside / "victim")
    (folder / "x").symlink_to(outside / "made")
    (folder / "_x").write_bytes(b"mine as well")

    names = QUOTED + ENCODED
    headers = [f'attachment; filename="{name}"' for name in QUOTED]
    headers += [f"attachment; filename*=UTF-8''{quote(name, safe='')}" for name in ENCODED]
    answers = {f"/{number}": (header, b"body %d" % number) for number, header in enumerate(headers)}

    with served(answers) as url:

        class Files(Spider):
            def start(self) -> Any:
                for path, name in zip(answers, names, strict=True):
                    yield Download(url + path, to=to, fields={"title": name})

            def parse_download(self, page: Any) -> Any:
                return {"path": page.saved.path, "bytes": Path(page.saved.file).read_bytes().decode()}

        result = run(Files, settings={"downloads": str(folder)})

    misplaced = result.stats.failures["download_path"]  # a link or a file, where a folder would be
    assert (result.reason, len(result) + misplaced, result.stats.failed) == ("complete", 40, misplaced)
    assert misplaced == {"{title}/{name}": 2}.get(to, 0)
    paths = [Path(os.path.realpath(record["path"])) for record in result]
    assert all(path.is_relative_to(folder) for path in paths)
    assert len(set(paths)) == len(result)
    assert [path.read_bytes().decode() for path in paths] == [record["bytes"] for record in result]
    assert all(part.isprintable() for path in paths for part in path.relative_to(folder).parts)
    assert [(outside / "victim").read_bytes(), (folder / "_x").read_bytes()] == [b"mine", b"mine as well"]
    assert sorted(outside.iterdir()) == [outside / "victim"]
    assert sorted(path.name for path in (tmp_path / "project").iterdir() if path.name != ".crawl") == ["deep"]
    assert list((tmp_path / "project" / "deep").iterdir()) == [folder]


def test_a_table_of_hostile_titles_has_no_live_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    titles = ['=HYPERLINK("http://a.example","x")', "+1+1", "-1+1", "@SUM(1)", "\uff1d1", "plain", "-5"]
    answers = {f"/{number}": ("", f"<h1>{title}</h1>".encode()) for number, title in enumerate(titles)}

    with served(answers) as url:

        class Titles(Spider):
            start_urls = tuple(url + path for path in answers)

            def parse(self, page: Any) -> Any:
                title = page.css("h1::text").get()
                return {"title": title, title: -5}

        run(Titles, output="titles.csv")

    with (tmp_path / "titles.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert {title if title in ("plain", "-5") else f"'{title}" for title in titles} <= set(cells)
    live = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d")) and cell != "-5"]
    assert live == []


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "a\\b", ".", "..", "CON", "a\x1bb", "a\nb", "a\u202eb", "a:b", ".a", "a.", "", "a" * 300]
)
def test_a_spider_whose_name_could_leave_its_folder_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    class Named(Spider):
        start_urls = ("http://127.0.0.1:9/",)

        def parse(self, page: Any) -> None:
            """Never called."""

    Named.name = name
    with pytest.raises(UsageError, match=r"Named\.name is .* and files cannot be called so on every system"):
        run(Named, output="items.jsonl", job="job")
    assert list(tmp_path.rglob("*")) == [tmp_path / "project"]


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "con", "aux", "a" * 300, "a\x1b"])
def test_a_new_spider_is_not_written_under_such_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    assert command_line(["new", name]) == USAGE
    assert "cannot be a spider's name" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [tmp_path / "project"]


def test_a_link_in_the_place_of_a_job_s_lock_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "lock").symlink_to(tmp_path / "victim")

    class Plain(Spider):
        start_urls = ("http://127.0.0.1:9/",)

        def parse(self, page: Any) -> None:
            """Never called."""

    with pytest.raises(UsageError, match="the crawl's state cannot be kept in job"):
        run(Plain, output="items.jsonl", job="job")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "items.jsonl").exists()
