"""A project in a temporary folder, a site on loopback, and the command line in this process or in another."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crawler.cli.main import run
from crawler.demo.bookshop import Bookshop

ROOT = Path(__file__).parents[2]
BOOKS = '''
from crawler import Spider


class Books(Spider):
    """Every book of the shop."""

    name = "books"
    start_urls = ["{url}"]

    def parse(self, page):
        if page.css(".product_main"):
            yield {{"url": page.url, "title": page.css("h1::text").get()}}
        yield from page.follow_all("a")
'''


class Ended(NamedTuple):
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def items(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Project:
    """A folder with a config.toml and spiders."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.write("config.toml", "")
        self.write("spiders/books.py", BOOKS.format(url=url))

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.root / name).read_text("utf-8").splitlines()]

    def files(self) -> set[str]:
        """Every file in it but those that it began with, the state of jobs, and what datasets have beside them."""
        found = {
            file.relative_to(self.root).as_posix()
            for file in self.root.rglob("*")
            if file.is_file()
            and not {"__pycache__", ".crawl"} & {*file.parts}
            and not file.name.endswith(".manifest.json")
        }
        return found - {"config.toml", "spiders/books.py"}


@pytest.fixture(scope="session")
def shop() -> Iterator[Bookshop]:
    with Bookshop(books=20, slow_seconds=0.0) as shop:
        yield shop


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, str]], str]]:
    """A site of its own: paths and their bodies. ``serve(pages)`` gives its URL."""
    servers: list[ThreadingHTTPServer] = []

    def call(pages: dict[str, str]) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = pages.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield call
    for server in servers:
        server.shutdown()
        server.server_close()


class SilentHost:
    """A host that takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        self.asked: socket.socket | None = None

    def until_asked(self) -> None:
        """Wait for a request, which is kept waiting from then on."""
        self.asked, _ = self._listener.accept()
        self.asked.settimeout(10)
        assert self.asked.recv(1)


@pytest.fixture
def silent_host() -> Iterator[SilentHost]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        host = SilentHost(listener)
        yield host
        if host.asked is not None:
            host.asked.close()


@pytest.fixture(autouse=True)
def _nothing_imported_stays() -> Iterator[None]:
    """Spiders are imported in this process: what they bring is taken back."""
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "/pytest-" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Bookshop) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in list(os.environ):
        if name.startswith("CRAWL_"):
            monkeypatch.delenv(name)
    return Project(tmp_path, shop.url)


@pytest.fixture
def crawl(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """``crawl ARGUMENTS`` in this process."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return call


@pytest.fixture
def start(project: Project) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``crawl ARGUMENTS`` in a process of its own, which does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **options.pop("env", {})}
        piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        before = options.pop("before", [])
        command = [*before, sys.executable, "-m", "crawler", *map(str, arguments)]
        process = subprocess.Popen(command, cwd=project.root, env=environment, **{**piped, **options})
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def crawl_apart(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Ended]:
    """``crawl ARGUMENTS`` in a process of its own, to its end."""

    def call(*arguments: object, **options: Any) -> Ended:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=30)
        return Ended(process.returncode, out or "", err or "")

    return call
